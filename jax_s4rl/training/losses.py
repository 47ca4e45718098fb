"""Losses of a batch of windows, as sum and weight, so that devices and micro-batches add up to the exact mean."""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

Loss = Callable[..., tuple[Float[Array, ""], Float[Array, ""]]]


def cross_entropy(
    logits: Float[Array, "batch length actions"],
    actions: Int[Array, "batch length"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Cross-entropy between predicted and taken discrete actions, over real steps.

    Args:
      logits: unnormalized log-probabilities.
      actions: taken; any value at padding.
      mask: True at real steps.

    Returns:
      Sum over real steps, in nats, and their number.

    Example:
      >>> import jax.numpy as jnp
      >>> total, weight = cross_entropy(jnp.zeros((1, 2, 4)), jnp.zeros((1, 2), int), jnp.array([[True, False]]))
      >>> round(float(total), 4), float(weight)
      (1.3863, 1.0)
    """
    # Selected before the loss, not multiplied after it: not even a NaN at padding reaches sum or gradient.
    logits = jnp.where(mask[..., None], logits, jnp.zeros_like(logits))
    labels = jnp.where(mask, actions, jnp.zeros_like(actions))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return _masked_sum(losses, mask)


def squared_error(
    predictions: Float[Array, "batch length size"],
    actions: Float[Array, "batch length size"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Squared error between predicted and taken continuous actions, averaged over an action's numbers.

    Args:
      predictions: predicted actions.
      actions: taken; any value at padding.
      mask: True at real steps.

    Returns:
      Sum over real steps, and their number.

    Example:
      >>> import jax.numpy as jnp
      >>> total, weight = squared_error(jnp.ones((1, 2, 3)), jnp.zeros((1, 2, 3)), jnp.array([[True, True]]))
      >>> float(total), float(weight)
      (2.0, 2.0)
    """
    errors = jnp.where(mask[..., None], predictions - actions, jnp.zeros_like(predictions))
    return _masked_sum(jnp.mean(jnp.square(errors), axis=-1), mask)


def _masked_sum(
    losses: Float[Array, "batch length"], mask: Bool[Array, "batch length"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    total = jnp.sum(jnp.where(mask, losses, jnp.zeros_like(losses)))
    return total, jnp.sum(mask, dtype=losses.dtype)


def for_actions(is_discrete: bool) -> Loss:
    """The loss that fits the action space: cross-entropy for discrete, squared error for continuous actions."""
    return cross_entropy if is_discrete else squared_error
