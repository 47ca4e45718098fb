"""Environments of an online training: true last observations, returns, and recorded episodes."""

import contextlib

import numpy as np
import pytest

from jax_s4rl.collection import recording, seeding
from jax_s4rl.collection.ppo import environments
from jax_s4rl.data import trajectories
from tests.collection import worlds
from tests.data import records


def play(num_steps, *, records_until=99):
    """Plays random actions in three environments."""
    rng = np.random.default_rng(0)
    with contextlib.closing(
        environments.Environments(worlds.Corridor, 3, seed=2, streams=(15,))
    ) as envs:
        shown, steps = [envs.observations], []
        for number in range(num_steps):
            steps.append(envs.step(rng.integers(2, size=3), records=number < records_until))
            shown.append(envs.observations)
    return np.stack(shown[:-1]), steps


def test_episodes_are_those_of_the_world_and_returns_are_theirs():
    _, steps = play(20)
    episodes = [episode for step in steps for episode in step.episodes]
    record = trajectories.from_episodes(episodes)
    records.assert_same(recording.reenact(worlds.Corridor, record), record)
    returns = [value for step in steps for value in step.returns]
    np.testing.assert_array_equal(returns, record.episode_returns)
    assert len(set(record.episode_seeds.tolist())) == record.num_episodes > 9


def test_next_observations_are_true_ones_also_at_the_end():
    shown, steps = play(20)
    after = np.stack([step.next_observations for step in steps])
    np.testing.assert_array_equal(after[..., 1], shown[..., 1] + 1)
    np.testing.assert_array_equal(after[..., 0], shown[..., 0])
    ended = np.stack([step.terminations | step.truncations for step in steps])
    np.testing.assert_array_equal(shown[1:, :, 1] == 0, ended[:-1])


def test_what_is_not_recorded_still_counts_in_the_returns():
    _, steps = play(20, records_until=5)
    assert all(not step.episodes for step in steps[5:])
    assert sum(len(step.returns) for step in steps[5:]) > 6


def test_seeds_go_on_in_the_next_stream_and_end_with_the_last(monkeypatch):
    monkeypatch.setattr(seeding, "EPISODES_PER_STREAM", 6)
    found = []
    for index in (0, 1):
        seeds = environments._seeds(0, (5, 3), index, 2)
        found += [next(seeds) - seeding.EVALUATION_SEEDS for _ in range(6)]
        with pytest.raises(ValueError, match="stream 3 of seed 0 has no seed left"):
            next(seeds)
    assert sorted(found) == [*range(18, 24), *range(30, 36)]
