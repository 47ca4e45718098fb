"""Model cards: what a policy was trained on, its scores with intervals, and how to act."""

import numpy as np
import pytest

from jax_s4rl.agents import model_card
from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import rollout
from jax_s4rl.training import config_io
from tests.agents import untrained
from tests.data import records


def make_rollout(targets, greedy):
    parts = [records.make_record((2,), seed=seed) for seed in range(len(targets))]
    record = trajectories.concatenate(parts)
    return rollout.Rollout(record, np.array(targets, np.float32), np.array(greedy), 0.0, 1.0, 1)


def make_about(agent, **changes):
    return {
        "configuration": config_io.to_json(agent.description),
        "step": 30,
        "held_out_losses": [],
        "num_parameters": 1234,
        "scores": [],
        "no_scores_because": "it was not evaluated",
        "versions": {"jax_s4rl": "0.2.0", "jax": "9.9"},
        "hashes": {"data": "0123456789abcdef"},
    } | changes


def test_each_target_and_kind_has_a_row_with_its_interval():
    acted = make_rollout([1.0, 1.0, 0.1, 1.0], [True, True, True, False])
    found = model_card.rows(acted, 4)
    returned = acted.record.episode_returns
    assert [(row["target_return"], row["greedy"], row["episodes"]) for row in found] == [
        (pytest.approx(0.1), True, 1),
        (1.0, False, 1),
        (1.0, True, 2),
    ]
    assert found[0]["low"] is None
    assert found[2]["mean"] == pytest.approx(returned[:2].mean())
    assert found[2]["low"] == pytest.approx(returned[:2].min())
    assert found[2]["high"] == pytest.approx(returned[:2].max())
    assert {row["seed"] for row in found} == {4}


def test_scores_are_measured_for_each_model_or_it_is_said_why_not():
    description, calls = untrained.make_agent("mlp").description, []

    def run(targets, *, greedy, seed, number):
        calls.append((targets.tolist(), greedy, seed, number))
        return make_rollout([1.0], [True])

    found, reason = model_card.score(description, run, episodes=2)
    assert ([row["seed"] for row in found], reason) == ([4, 7], "")
    targets = [pytest.approx(description.world.best_return)] * 2
    assert calls == [(targets, True, 5000, 0), (targets, True, 8000, 1)]
    assert model_card.score(description, None).reason == "there is no environment to act in"
    assert model_card.score(description, run, episodes=0) == ([], "it was not evaluated")
    given = model_card.score(description, run, [make_rollout([3.0], [True])])
    assert [(row["seed"], row["target_return"]) for row in given.rows] == [(None, 3.0)]
    assert len(calls) == 2

    def fails(*_, **__):
        raise RuntimeError("the door is shut\nmore")

    reason = model_card.score(description, fails).reason
    assert reason == "its environment could not be run (the door is shut)"


def test_the_card_says_what_was_trained_and_how():
    agent = untrained.make_agent("s5", env_id="CartPole-v1")
    world = agent.description.world
    about = make_about(agent, scores=model_card.rows(make_rollout([1.5], [False]), 4))
    card = model_card.write(about, "my_policy")
    for text in (
        "(s5) for CartPole-v1",
        "| observations | Box(shape=[3], dtype=float32) |",
        "| actions | Discrete(n=3) |",
        "| dataset | tiny (SHA-256 0123456789ab…) |",
        f"{world.best_return:g}",
        "| model | s5, layers: 1, width: 8, context of 8 steps, concatenated tokens |",
        "| parameters | 1,234 |",
        "30 of 1,000 updates with 64 rows, regime 'windows'",
        "2, of the training seeds 4, 7",
        "none were held out",
        "| 4 | 1.5 | sampled | 1 |",
        'jax_s4rl.load("my_policy")',
        "at most 12 steps",
        "jax 9.9",
    ):
        assert text in card


def test_what_is_not_known_is_said():
    agent = untrained.with_world(
        untrained.make_agent("mlp"), observation_space=None, action_space=None
    )
    about = make_about(agent, held_out_losses=[0.5, 0.25])
    for name in ("num_episodes", "num_steps", "lowest_return"):
        about["configuration"]["world"].pop(name, None)
    card = model_card.write(about, "x")
    for text in (
        "for an environment without a name",
        "| observations | those of the environment |",
        "| episodes, steps | not recorded |",
        "None: it was not evaluated.",
        "| loss on held-out episodes | 0.5, 0.25 |",
    ):
        assert text in card
    about["configuration"]["world"] |= {"num_episodes": 12, "num_steps": 3456, "lowest_return": -2}
    card = model_card.write(about, "x")
    assert "| 12 episodes, 3,456 steps |" in card
    assert f"| -2 to {about['configuration']['world']['best_return']:g} |" in card
