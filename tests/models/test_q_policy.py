"""Acting by values: greedy, softmax or mostly greedy, and in a rollout like any other policy."""

import functools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.evaluation import rollout
from jax_s4rl.models import q_network, q_policy

MANY = 6000


@functools.cache
def setting():
    """A network that has the same values everywhere, 0, 1 and 2."""
    config = q_network.QConfig((4,), 3, network=q_network.NetworkConfig(width=4, num_layers=0))
    params = jax.tree.map(jnp.zeros_like, q_network.init(config, jax.random.key(0)))
    params["values"]["bias"] = jnp.arange(3.0)
    return config, params


def act(*, greedy, **options):
    config, params = setting()
    policy = q_policy.QPolicy(config, 10, **options)
    prepared = policy.prepare(params)
    inputs = (jnp.zeros((MANY, 4)), jnp.full(MANY, 99.0), jnp.full(MANY, greedy), jax.random.key(1))
    return policy.act(prepared, policy.init(prepared, MANY), *inputs)


def shares(actions):
    return np.bincount(actions, minlength=3) / MANY


def test_greedy_takes_the_highest_value():
    actions, clock = act(greedy=True)
    assert set(actions.tolist()) == {2}
    assert set(clock.tolist()) == {1}


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sampled_actions_follow_the_softmax(temperature):
    actions, _ = act(greedy=False, temperature=temperature)
    np.testing.assert_allclose(
        shares(actions), jax.nn.softmax(jnp.arange(3.0) / temperature), atol=0.025
    )


def test_sampled_actions_are_random_for_a_share():
    actions, _ = act(greedy=False, epsilon=0.3)
    np.testing.assert_allclose(shares(actions), [0.1, 0.1, 0.8], atol=0.025)


class Still(gymnasium.Env):
    """Five steps of nothing."""

    observation_space = gymnasium.spaces.Box(0, 1, (4,))
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        self.left = 5
        return np.zeros(4, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(4, np.float32), float(action), self.left == 0, False, {}


def test_it_acts_in_a_rollout():
    config, params = setting()
    acted = rollout.rollout(
        Still, q_policy.QPolicy(config, 5), params, [0.0, 50.0], greedy=True, seed=0
    )
    assert acted.record.episode_returns.tolist() == [10.0, 10.0]


def test_the_network_gets_the_time_step_while_acting():
    network = q_network.NetworkConfig(width=3, num_layers=0, time_embedding="learned")
    config = q_network.QConfig((4,), 3, horizon=5, network=network)
    params = jax.tree.map(jnp.zeros_like, q_network.init(config, jax.random.key(0)))
    # The values are the row of the time step: at step t, action t modulo 3 is the best.
    params["time"]["embedding"] = jax.nn.one_hot(jnp.arange(6) % 3, 3)
    params["values"]["kernel"] = jnp.eye(3)
    acted = rollout.rollout(Still, q_policy.QPolicy(config, 5), params, [0.0], greedy=True, seed=0)
    assert acted.record.actions.tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temperature": 0.0}, "temperature is 0"),
        ({"epsilon": 2.0}, "epsilon is 2"),
        ({"max_steps": 11}, "may last 11 steps"),
    ],
)
def test_policies_that_cannot_act_are_refused(options, sentence):
    network = q_network.NetworkConfig(width=4, time_embedding="learned")
    config = q_network.QConfig((4,), 3, horizon=10, network=network)
    with pytest.raises(ValueError, match=sentence):
        q_policy.QPolicy(config, **{"max_steps": 10} | options)


def test_observations_of_another_shape_are_refused():
    config, params = setting()
    policy = q_policy.QPolicy(config, 10)
    with pytest.raises(ValueError, match=r"observations have shape \(5,\)"):
        policy.act(
            params,
            policy.init(params, 1),
            jnp.zeros((1, 5)),
            jnp.zeros(1),
            jnp.ones(1, bool),
            jax.random.key(0),
        )
