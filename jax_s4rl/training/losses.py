"""Losses of a batch of windows, as sum and weight, so that devices and micro-batches add up to the exact mean."""

import math

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Num


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


def gaussian(
    mean: Float[Array, "batch length size"],
    log_std: Float[Array, "batch length size"],
    actions: Float[Array, "batch length size"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Negative log-likelihood of continuous actions under normal distributions, averaged over an action's numbers.

    Args:
      mean: of the predicted distributions.
      log_std: logarithm of their standard deviations.
      actions: taken; any value at padding.
      mask: True at real steps.

    Returns:
      Sum over real steps, in nats, and their number.

    Example:
      >>> import jax.numpy as jnp
      >>> zeros = jnp.zeros((1, 1, 2))
      >>> total, _ = gaussian(zeros, zeros, zeros, jnp.array([[True]]))
      >>> round(float(total), 4)  # half the logarithm of 2 pi
      0.9189
    """
    real = mask[..., None]
    errors = jnp.where(real, mean - actions, jnp.zeros_like(mean))
    log_std = jnp.where(real, log_std, jnp.zeros_like(log_std))
    losses = 0.5 * jnp.square(errors * jnp.exp(-log_std)) + log_std + 0.5 * math.log(2 * math.pi)
    return _masked_sum(jnp.mean(losses, axis=-1), mask)


def action(
    predicted: Float[Array, "batch length outputs"],
    log_std: Float[Array, "batch length outputs"] | None,
    actions: Num[Array, "batch length *action"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The loss that fits what was predicted: of logits, of a point, or of a normal distribution.

    Args:
      predicted: logits if `actions` are discrete, else the mean.
      log_std: of a normal distribution; None for a point or logits.
      actions: taken.
      mask: True at real steps.

    Returns:
      Sum over real steps, and their number.
    """
    if actions.ndim == mask.ndim:
        return cross_entropy(predicted, actions, mask)
    if log_std is None:
        return squared_error(predicted, actions, mask)
    return gaussian(predicted, log_std, actions, mask)


def next_observation(
    predicted: Float[Array, "batch length outputs"],
    observations: Num[Array, "batch length *shape"],
    mask: Bool[Array, "batch length"],
    resets: Bool[Array, "batch length"] | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """How far predicted next observations are from those that followed; cross-entropy of indices, else squared error.

    The last step of an episode, or of a window, has no next observation and no loss.

    Args:
      predicted: at each step, for the step after it.
      observations: of each step, in the unit of the prediction.
      mask: True at real steps.
      resets: True where another episode starts inside the row.

    Returns:
      Sum over steps that are followed, and their number.

    Example:
      >>> import jax.numpy as jnp
      >>> seen = jnp.array([[[0.0], [1.0], [2.0]]])
      >>> total, weight = next_observation(jnp.zeros((1, 3, 1)), seen, jnp.array([[True, True, True]]))
      >>> float(total), float(weight)
      (5.0, 2.0)
    """
    follows = mask if resets is None else mask & ~resets
    follows = mask & jnp.roll(follows, -1, axis=1).at[:, -1].set(False)
    targets = jnp.roll(observations, -1, axis=1)
    loss = cross_entropy if observations.ndim == mask.ndim else squared_error
    return loss(predicted, targets, follows)


def scalar_error(
    predicted: Float[Array, "batch length"], targets: Float[Array, "batch length"], mask: Bool[Array, "batch length"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Squared error of one number for each step, for instance the return-to-go."""
    return squared_error(predicted[..., None], targets[..., None], mask)


def _masked_sum(
    losses: Float[Array, "batch length"], mask: Bool[Array, "batch length"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    total = jnp.sum(jnp.where(mask, losses, jnp.zeros_like(losses)))
    return total, jnp.sum(mask, dtype=losses.dtype)
