"""Learning histories: every episode of a training, stored once and found again."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.agents import learning_history, recurrent_ppo
from jax_s4rl.collection import recording
from jax_s4rl.envs import registry
from jax_s4rl.modules import mixers
from tests.data import records

SETTINGS = recurrent_ppo.Settings(
    mixer=mixers.MixerConfig("mlp"),
    width=8,
    num_blocks=1,
    total_steps=96,
    num_envs=4,
    row_length=12,
    num_epochs=1,
    num_minibatches=1,
)
ENV = ("jax_s4rl/MemoryChain-v0", {"length": 3})


@pytest.mark.slow
def test_a_history_is_trained_once_and_holds_all_episodes(tmp_path, monkeypatch):
    path = tmp_path / "histories" / "chain.npz"
    record, metadata = learning_history.load(path, *ENV, SETTINGS, seed=2)
    # Episodes have 4 steps, so that none is cut by the end of a round.
    assert metadata["episodes_by_round"] == [12, 12]
    assert record.num_episodes == 24
    records.assert_same(recording.reenact(lambda: registry.make(ENV[0], **ENV[1]), record), record)
    monkeypatch.setattr(recurrent_ppo, "train", None)
    again, read = learning_history.load(path, *ENV, SETTINGS, seed=2)
    records.assert_same(again, record)
    assert read == metadata
    with pytest.raises(ValueError, match="history of another training"):
        learning_history.load(path, *ENV, SETTINGS, seed=3)
    other = dataclasses.replace(SETTINGS, width=16)
    with pytest.raises(ValueError, match="history of another training"):
        learning_history.load(path, *ENV, other, seed=2)


def test_rounds_without_an_episode_are_no_history():
    empty = recurrent_ppo.Round(48, [], {}, None)
    with pytest.raises(ValueError, match="got no episodes"):
        learning_history.collect([empty])
    episode = records.make_record((3,)).episode(0)
    record, counts = learning_history.collect([empty._replace(episodes=[episode]), empty])
    np.testing.assert_array_equal(record.rewards, episode.rewards)
    assert counts == [1, 0]


def test_observations_that_online_agents_flatten_are_refused(tmp_path):
    with pytest.raises(ValueError, match="wanted a Box of one axis"):
        learning_history.load(tmp_path / "a.npz", "FrozenLake-v1", {}, SETTINGS, seed=0)
