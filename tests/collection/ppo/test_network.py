import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jax_s4rl.collection.ppo import network as ppo_network

ROUNDING = 1e-5
NUM_DRAWS = 20_000


def make_outputs(shape, seed=0):
    rng = np.random.default_rng(seed)
    center, log_scale = (jnp.asarray(rng.normal(size=shape), jnp.float32) for _ in range(2))
    return ppo_network.Outputs(center, log_scale, jnp.zeros(shape[:-1]))


def test_discrete_probabilities_add_up_and_agree_with_entropy():
    outputs = make_outputs((5, 3))
    actions = jnp.broadcast_to(jnp.arange(3), (5, 3)).T
    logs = jnp.stack(
        [ppo_network.log_probability(outputs, row, discrete=True) for row in actions], axis=1
    )
    np.testing.assert_allclose(jnp.exp(logs).sum(axis=1), 1, rtol=ROUNDING)
    wanted = scipy.stats.entropy(np.exp(np.asarray(logs, np.float64)), axis=1)
    np.testing.assert_allclose(ppo_network.entropy(outputs, discrete=True), wanted, rtol=ROUNDING)


def test_continuous_density_and_entropy_agree_with_scipy():
    outputs = make_outputs((4, 3))
    actions = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), jnp.float32)
    normal = scipy.stats.norm(np.float64(outputs.center), np.exp(np.float64(outputs.log_scale)))
    found = ppo_network.log_probability(outputs, actions, discrete=False)
    np.testing.assert_allclose(found, normal.logpdf(actions).sum(axis=1), rtol=ROUNDING)
    np.testing.assert_allclose(
        ppo_network.entropy(outputs, discrete=False), normal.entropy().sum(axis=1), rtol=ROUNDING
    )


def test_draws_follow_the_distribution():
    discrete = make_outputs((1, 3))
    many = ppo_network.Outputs(
        *(jnp.broadcast_to(part, (NUM_DRAWS, *part.shape[1:])) for part in discrete)
    )
    draws = ppo_network.sample_actions(jax.random.key(0), many, discrete=True)
    # Five standard errors of a share of 20,000 draws are at most 0.018; those of a mean with a
    # standard deviation below 3 are at most 0.11.
    wanted = jax.nn.softmax(discrete.center[0])
    np.testing.assert_allclose(np.bincount(draws, minlength=3) / NUM_DRAWS, wanted, atol=0.018)
    draws = ppo_network.sample_actions(jax.random.key(0), many, discrete=False)
    np.testing.assert_allclose(draws.mean(axis=0), discrete.center[0], atol=0.11)
    np.testing.assert_allclose(draws.std(axis=0), jnp.exp(discrete.log_scale[0]), rtol=0.05)


@pytest.mark.parametrize("discrete", [True, False])
def test_the_first_policy_is_nearly_uniform_and_rows_do_not_mix(discrete):
    network = ppo_network.ActorCritic(2, discrete, width=8, num_layers=1)
    normalizer = ppo_network.Normalizer(jnp.ones(3), jnp.full(3, 2.0))
    observations = jnp.asarray(np.random.default_rng(0).normal(size=(4, 5, 3)), jnp.float32)
    parameters = network.init(jax.random.key(0), observations, normalizer)
    outputs = ppo_network.apply(network, parameters, observations, normalizer)
    assert outputs.center.shape == outputs.log_scale.shape == (4, 5, 2)
    assert float(jnp.abs(outputs.center).max()) < 0.1
    one = ppo_network.apply(network, parameters, observations[2, 3], normalizer)
    np.testing.assert_allclose(one.value, outputs.value[2, 3], atol=ROUNDING)


def test_normalizing_inside_equals_normalizing_before():
    network = ppo_network.ActorCritic(2, True, width=8)
    normalizer = ppo_network.Normalizer(jnp.array([1.0, -1.0]), jnp.array([2.0, 0.5]))
    plain = ppo_network.Normalizer(jnp.zeros(2), jnp.ones(2))
    observations = jnp.array([[3.0, 0.0], [1000.0, 0.0]])
    parameters = network.init(jax.random.key(0), observations, plain)
    before = jnp.array([[1.0, 2.0], [ppo_network.OBSERVATION_LIMIT, 2.0]])
    inside = ppo_network.apply(network, parameters, observations, normalizer)
    np.testing.assert_allclose(
        inside.value, ppo_network.apply(network, parameters, before, plain).value, rtol=ROUNDING
    )
