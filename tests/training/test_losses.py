"""Losses: their value by hand, and that padding counts for nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.training import losses

MASK = jnp.array([[True, True, False], [True, False, False]])


def test_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([[[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]]))
    actions = jnp.array([[0, 1, 0], [1, 0, 0]])
    total, weight = losses.cross_entropy(logits, actions, MASK)
    assert float(total) == pytest.approx(-np.log(0.5) - np.log(0.1) - np.log(0.75), rel=1e-6)
    assert float(weight) == 3


def test_squared_error_by_hand():
    predictions = jnp.arange(12.0).reshape(2, 3, 2)
    total, weight = losses.squared_error(predictions, jnp.zeros((2, 3, 2)), MASK)
    assert float(total) == pytest.approx((0 + 1) / 2 + (4 + 9) / 2 + (36 + 49) / 2)
    assert float(weight) == 3


@pytest.mark.parametrize("is_discrete", [True, False])
@pytest.mark.parametrize("noise", [1e30, jnp.nan])
def test_padding_reaches_neither_value_nor_gradient(is_discrete, noise):
    loss = losses.for_actions(is_discrete)
    predictions = jax.random.normal(jax.random.key(0), (2, 3, 4))
    actions = jnp.ones((2, 3), jnp.int32) if is_discrete else jnp.ones((2, 3, 4))
    noisy = jnp.where(MASK[..., None], predictions, noise)

    def total(predictions):
        return loss(predictions, actions, MASK)[0]

    clean_value, clean_gradient = jax.value_and_grad(total)(predictions)
    noisy_value, noisy_gradient = jax.value_and_grad(total)(noisy)
    assert float(noisy_value) == float(clean_value)
    np.testing.assert_array_equal(noisy_gradient, clean_gradient)
    np.testing.assert_array_equal(jnp.where(MASK[..., None], 0.0, noisy_gradient), 0.0)


def test_no_real_step_weighs_nothing():
    total, weight = losses.cross_entropy(jnp.ones((1, 2, 3)), jnp.ones((1, 2), jnp.int32), jnp.zeros((1, 2), bool))
    assert (float(total), float(weight)) == (0.0, 0.0)
