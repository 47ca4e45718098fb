"""Losses of an agent that acts, values and reconstructs: advantage actor-critic with a memory."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jax_s4rl.training import hindsight

# Strengths of reads up to this are free.
FREE_STRENGTH = 2.0


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights of the parts of the loss; those of the published agent."""

    value: float = 0.4
    """Weight of half the squared error of the value."""
    entropy: float = 0.05
    """Weight of the entropy of the policy."""
    observation: float = 50.0
    """Weight of the reconstructed observation, divided by the number of its features."""
    action: float = 1.0
    """Weight of the reconstructed last action."""
    reward: float = 1.0
    """Weight of half the squared error of the reconstructed last reward."""
    reads: float = 5e-5
    """Weight of the strengths of reads."""


def clip_gradient(values: Float[Array, "*shape"], limit: float) -> Float[Array, "*shape"]:
    """Returns values as they are, and clips each number of the gradient that passes through them.

    Args:
        values: Outputs of a network.
        limit: Largest size of a number of their gradient.

    Returns:
        The values.

    Example:
        >>> jax.grad(lambda x: 30 * clip_gradient(x, 10.0))(jnp.ones(())).item()
        10.0
    """
    clipped: Any = _clip(values, limit)
    return clipped


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _clip(values: Array, limit: float) -> Array:
    del limit
    return values


def _forward(values: Array, limit: float) -> tuple[Array, None]:
    del limit
    return values, None


def _backward(limit: float, _: None, gradient: Array) -> tuple[Array]:
    return (jnp.clip(gradient, -limit, limit),)


_clip.defvjp(_forward, _backward)


def actor_critic(
    logits: Float[Array, "batch steps actions"],
    values: Float[Array, "batch steps"],
    actions: Int[Array, "batch steps"],
    targets: Float[Array, "batch steps"],
    weights: Weights,
) -> Float[Array, ""]:
    """Computes the loss of policy and value, summed over time and averaged over the batch.

    It is `- (G - V) log pi(a) + value (G - V)^2 / 2 - entropy H(pi)`, where the policy gets no
    gradient from the value.

    Args:
        logits: Logits of the policy.
        values: Expected returns.
        actions: Actions taken.
        targets: Returns G, for instance lambda-returns; they get no gradient.
        weights: Weights of the parts.

    Returns:
        The loss.

    Example:
        >>> loss = actor_critic(jnp.zeros((1, 1, 2)), jnp.zeros((1, 1)), jnp.zeros((1, 1), int),
        ...     jnp.ones((1, 1)), Weights(value=2.0, entropy=0.0))
        >>> round(float(loss), 3)
        1.693
    """
    targets = jax.lax.stop_gradient(targets)
    real = jnp.ones_like(actions, bool)
    policy, _ = hindsight.taken_action_loss(logits, actions, targets - values, real)
    log_chosen = jax.nn.log_softmax(logits)
    entropy = -jnp.sum(jnp.exp(log_chosen) * log_chosen)
    error = 0.5 * jnp.sum(jnp.square(values - targets))
    return (policy + weights.value * error - weights.entropy * entropy) / len(actions)


def reconstruction(
    predicted: tuple[
        Float[Array, "batch steps features"],
        Float[Array, "batch steps actions"],
        Float[Array, "batch steps"],
    ],
    seen: tuple[
        Float[Array, "batch steps features"],
        Float[Array, "batch steps actions"],
        Float[Array, "batch steps"],
    ],
    weights: Weights,
) -> Float[Array, ""]:
    """Computes the loss of reconstructed inputs, summed over time and averaged over the batch.

    Args:
        predicted: Logits of the features of the observation, logits of the last action, and the
            last reward.
        seen: Features between 0 and 1, the last action as one-hot, and the last reward.
        weights: Weights of the parts.

    Returns:
        The loss.
    """
    (features, actions, rewards), (own_features, own_actions, own_rewards) = predicted, seen
    of_features = optax.sigmoid_binary_cross_entropy(features, own_features)
    of_actions = optax.softmax_cross_entropy(actions, own_actions)
    total = weights.observation / features.shape[-1] * jnp.sum(of_features)
    total += weights.action * jnp.sum(of_actions)
    total += weights.reward * 0.5 * jnp.sum(jnp.square(rewards - own_rewards))
    return total / len(rewards)


def read_strength(
    strengths: Float[Array, "batch steps heads"], weights: Weights
) -> Float[Array, ""]:
    """Computes the cost of strong reads, summed over time and heads and averaged over the batch.

    Args:
        strengths: Strength of each read.
        weights: Weights of the parts.

    Returns:
        The loss.

    Example:
        >>> cost = read_strength(jnp.array([[[1.0], [5.0]]]), Weights(reads=1.0))
        >>> float(cost)
        7.0
    """
    return weights.reads * jnp.sum(jnp.maximum(strengths, FREE_STRENGTH)) / len(strengths)
