"""Credit maps: what two models say of recorded actions, and what they cannot say."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.agents import decision_transformer, hindsight_credit, inspection
from jax_s4rl.data import returns
from jax_s4rl.models import policy
from tests.agents import runs, untrained
from tests.data import records
from tests.models import small

RECORD = records.make_record((5, 8, 3), num_actions=small.NUM_ACTIONS, observation_shape=(4,))


def make(mixer="mlp", **changes):
    config = small.config(mixer, num_layers=1, **changes)
    return decision_transformer.Trained(config, policy.CARRY, 0, small.params(config), None, 0.0)


def test_credit_is_the_logarithm_of_the_ratio_of_both_models():
    trained, clone = make(), make(returns="none")
    found = hindsight_credit.of_record(trained, clone, RECORD)
    rows = np.arange(RECORD.num_steps)
    for part, model in ((found.hindsight, trained), (found.behavior, clone)):
        np.testing.assert_array_equal(part, inspection.action_log_probabilities(model, RECORD))
        np.testing.assert_allclose(np.exp(part).sum(axis=1), 1, rtol=1e-5)
    wanted = (found.hindsight - found.behavior)[rows, RECORD.actions]
    np.testing.assert_allclose(found.credit, wanted, atol=1e-5)
    to_go = returns.returns_to_go(RECORD.rewards, RECORD.episode_lengths)
    np.testing.assert_allclose(found.weights, (1 - np.exp(-wanted)) * to_go, atol=1e-4)
    assert np.abs(wanted).max() > 0.01


def test_agents_are_compared_on_episodes_in_any_form():
    agent = untrained.make_agent("mlp")
    clone = untrained.make_agent("mlp", returns="none")
    record = untrained.make_record(untrained.VECTOR, agent.encoders[1].space)
    found = hindsight_credit.of_agents(agent, clone, record, number=1)
    assert found.credit.shape == (record.num_steps,)
    other = hindsight_credit.of_agents(agent, clone, record)
    assert not np.allclose(found.credit, other.credit)
    (first,) = hindsight_credit.of_agents(agent, clone, record.select([0]), number=1).credit[:1]
    assert first == pytest.approx(found.credit[0], abs=1e-5)


@pytest.mark.parametrize(
    ("trained", "clone", "sentence"),
    [
        ({"returns": "none"}, {"returns": "none"}, "wanted one that is conditioned on returns"),
        ({}, {}, "train it with returns='none'"),
        ({}, {"returns": "none", "facts": {"num_actions": 2}}, "train both on one dataset"),
        ({"action_loss": "squared_error"}, {"returns": "none"}, "no probabilities"),
    ],
)
def test_models_that_do_not_fit_are_refused(trained, clone, sentence):
    with pytest.raises(ValueError, match=sentence):
        hindsight_credit.of_record(make(**trained), make(**clone), RECORD)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"actions": np.ones(16, np.int32)}, "that all take action 1"),
        ({"rewards": np.zeros(16, np.float32)}, "all have the return 0"),
        ({"actions": np.zeros((16, 1), np.float32)}, "continuous actions"),
    ],
)
def test_episodes_that_tell_nothing_are_refused_before_a_training(change, sentence):
    hindsight_credit.check(RECORD)
    with pytest.raises(ValueError, match=sentence):
        hindsight_credit.check(dataclasses.replace(RECORD, **change))


def test_a_clone_learns_by_advantages_of_the_model_and_the_plain_clone(monkeypatch):
    record = dataclasses.replace(RECORD, actions=RECORD.actions % 2)
    task = dataclasses.replace(runs.TASK, record=record)
    trained, plain, asked = make(), make(returns="none"), []

    def train(settings, task, *, seeds, loss_weights=None):
        asked.append((settings.model.returns, settings.weighting, seeds, loss_weights))
        return iter([trained if settings.model.returns != "none" else plain])

    monkeypatch.setattr(decision_transformer, "train", train)
    settings = dataclasses.replace(runs.SETTINGS, weighting="balanced")
    assert hindsight_credit.train_clone(settings, task, seed=3) is plain
    assert [each[:3] for each in asked] == [
        ("inside", "balanced", (3,)),
        *[("none", "uniform", (3,))] * 2,
    ]
    assert asked[0][3] is asked[1][3] is None
    advantages = hindsight_credit.of_record(trained, plain, record).weights
    np.testing.assert_array_equal(asked[2][3] > 0, advantages > 0)
    assert asked[2][3][advantages > 0].mean() == pytest.approx(1)


def test_a_clone_is_refused_before_any_training(monkeypatch):
    monkeypatch.setattr(decision_transformer, "train", None)
    silent = dataclasses.replace(runs.TASK.record, rewards=np.zeros_like(runs.TASK.record.rewards))
    task = dataclasses.replace(runs.TASK, record=silent)
    with pytest.raises(ValueError, match="all have the return 0"):
        hindsight_credit.train_clone(runs.SETTINGS, task, seed=0)
    model = dataclasses.replace(runs.SETTINGS.model, returns="none")
    without = dataclasses.replace(runs.SETTINGS, model=model)
    with pytest.raises(ValueError, match="wanted one that is conditioned on returns"):
        hindsight_credit.train_clone(without, runs.TASK, seed=0)
    with pytest.raises(ValueError, match="no action with a positive advantage"):
        hindsight_credit.cloning_weights(-np.ones(3))
