"""Checks the time between samples, which scales the step of each sample of a sequence."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks


def ready(
    intervals: Any, shape: tuple[Any, ...], resets: Any, mask: Any, dtype: Any = None
) -> tuple[Float[Array, "*batch L"], Bool[Array, "*batch L"]]:
    """Checks factors on the step of each sample, and makes them safe to differentiate through.

    Args:
        intervals: Factors, one for each sample.
        shape: Shape of the sequence without its features, `(*batch, L)`.
        resets: Resets of the run. If given, factors that are not finite become 1 and are reported.
        mask: Mask of the run. Factors at padding become 1, whatever they are.
        dtype: Dtype to cast to; None keeps that of the factors.

    Returns:
        The factors, and True where they were not finite.

    Raises:
        ValueError: If the shape is another one, or factors are integers or known to be negative.

    Example:
        >>> ready(jnp.array([1.0, -1.0]), (2,), None, None)
        Traceback (most recent call last):
        ValueError: intervals has an entry of -1, but time does not run backwards; ...
        >>> ready(jnp.array([2.0, -1.0]), (2,), None, jnp.array([True, False]))[0]
        Array([2., 1.], dtype=float32)
    """
    _checks.flags("mask", mask, shape)
    # Looked at before any operation: inside of `jax.jit` their results are traced.
    if _checks.is_concrete((intervals, mask)):
        known = np.asarray(intervals)
        counted = known[np.asarray(mask)] if mask is not None and known.shape == shape else known
        if (counted < 0).any():
            raise ValueError(
                f"intervals has an entry of {float(counted.min()):.3g}, but time does not run "
                "backwards; pass the time since the previous sample"
            )
    factors = _casting.floating("intervals", intervals, dtype)
    _checks.shape("intervals", factors, shape)
    if mask is not None:
        factors = jnp.where(jnp.asarray(mask), factors, jnp.ones_like(factors))
    bad = ~jnp.isfinite(factors)
    return (factors if resets is None else jnp.where(bad, jnp.ones_like(factors), factors)), bad
