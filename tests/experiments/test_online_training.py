"""Trainings that stop when they have learned, and tests of what was learned."""

import dataclasses

import numpy as np
import pytest

from experiments import online, online_training, target_returns
from jax_s4rl.agents import recurrent_ppo
from jax_s4rl.modules import mixers
from tests.collection import worlds

SETTINGS = recurrent_ppo.Settings(
    mixer=mixers.MixerConfig("mlp"),
    width=8,
    num_blocks=1,
    total_steps=240,
    num_envs=4,
    row_length=12,
    num_minibatches=2,
)
RUN = online.Run("corridor", "mlp", SETTINGS, 0, lambda run: {})


def is_long(episode):
    return len(episode.rewards) == 4


@pytest.mark.slow
def test_a_training_stops_when_its_latest_episodes_succeed(monkeypatch):
    whole = online_training.train(RUN, worlds.Corridor)
    assert (whole.found["steps"], whole.found["diverged"]) == (240, False)
    assert whole.found["learned_at"] is whole.found["learned_after_episodes"] is None
    assert len(whole.by_round) == len(whole.found["return_curve"]) == 5
    monkeypatch.setattr(online_training, "RECENT", 8)
    never = online_training.train(RUN, worlds.Corridor, lambda episode: False)
    assert (never.found["steps"], never.found["learned_at"]) == (240, None)
    learned = online_training.train(RUN, worlds.Corridor, lambda episode: True)
    assert learned.found["steps"] == learned.found["learned_at"] == 48
    # Episodes have three steps or four.
    assert 8 <= learned.found["learned_after_episodes"] <= 16
    monkeypatch.setattr(online_training, "AIM", 0.1)
    partly = online_training.train(RUN, worlds.Corridor, is_long)
    assert (partly.found["learned_at"], partly.found["steps"]) == (48, 240)


def test_a_divergence_is_a_result_and_what_came_before_is_kept(monkeypatch):
    def train(number):
        def rounds(*_, **__):
            for each in range(number):
                yield recurrent_ppo.Round(
                    48 * (each + 1), [], {"policy": 0.0}, {"w": np.full(3, each)}
                )
            raise FloatingPointError("no longer finite")

        monkeypatch.setattr(recurrent_ppo, "train", rounds)
        return online_training.train(RUN, worlds.Corridor)

    trained = train(2)
    assert trained.params["w"][0] == 1
    assert trained.found["parameters"] == 3
    assert (trained.found["diverged"], trained.found["steps"]) == (True, 96)
    with pytest.raises(FloatingPointError, match="no longer finite"):
        train(0)


@pytest.mark.slow
def test_greedy_and_sampled_episodes_are_scored_apart():
    trained = online_training.train(RUN, Limited)
    records = online_training.play(Limited, SETTINGS, trained.params, 6, seed=0)
    assert tuple(records) == target_returns.KINDS
    assert {record.num_episodes for record in records.values()} == {6}
    found = online_training.scores(records, lambda record: {"share": float(record.rewards.mean())})
    assert found.keys() == {"share_greedy", "share_sampled"}
    # The likeliest action of a memoryless agent that hardly learned is one and the same.
    assert found["share_greedy"] != found["share_sampled"]


class Limited(worlds.Corridor):
    """The corridor with its time limit as a number, and episodes whose seeds vary."""

    max_steps = 4


def test_curves_have_few_points():
    assert online_training.points([1.0, 3.0]) == [1.0, 3.0]
    curve = np.arange(200.0).tolist()
    found = online_training.points(curve)
    assert len(found) == online_training.POINTS
    assert found[0] == 1.5
    assert dataclasses.replace(SETTINGS).num_updates == 5
