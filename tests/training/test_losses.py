"""Losses: their value by hand, and that padding counts for nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jax_s4rl.training import losses

MASK = jnp.array([[True, True, False], [True, False, False]])


def test_cross_entropy_by_hand():
    logits = jnp.log(
        jnp.array([[[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]])
    )
    actions = jnp.array([[0, 1, 0], [1, 0, 0]])
    total, weight = losses.cross_entropy(logits, actions, MASK)
    assert float(total) == pytest.approx(-np.log(0.5) - np.log(0.1) - np.log(0.75), rel=1e-6)
    assert float(weight) == 3


def test_squared_error_by_hand():
    predictions = jnp.arange(12.0).reshape(2, 3, 2)
    total, weight = losses.squared_error(predictions, jnp.zeros((2, 3, 2)), MASK)
    assert float(total) == pytest.approx((0 + 1) / 2 + (4 + 9) / 2 + (36 + 49) / 2)
    assert float(weight) == 3


def test_gaussian_by_hand():
    mean, log_std, actions = (
        jax.random.normal(jax.random.key(seed), (2, 3, 2)) for seed in range(3)
    )
    total, weight = losses.gaussian(mean, log_std, actions, MASK)
    wanted = -scipy.stats.norm.logpdf(actions, mean, np.exp(log_std)).mean(axis=-1)[MASK].sum()
    assert float(total) == pytest.approx(wanted, rel=1e-5)
    assert float(weight) == 3


def test_the_last_step_of_an_episode_has_no_next_observation():
    observations = jnp.arange(6.0).reshape(1, 6, 1)
    mask = jnp.array([[True, True, True, True, True, False]])
    resets = jnp.array([[False, False, True, False, False, False]])
    # Steps 0, 2 and 3 are followed by 1, 3 and 4.
    total, weight = losses.next_observation(jnp.zeros((1, 6, 1)), observations, mask, resets)
    assert (float(total), float(weight)) == (1.0 + 9.0 + 16.0, 3.0)
    logits = jnp.zeros((1, 6, 5))
    total, weight = losses.next_observation(logits, jnp.zeros((1, 6), jnp.int32), mask, resets)
    assert float(total) == pytest.approx(3 * np.log(5), rel=1e-6)
    # A row without padding ends at the window, not at its own beginning.
    total, weight = losses.next_observation(
        jnp.zeros((1, 6, 1)), observations, jnp.ones((1, 6), bool)
    )
    assert (float(total), float(weight)) == (1.0 + 4.0 + 9.0 + 16.0 + 25.0, 5.0)


def test_one_number_for_each_step():
    total, weight = losses.scalar_error(jnp.full((2, 3), 2.0), jnp.zeros((2, 3)), MASK)
    assert (float(total), float(weight)) == (12.0, 3.0)


@pytest.mark.parametrize("kind", ["discrete", "point", "gaussian"])
@pytest.mark.parametrize("noise", [1e30, jnp.nan])
def test_padding_reaches_neither_value_nor_gradient(kind, noise):
    predictions = jax.random.normal(jax.random.key(0), (2, 3, 4))
    actions = jnp.ones((2, 3), jnp.int32) if kind == "discrete" else jnp.ones((2, 3, 4))
    noisy = jnp.where(MASK[..., None], predictions, noise)

    @jax.jit
    def value_and_gradient(predictions):
        def total(predictions):
            return losses.action(
                predictions, predictions if kind == "gaussian" else None, actions, MASK
            )[0]

        return jax.value_and_grad(total)(predictions)

    clean_value, clean_gradient = value_and_gradient(predictions)
    noisy_value, noisy_gradient = value_and_gradient(noisy)
    assert float(noisy_value) == float(clean_value)
    np.testing.assert_array_equal(noisy_gradient, clean_gradient)
    np.testing.assert_array_equal(jnp.where(MASK[..., None], 0.0, noisy_gradient), 0.0)


def test_no_real_step_weighs_nothing():
    total, weight = losses.cross_entropy(
        jnp.ones((1, 2, 3)), jnp.ones((1, 2), jnp.int32), jnp.zeros((1, 2), bool)
    )
    assert (float(total), float(weight)) == (0.0, 0.0)


def test_a_weighted_cross_entropy_by_hand():
    # Two classes of three: log 2 each; the class that cannot be takes no probability.
    logits = jnp.array([[[0.0, 0.0, -jnp.inf]] * 3])
    labels, weights = jnp.array([[0, 1, 2]]), jnp.array([[1.0, 5.0, 0.0]])
    total, weight = losses.weighted_cross_entropy(logits, labels, weights)
    assert (float(total), float(weight)) == (pytest.approx(6 * np.log(2)), 2.0)
    gradient = jax.grad(lambda x: losses.weighted_cross_entropy(x, labels, weights)[0])(logits)
    np.testing.assert_allclose(gradient[0, 0], [-0.5, 0.5, 0.0], atol=1e-6)
    np.testing.assert_array_equal(gradient[0, 2], 0.0)


def test_the_divergence_of_normals_is_that_of_the_expected_log_ratio():
    mean, log_std, other_mean, other_log_std = (
        0.5 * jax.random.normal(jax.random.key(seed), (3, 2)) for seed in range(4)
    )
    found = losses.normal_kl(mean, log_std, other_mean, other_log_std)
    grid = np.linspace(-12, 12, 20_001)[:, None, None]
    own = scipy.stats.norm.logpdf(grid, np.asarray(mean, float), np.exp(np.asarray(log_std, float)))
    other = scipy.stats.norm.logpdf(
        grid, np.asarray(other_mean, float), np.exp(np.asarray(other_log_std, float))
    )
    wanted = np.trapezoid(np.exp(own) * (own - other), grid, axis=0).sum(axis=-1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_the_divergence_of_equal_normals_is_zero_and_of_near_ones_not_negative():
    mean, log_std = (jax.random.normal(jax.random.key(seed), (50, 8)) for seed in range(2))
    np.testing.assert_array_equal(losses.normal_kl(mean, log_std, mean, log_std), 0)
    near = losses.normal_kl(mean, log_std, mean, log_std + 1e-7 * mean)
    assert float(near.min()) >= 0


def test_free_nats_cost_the_same_and_padding_nothing():
    divergences = jnp.array([[0.1, 2.0, 9.0], [0.2, 9.0, 9.0]])
    total, weight = losses.kl(divergences, MASK, free_nats=0.5)
    assert float(total) == 0.5 + 2 + 0.5
    assert float(weight) == 3
