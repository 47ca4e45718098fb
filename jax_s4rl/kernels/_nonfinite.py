"""Keeps NaN and infinity before a reset out of later outputs and of their gradients.

An unused output has a zero cotangent, but zero times NaN is NaN: a derivative multiplies cotangents
by inputs and states, so one NaN among them spoils the gradient of every parameter. Here such inputs
are replaced by zero before they enter the state. The outputs that they would have reached are
marked as NaN afterwards, by an addition. All numbers that a derivative multiplies by are then
finite.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _sharding


class Marks(NamedTuple):
    """Marks to add: NaN where an output (or the last state) is spoiled, else zero.

    `G` is 1 or the number of features.
    """

    outputs: Float[Array, "*batch L G"]
    last: Float[Array, "*batch G"]


def marks(
    bad: Bool[Array, "*batch L G"],
    bad_start: Bool[Array, "*batch G"],
    resets: Bool[Array, "*batch L"],
    dtype: jax.typing.DTypeLike,
) -> Marks:
    """Marks all steps from a bad one up to the next reset.

    Args:
        bad: True where an input is not finite.
        bad_start: True where the state before the first step is not finite.
        resets: True where the state is cleared before that input.
        dtype: Dtype of the marks.

    Returns:
        The marks of the outputs, and of the state after the last step.

    Example:
        >>> bad = jnp.array([[False], [True], [False], [False]])
        >>> resets = jnp.array([False, False, False, True])
        >>> marks(bad, jnp.array([False]), resets, jnp.float32).outputs[:, 0]
        Array([ 0., nan, nan,  0.], dtype=float32)
    """
    clean = _sharding.vary_alike(jnp.zeros(bad.shape, dtype), bad, bad_start, resets)[0]

    def mark() -> Array:
        # Steps are numbered from 1; the state before the row is step 0.
        number = jnp.arange(1, bad.shape[-2] + 1, dtype=jnp.int32)[:, None]
        number = number.reshape((1,) * (bad.ndim - 2) + number.shape)
        first = jnp.where(bad_start, 0, -1)[..., None, :]
        newest_bad = jnp.maximum(lax.cummax(jnp.where(bad, number, -1), axis=bad.ndim - 2), first)
        newest_reset = lax.cummax(jnp.where(resets[..., None], number, 0), axis=bad.ndim - 2)
        # `>=`, because a reset clears the state before the input of the same step.
        return jnp.where(newest_bad >= newest_reset, jnp.asarray(jnp.nan, dtype), clean)

    # The running maxima cost more than this check, and are almost never needed.
    outputs = lax.cond(jnp.any(bad) | jnp.any(bad_start), mark, lambda: clean)
    return Marks(outputs, outputs[..., -1, :])
