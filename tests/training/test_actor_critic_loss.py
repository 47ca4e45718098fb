"""Losses of the memory agent, by hand, and the gradients that they must not have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.training import actor_critic_loss
from jax_s4rl.training.actor_critic_loss import Weights


def test_actor_critic_by_hand():
    logits = jnp.log(jnp.array([[[0.25, 0.75]], [[0.5, 0.5]]]))
    values, targets = jnp.array([[1.0], [2.0]]), jnp.array([[3.0], [1.0]])
    found = actor_critic_loss.actor_critic(
        logits, values, jnp.array([[1], [0]]), targets, Weights(value=0.4, entropy=0.1)
    )
    policy = -2 * np.log(0.75) + np.log(0.5)
    error = 0.5 * (4 + 1)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) + np.log(2)
    assert float(found) == pytest.approx((policy + 0.4 * error - 0.1 * entropy) / 2, rel=1e-5)


def test_the_value_is_not_moved_by_the_policy_nor_targets_by_anything():
    def loss(values, targets):
        return actor_critic_loss.actor_critic(
            jnp.zeros((1, 1, 2)), values, jnp.zeros((1, 1), jnp.int32), targets, Weights(value=0.0)
        )

    for gradient in jax.grad(loss, argnums=(0, 1))(jnp.ones((1, 1)), jnp.zeros((1, 1))):
        assert not gradient.any()


def test_reconstruction_by_hand():
    predicted = jnp.zeros((1, 1, 4)), jnp.zeros((1, 1, 2)), jnp.array([[1.0]])
    seen = jnp.ones((1, 1, 4)), jnp.array([[[1.0, 0.0]]]), jnp.array([[3.0]])
    weights = Weights(observation=10.0, action=2.0, reward=0.5)
    found = actor_critic_loss.reconstruction(predicted, seen, weights)
    # 10 / 4 of four times log 2, twice log 2, and half of half of 4.
    assert float(found) == pytest.approx(12 * np.log(2) + 1, rel=1e-5)


def test_the_first_step_has_no_last_action_to_reconstruct():
    predicted = jnp.zeros((1, 1, 4)), jnp.zeros((1, 1, 2)), jnp.zeros((1, 1))
    seen = jnp.ones((1, 1, 4)), jnp.zeros((1, 1, 2)), jnp.zeros((1, 1))
    found = actor_critic_loss.reconstruction(predicted, seen, Weights(observation=0.0))
    assert float(found) == 0


def test_a_gradient_is_clipped_number_by_number_and_values_stay():
    values = jnp.array([3.0, -50.0, 0.5])
    np.testing.assert_array_equal(actor_critic_loss.clip_gradient(values, 10.0), values)
    slopes = jnp.array([4.0, -30.0, 11.0])
    found = jax.grad(lambda x: (slopes * actor_critic_loss.clip_gradient(x, 10.0)).sum())(values)
    np.testing.assert_array_equal(found, [4, -10, 10])
