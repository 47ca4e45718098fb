"""Causal convolution over a few steps, each feature by itself, with resets and a carried window.

Selective models have one in front of their recurrence.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks


def apply(
    x: Float[Array | np.ndarray, "*batch L H"],
    weights: Float[Array | np.ndarray, "taps H"],
    bias: Float[Array | np.ndarray, "H"],
    window: Float[Array | np.ndarray, "*batch earlier H"] | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> tuple[Float[Array, "*batch L H"], Float[Array, "*batch earlier H"]]:
    """Computes ``y[k] = bias + sum_j weights[j] x[k - j]``, in which no episode reaches another.

    Args:
        x: Inputs; at least one step.
        weights: Weights; the first is that of the step itself.
        bias: Bias.
        window: Inputs before the first step, the newest last, one fewer than there are weights;
            zero if None.
        resets: True where an episode starts: earlier inputs count as zero from that step on.

    Returns:
        Outputs in the dtype of `x`, and the window for the next call, in float32, or in float64 if
        an argument is.

    Raises:
        ValueError: If shapes do not match, or resets are not bool.

    Source:
        Gu and Dao 2023, "Mamba", section 3.4.

    Example:
        >>> import jax.numpy as jnp
        >>> x, weights = jnp.array([[1.0], [2.0], [4.0]]), jnp.array([[1.0], [0.5]])
        >>> y, window = apply(x, weights, jnp.zeros(1))
        >>> y[:, 0], window
        (Array([1. , 2.5, 5. ], dtype=float32), Array([[4.]], dtype=float32))
        >>> apply(x, weights, jnp.zeros(1), resets=jnp.array([False, False, True]))[0][:, 0]
        Array([1. , 2.5, 4. ], dtype=float32)
    """
    dtype = _casting.compute_dtype(x, weights, bias, window)
    row = _casting.floating("x", x, dtype)
    if row.ndim < 2 or row.shape[-2] < 1:
        raise ValueError(f"x has shape {row.shape}, expected (*batch, L, H) with L of at least 1")
    (*batch, length, features), taps = row.shape, weights.shape[0]
    _checks.shape("weights", weights, (taps, features))
    _checks.flags("resets", resets, (*batch, length))
    earlier = (*batch, taps - 1, features)
    if window is None:
        window = jnp.zeros_like(row, shape=earlier)
    _checks.shape("window", window, earlier)
    row = jnp.concatenate([jnp.asarray(window).astype(dtype), row], -2)
    weights = jnp.asarray(weights).astype(dtype)
    starts = None
    if resets is not None:
        starts = jnp.pad(jnp.asarray(resets), [(0, 0)] * len(batch) + [(taps - 1, 0)])
    lined = (1,) * (len(batch) + 1) + (features,)
    y = _casting.vector("bias", bias, features, dtype).reshape(lined)
    cut = None
    for lag in range(taps):
        begin = taps - 1 - lag
        past = row[..., begin : begin + length, :]
        if starts is not None and lag:
            # An episode that starts between the two steps, or at the later one, hides the earlier.
            started = starts[..., begin + 1 : begin + 1 + length]
            cut = started if cut is None else cut | started
            past = jnp.where(cut[..., None], 0, past)
        y = y + weights[lag].reshape(lined) * past
    window = row[..., length:, :]
    if starts is not None:
        window = jnp.where(_is_before_a_start(starts[..., length:])[..., None], 0, window)
    return y.astype(jnp.asarray(x).dtype), window


def _is_before_a_start(starts: Bool[Array, "*batch steps"]) -> Bool[Array, "*batch steps"]:
    """Returns True at steps that another step follows at which an episode starts."""
    starts = starts.astype(jnp.int32)
    return lax.cumsum(starts, axis=starts.ndim - 1, reverse=True) > starts
