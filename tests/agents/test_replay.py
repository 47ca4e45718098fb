"""Recorded actions are played again, and another environment is noticed."""

import functools

import gymnasium
import numpy as np

from jax_s4rl.agents import replay
from jax_s4rl.data import trajectories


class Scaled(gymnasium.ObservationWrapper):
    """In other units than the data."""

    def observation(self, observation):
        return np.asarray(observation * 57.3, np.float32)


def make():
    return gymnasium.make("CartPole-v1")


def scaled():
    return Scaled(make())


@functools.cache
def record(*, is_seeded=True):
    with make() as env:
        episodes = [replay.play(env, None, seed).episode for seed in range(4)]
    if not is_seeded:
        episodes = [episode._replace(seed=-1) for episode in episodes]
    return trajectories.from_episodes(episodes)


def test_the_environment_of_the_data_repeats_them():
    found, played = replay.against_record(make, record())
    assert found is None
    assert len(played.raw_observations) == len(played.episode.rewards)
    assert replay.against_record(make, record(is_seeded=False))[0] is None


def test_other_units_are_found_at_the_first_step():
    found, _ = replay.against_record(scaled, record())
    assert (found.what, found.step, found.feature) == ("observations", 0, 0)
    one, other = found.values
    assert np.isclose(other, 57.3 * one)
    assert found.sentence.startswith("step 0, observations 0: ")


def test_other_units_are_found_without_seeds():
    found, _ = replay.against_record(scaled, record(is_seeded=False))
    assert "observation 0 has the mean" in found
    assert "look for another unit, scale or order of features" in found


def test_another_reward_is_found():
    doubled = functools.partial(
        gymnasium.wrappers.TransformReward, make(), lambda reward: 2 * reward
    )
    found, _ = replay.against_record(doubled, record())
    assert (found.what, found.step, found.values) == ("rewards", 0, (1.0, 2.0))


def test_an_environment_that_ends_early_is_found():
    short = functools.partial(gymnasium.make, "CartPole-v1", max_episode_steps=3)
    found, _ = replay.against_record(short, record())
    assert found.startswith("the environment ends after 3 steps, the data after ")


def test_a_constant_that_agrees_is_no_mismatch():
    assert replay.compare_feature(0, np.full(5, 3.0), 3.0, 0.0, 3.0) is None
    assert replay.compare_feature(0, np.zeros(5), 0.0, 0.0, 0.0) is None
    assert "observation 2" in replay.compare_feature(2, np.full(5, 30.0), 3.0, 0.1, 3.0)
