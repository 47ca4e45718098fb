"""Thinned data: what is wanted stays, and one in a hundred of the others, always the same."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.collection import thinning
from jax_s4rl.data import trajectories


def make_record(lengths):
    episodes = []
    for number, length in enumerate(lengths):
        last = np.arange(length) == length - 1
        episodes.append(
            trajectories.Episode(
                np.zeros((length, 1), np.float32),
                np.zeros(length, np.int32),
                np.zeros(length),
                last,
                np.zeros(length, bool),
                np.zeros(1, np.float32),
                seed=7 + number,
            )
        )
    return trajectories.from_episodes(episodes)


@pytest.fixture(scope="module")
def failures():
    return make_record([1] * 2_000)


def test_long_episodes_stay_and_few_others():
    lengths = np.tile([1, 2, 200], 1_000)
    kept = thinning.few_short_ones(make_record(lengths), None)
    assert set(np.flatnonzero(lengths == 200)) <= set(kept)
    assert 5 < len(kept) - 1_000 < 40
    assert (np.diff(kept) > 0).all()


def test_successes_stay_and_few_failures(failures):
    kept = thinning.few_failures(failures, None)
    assert 5 < len(kept) < 40
    rewards = failures.rewards.copy()
    rewards[::2] = 1
    better = thinning.few_failures(dataclasses.replace(failures, rewards=rewards), None)
    # The draw of an episode does not depend on what the others earned.
    odd = np.arange(1, 2_000, 2)
    assert set(better) == set(range(0, 2_000, 2)) | (set(kept) & set(odd))


def test_the_draw_follows_the_recorded_seeds(failures):
    others = dataclasses.replace(failures, episode_seeds=failures.episode_seeds + 1)
    first, again, other = (
        thinning.few_failures(record, None) for record in (failures, failures, others)
    )
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()
