"""The agent that transports value: alignment of its inputs, its returns, and a short training."""

import dataclasses

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import transport_agent
from jax_s4rl.data import value_transport
from jax_s4rl.envs import registry
from jax_s4rl.models import memory_agent
from tests.data import records

SETTINGS = transport_agent.Settings(
    width=8, num_updates=2, batch_size=3, rule=value_transport.Rule(discount=0.5, threshold=0.0)
)
CONFIG = memory_agent.MemoryAgentConfig(2, 4, max_steps=5, width=8)


def test_what_was_done_and_earned_is_known_one_step_later():
    record = records.make_record((5, 5))
    batch = transport_agent.stack(CONFIG, record)
    actions, rewards = record.actions.reshape(2, 5), record.rewards.reshape(2, 5)
    assert not batch.inputs.previous_action[:, 0].any()
    np.testing.assert_array_equal(
        batch.inputs.previous_action[:, 1:].argmax(axis=2), actions[:, :-1]
    )
    np.testing.assert_array_equal(batch.inputs.previous_reward[:, 1:], rewards[:, :-1])
    np.testing.assert_array_equal(batch.inputs.previous_reward[:, 0], 0)
    with pytest.raises(ValueError, match="episodes of 1 to 5 steps"):
        transport_agent.stack(CONFIG, records.make_record((3, 1, 5)))


def test_lambda_returns_by_hand():
    rewards, values = jnp.array([[1.0, 2.0, 4.0]]), jnp.array([[10.0, 20.0, 30.0]])
    found = transport_agent._lambda_returns(rewards, values, 0.5)
    last = 4.0
    middle = 2 + 0.5 * (0.5 * 30 + 0.5 * last)
    first = 1 + 0.5 * (0.5 * 20 + 0.5 * middle)
    np.testing.assert_allclose(found, [[first, middle, last]], rtol=1e-6)
    whole = transport_agent._lambda_returns(rewards, values, 1.0)
    np.testing.assert_allclose(whole, [[7, 6, 4]], rtol=1e-6)
    gradient = jax.grad(lambda v: transport_agent._lambda_returns(rewards, v, 0.5).sum())(values)
    assert not gradient.any()


def test_rewards_are_paid_to_the_steps_that_were_read():
    weights = np.zeros((1, 5, 1, 5), np.float32)
    weights[0, 3:, 0, 0] = 1
    outputs = memory_agent.Outputs(
        *(None,) * 2, np.array([[[0.0], [0], [0], [3], [5]]], np.float32), weights, *(None,) * 3
    )._replace(value=np.array([[0, 0, 0, 0, 2.0]], np.float32))
    found = transport_agent.transport(outputs, value_transport.Rule(discount=0.5))
    np.testing.assert_allclose(found, [[1.8, 0, 0, 0, 0]], rtol=1e-6)
    assert found.dtype == np.float32


def test_the_optimizer_is_that_of_the_published_agent():
    params = {"w": jnp.zeros(2)}
    transformation = transport_agent._optimizer(SETTINGS)
    state = transformation.init(params)
    moment, found = np.zeros(2), []
    for step, gradient in enumerate(([1e-6, 300.0], [-2e-6, 1.0]), start=1):
        changes, state = transformation.update({"w": jnp.array(gradient)}, state, params)
        moment = 0.95 * moment + 0.05 * np.square(gradient)
        root = np.sqrt(moment / (1 - 0.95**step))
        # No first moment, no limit of the norm, a constant rate.
        found.append((changes["w"], -2e-4 * np.array(gradient) / (root + 1e-6)))
    for changes, expected in found:
        np.testing.assert_allclose(changes, expected, rtol=1e-4)


@pytest.mark.slow
def test_transported_rewards_change_the_targets_alone():
    record = records.make_record((5, 5, 5))
    record = dataclasses.replace(record, observations=np.abs(record.observations) % 1)
    batch = transport_agent.stack(CONFIG, record)
    params = memory_agent.init(CONFIG, jax.random.key(0))
    extra = np.zeros((3, 5), np.float32)
    extra[0, 1] = 1.0

    @jax.jit
    def loss(extra):
        return transport_agent._loss(CONFIG, SETTINGS, params, batch, extra)

    assert float(loss(extra)) != float(loss(np.zeros_like(extra)))
    assert not jax.grad(loss)(jnp.asarray(extra)).any()


@pytest.mark.slow
def test_a_short_training_plays_and_transports():
    def make_env():
        return registry.make(
            "jax_s4rl/KeyToDoor-v0", preset="high_var", phase_steps=(3, 4, 3), obs="visible", size=4
        )

    plain = dataclasses.replace(SETTINGS, transports=False)
    first, second = transport_agent.train(make_env, SETTINGS, seed=1)
    (other, _) = transport_agent.train(make_env, plain, seed=1)
    assert first.record.episode_lengths.tolist() == [10, 10, 10]
    assert second.record.episode_seeds.min() == first.record.episode_seeds.max() + 1
    np.testing.assert_array_equal(first.record.actions, other.record.actions)
    assert first.transported.any()
    assert not other.transported.any()
    assert np.isfinite(second.loss)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), first.params, second.params)
    assert any(jax.tree.leaves(changed))


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ("CartPole-v1", "a vector of numbers from 0 to 1"),
        ("Pendulum-v1", "a vector of numbers from 0 to 1"),
    ],
)
def test_environments_that_do_not_fit_are_refused(env, sentence):
    with pytest.raises(ValueError, match=sentence):
        transport_agent.configure(lambda: gymnasium.make(env), SETTINGS)
