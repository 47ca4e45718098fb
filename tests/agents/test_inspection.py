"""Inspection of models: results come in the order of the record, however it is split into parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import decision_transformer, inspection
from jax_s4rl.models import attribution, policy
from jax_s4rl.models import decision_transformer as network
from tests.data import records
from tests.models import small

LENGTHS = (5, 12, 1, 8, 3)
RECORD = records.make_record(
    LENGTHS, num_actions=small.NUM_ACTIONS, observation_shape=(small.SIZE,)
)


def make(mixer="s4d", **changes):
    config = small.config(
        mixer, num_layers=1, **{"returns": "outside", "return_loss": 1.0} | changes
    )
    return decision_transformer.Trained(config, policy.CARRY, 0, small.params(config), None, 0.0)


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch):
    monkeypatch.setattr(inspection, "ROWS", 2)


def alone(trained, number):
    """The window of one episode by itself, without padding."""
    episode = RECORD.episode(number)
    length = len(episode.rewards)
    window = network.empty_window(trained.config, batch_size=1, length=length)
    window["observations"] = episode.observations[None]
    window["actions"] = episode.actions[None]
    window["previous_actions"] = np.append(-1, episode.actions[:-1]).astype(np.int32)[None]
    window["time_steps"] = np.arange(length, dtype=np.int32)[None]
    return jax.tree.map(jnp.asarray, window)


@pytest.mark.slow
def test_returns_are_predicted_for_every_step_in_the_order_of_the_record():
    trained = make()
    found = inspection.predicted_returns(trained, RECORD)
    assert found.shape == (RECORD.num_steps,)
    for number in range(RECORD.num_episodes):
        start = RECORD.episode_starts[number]
        model = network.DecisionTransformer(trained.config)
        wanted = model.apply({"params": trained.params}, **alone(trained, number)).return_to_go[0]
        np.testing.assert_allclose(found[start : start + LENGTHS[number]], wanted, atol=1e-5)


def test_actions_are_attributed_within_their_episodes():
    trained, steps = make(), np.array([4, 6, 0, 7, 1])
    found = inspection.attribute(trained, RECORD, steps)
    assert found.shape == (5, 12)
    for number, step in enumerate(steps):
        assert (found[number] > 0).tolist() == (np.arange(12) <= step).tolist()


@pytest.mark.slow
def test_what_was_asked_for_is_what_the_model_is_told():
    trained = make(returns="inside", return_loss=0.0)
    steps = np.array([4, 6, 0, 7, 1])
    earned = inspection.attribute(trained, RECORD, steps)
    same = inspection.attribute(trained, RECORD, steps, targets=RECORD.episode_returns)
    other = inspection.attribute(trained, RECORD, steps, targets=RECORD.episode_returns + 3)
    np.testing.assert_allclose(same, earned, atol=1e-5)
    assert not np.allclose(other, earned, atol=1e-3)


def test_attention_looks_at_steps_of_its_episode():
    trained, steps = make("attention"), np.array([4, 6, 0, 7, 1])
    found = inspection.attend(trained, RECORD, steps)
    assert found.shape == (5, 1, 2, 12)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, atol=1e-5)
    for number, step in enumerate(steps):
        assert not found[number, :, :, step + 1 :].any()
    with pytest.raises(ValueError, match="no attention weights"):
        inspection.attend(make("s4d"), RECORD, steps)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("method", attribution.METHODS)
def test_both_methods_are_offered(method):
    assert np.isfinite(
        inspection.attribute(make("mlp"), RECORD, np.zeros(5, int), method=method)
    ).all()


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["attention", "s4d"])
def test_first_actions_are_those_of_the_whole_model(mixer):
    trained, targets = make(mixer, returns="inside", return_loss=0.0), np.array([-1.0, 0.0, 3.0])
    starts = RECORD.observations[RECORD.episode_starts]
    found = inspection.first_actions(trained, starts, targets)
    assert found.shape == (5, 3, small.NUM_ACTIONS)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)
    window = alone(trained, 0)
    for number, target in enumerate(targets):
        window["returns_to_go"] = jnp.full_like(window["returns_to_go"], target)
        whole = network.DecisionTransformer(trained.config).apply(
            {"params": trained.params}, **window
        )
        np.testing.assert_allclose(found[0, number], jax.nn.softmax(whole.action[0, 0]), atol=1e-5)


def test_outputs_of_squared_error_are_no_probabilities():
    trained = make("mlp", action_loss="squared_error")
    with pytest.raises(ValueError, match="train it with action_loss='cross_entropy'"):
        inspection.first_actions(trained, np.zeros((1, small.SIZE)), np.zeros(1))


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["attention", "s4d"])
def test_probabilities_of_actions_are_those_of_the_whole_model(mixer):
    trained = make(mixer, returns="none", return_loss=0.0)
    found = inspection.action_log_probabilities(trained, RECORD)
    assert found.shape == (RECORD.num_steps, small.NUM_ACTIONS)
    for number in range(RECORD.num_episodes):
        start = RECORD.episode_starts[number]
        model = network.DecisionTransformer(trained.config)
        whole = model.apply({"params": trained.params}, **alone(trained, number)).action[0]
        wanted = jax.nn.log_softmax(whole)
        np.testing.assert_allclose(found[start : start + LENGTHS[number]], wanted, atol=1e-5)


@pytest.mark.slow
def test_attention_between_all_steps_is_that_of_each_step():
    trained = make("attention")
    found = inspection.attend_between_steps(trained, RECORD)
    assert found.shape == (5, 2, 12, 12)
    for step in (0, 2):
        steps = np.minimum(step, np.array(LENGTHS) - 1)
        wanted = inspection.attend(trained, RECORD, steps)[:, -1]
        np.testing.assert_allclose(found[np.arange(5), :, steps], wanted, atol=1e-6)


def test_continuous_actions_have_no_probabilities():
    trained = make("mlp", facts={"num_actions": None, "action_size": 2})
    with pytest.raises(ValueError, match="continuous actions"):
        inspection.action_log_probabilities(trained, RECORD)
