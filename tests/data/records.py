"""Small records with distinct contents, for the tests of this folder and others."""

import dataclasses

import numpy as np

from jax_s4rl.data import trajectories


def make_record(
    lengths=(3, 1, 5), *, seed=0, num_actions=4, action_size=None, observation_shape=(2,)
):
    rng = np.random.default_rng(seed)
    episodes = []
    for index, length in enumerate(lengths):
        ends = np.arange(length) == length - 1
        shape = (length,) if action_size is None else (length, action_size)
        actions = (
            rng.integers(0, num_actions, shape) if action_size is None else rng.normal(size=shape)
        )
        episodes.append(
            trajectories.Episode(
                observations=rng.normal(size=(length, *observation_shape)).astype(np.float32),
                actions=actions,
                rewards=rng.normal(size=length),
                terminations=ends & (index % 3 == 0),
                truncations=ends & (index % 3 == 1),
                final_observation=rng.normal(size=observation_shape).astype(np.float32),
                seed=100 + index,
            )
        )
    return trajectories.from_episodes(episodes)


# What a record lacks, by the sentence that refuses it.
EMPTY_HANDED = [
    ({"actions": np.ones_like}, "has one action only"),
    ({"rewards": np.zeros_like}, "has only rewards of 0"),
]


def without(record, changes):
    """A record whose fields are replaced by functions of their own values."""
    return dataclasses.replace(
        record, **{name: change(getattr(record, name)) for name, change in changes.items()}
    )


def assert_same(left, right):
    for name in left.__dataclass_fields__:
        one, other = getattr(left, name), getattr(right, name)
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, err_msg=name)


OBSERVATIONS = {
    "bytes": np.arange(12, dtype=np.uint8),
    "whole numbers of 64 bits": np.arange(12) * 2**40,
    "unsigned numbers beyond 63 bits": np.arange(12, dtype=np.uint64) * np.uint64(2**60),
    "float64": np.arange(12) * 0.1,
    "halves": np.arange(12, dtype=np.float16),
    "extended": np.arange(12, dtype=np.longdouble),
    "flags": np.arange(12) > 5,
    "small units": np.arange(12) * 1e-30,
}
# Differences of these are lost in 32 bits.
UNREPRESENTABLE = [2**40 + np.arange(12), np.arange(12) * 1e-300, np.arange(12) * 1e300]


def of_observations(values):
    """A record of two episodes with these twelve numbers as observations."""
    record = make_record((3, 3), observation_shape=(2,))
    table = values.reshape(6, 2)
    return dataclasses.replace(record, observations=table, final_observations=table[[2, 5]])
