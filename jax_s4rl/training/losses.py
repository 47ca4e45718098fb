"""Losses of a batch of windows, as sum and weight.

Sums and weights of devices and micro-batches are added and then divided, which gives the exact mean
over the real steps of the whole batch.
"""

import math

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Num

from jax_s4rl.data import windows


def cross_entropy(
    logits: Float[Array, "batch length actions"],
    actions: Int[Array, "batch length"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the cross-entropy between predicted and taken discrete actions, over real steps.

    Args:
        logits: Unnormalized log-probabilities of the actions.
        actions: Actions taken; any value in the padding.
        mask: True at real steps.

    Returns:
        Sum over real steps, in nats, and their number.

    Example:
        >>> import jax.numpy as jnp
        >>> actions, mask = jnp.zeros((1, 2), int), jnp.array([[True, False]])
        >>> total, weight = cross_entropy(jnp.zeros((1, 2, 4)), actions, mask)
        >>> round(float(total), 4), float(weight)
        (1.3863, 1.0)
    """
    # Selected before the loss, not multiplied by the mask after it, so that not even a NaN in the
    # padding reaches the sum or the gradient. The other losses do the same.
    logits = jnp.where(mask[..., None], logits, jnp.zeros_like(logits))
    labels = jnp.where(mask, actions, jnp.zeros_like(actions))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return _masked_sum(losses, mask)


def weighted_cross_entropy(
    logits: Float[Array, "batch length classes"],
    labels: Int[Array, "batch length"],
    weights: Float[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the weighted cross-entropy of predicted classes.

    Args:
        logits: Unnormalized log-probabilities; minus infinity for classes that cannot be.
        labels: Classes; any value where the weight is 0.
        weights: Weight of each place, at least 0; 0 leaves a place out.

    Returns:
        Weighted sum in nats, and the number of places with a weight above 0, by which the mean of
        the trajectory transformer is taken.

    Source:
        Janner et al. (2021), "Offline Reinforcement Learning as One Big Sequence Modeling Problem",
        equation 2; the weights are those of its code.

    Example:
        >>> import jax.numpy as jnp
        >>> labels, weights = jnp.zeros((1, 2), int), jnp.array([[5.0, 0.0]])
        >>> total, weight = weighted_cross_entropy(jnp.zeros((1, 2, 4)), labels, weights)
        >>> round(float(total), 4), float(weight)
        (6.9315, 1.0)
    """
    is_real = weights > 0
    logits = jnp.where(is_real[..., None], logits, jnp.zeros_like(logits))
    labels = jnp.where(is_real, labels, jnp.zeros_like(labels))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return _masked_sum(weights * losses, is_real)


def squared_error(
    predictions: Float[Array, "batch length size"],
    actions: Float[Array, "batch length size"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the squared error between predicted and taken continuous actions.

    The error of a step is the mean over the components of its action.

    Args:
        predictions: Predicted actions.
        actions: Actions taken; any value in the padding.
        mask: True at real steps.

    Returns:
        Sum over real steps, and their number.

    Example:
        >>> import jax.numpy as jnp
        >>> actions, mask = jnp.zeros((1, 2, 3)), jnp.array([[True, True]])
        >>> total, weight = squared_error(jnp.ones((1, 2, 3)), actions, mask)
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
    """Computes the negative log-likelihood of continuous actions under normal distributions.

    The loss of a step is the mean over the components of its action.

    Args:
        mean: Mean of each predicted distribution.
        log_std: Logarithm of each standard deviation.
        actions: Actions taken; any value in the padding.
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
    # Scaled before it is squared: an inverse variance would overflow at smaller deviations.
    losses = 0.5 * jnp.square(errors * jnp.exp(-log_std)) + log_std + 0.5 * math.log(2 * math.pi)
    return _masked_sum(jnp.mean(losses, axis=-1), mask)


def action(
    predicted: Float[Array, "batch length outputs"],
    log_std: Float[Array, "batch length outputs"] | None,
    actions: Num[Array, "batch length *action"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the loss that fits the kind of prediction: logits, points or normal distributions.

    Args:
        predicted: Logits if `actions` are discrete, else mean or predicted action.
        log_std: Logarithm of each standard deviation; None for logits and points.
        actions: Actions taken.
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
    """Computes the loss of predicted next observations.

    It is the cross-entropy if observations are indices, else the squared error. The last step of an
    episode, or of a window, has no next observation and no loss.

    Args:
        predicted: Prediction at each step for the next step.
        observations: Observation of each step, in the unit of the prediction.
        mask: True at real steps.
        resets: True where another episode starts in the row; None if each row holds one episode.

    Returns:
        Sum over steps with a next step, and their number.

    Example:
        >>> import jax.numpy as jnp
        >>> seen, mask = jnp.array([[[0.0], [1.0], [2.0]]]), jnp.array([[True, True, True]])
        >>> total, weight = next_observation(jnp.zeros((1, 3, 1)), seen, mask)
        >>> float(total), float(weight)
        (5.0, 2.0)
    """
    follows = windows.has_next(mask, resets)
    targets = jnp.roll(observations, -1, axis=1)
    loss = cross_entropy if observations.ndim == mask.ndim else squared_error
    return loss(predicted, targets, follows)


def scalar_error(
    predicted: Float[Array, "batch length"],
    targets: Float[Array, "batch length"],
    mask: Bool[Array, "batch length"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the squared error of one number for each step, for instance the return-to-go.

    Args:
        predicted: Predicted number of each step.
        targets: Number of each step; any value in the padding.
        mask: True at real steps.

    Returns:
        Sum over real steps, and their number.
    """
    return squared_error(predicted[..., None], targets[..., None], mask)


def normal_kl(
    mean: Float[Array, "*rows size"],
    log_std: Float[Array, "*rows size"],
    other_mean: Float[Array, "*rows size"],
    other_log_std: Float[Array, "*rows size"],
) -> Float[Array, "*rows"]:
    """Computes the divergence KL(q || p) of diagonal normal distributions, summed over dimensions.

    `KL = sum (s/o)^2 / 2 - 1/2 - log(s/o) + ((m - n) / o)^2 / 2` with means m, n and standard
    deviations s, o. The sum, not the mean, over dimensions: its weight in a loss does not depend on
    their number.

    Args:
        mean: Means of q.
        log_std: Logarithms of the standard deviations of q.
        other_mean: Means of p.
        other_log_std: Logarithms of the standard deviations of p.

    Returns:
        Divergence of each row in nats, at least 0.

    Example:
        >>> import jax.numpy as jnp
        >>> zeros = jnp.zeros((1, 2))
        >>> normal_kl(jnp.ones((1, 2)), zeros, zeros, zeros).tolist()  # a half for each dimension
        [1.0]
    """
    twice = 2 * (log_std - other_log_std)
    shift = (mean - other_mean) * jnp.exp(-other_log_std)
    # `expm1` keeps the digits where the two are nearly equal, and rounding could pass below 0.
    spread = jnp.maximum(jnp.expm1(twice) - twice, 0.0)
    return 0.5 * jnp.sum(spread + jnp.square(shift), axis=-1)


def kl(
    divergences: Float[Array, "batch length"],
    mask: Bool[Array, "batch length"],
    free_nats: float = 0.0,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the loss of divergences between posteriors and priors, over real steps.

    Args:
        divergences: Divergence of each step in nats, from `normal_kl`.
        mask: True at real steps.
        free_nats: Divergence of a step that costs no more than less of it would.

    Returns:
        Sum over real steps, in nats, and their number.

    Example:
        >>> import jax.numpy as jnp
        >>> total, _ = kl(jnp.array([[0.1, 2.0]]), jnp.array([[True, True]]), free_nats=0.5)
        >>> float(total)
        2.5
    """
    return _masked_sum(jnp.maximum(divergences, free_nats), mask)


def _masked_sum(
    losses: Float[Array, "batch length"], mask: Bool[Array, "batch length"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    total = jnp.sum(jnp.where(mask, losses, jnp.zeros_like(losses)))
    return total, jnp.sum(mask, dtype=losses.dtype)
