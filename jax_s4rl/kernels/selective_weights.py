"""Weights of the selective systems `ssd` and `s6` that any optimizer may change.

They are a part of `trainable`, whose `constrain` makes a stable system of them. What makes free
steps, B and C of the input are linear maps of the caller: `modules.mamba2` and `modules.mamba` have
those of the papers.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jax_s4rl.kernels import _casting, _checks, _selective, initialization, s6, ssd, trainable

STEP_RANGE = (1e-3, 1e-1)
"""Shortest and longest initial step in the papers."""


class SSD(NamedTuple):
    """Weights of `ssd.Parameters`; `log_decay` [heads] is the logarithm of -A."""

    log_decay: Float[Array, "heads"]
    D: Float[Array, "heads"]
    step_bias: Float[Array, "heads"]


class S6(NamedTuple):
    """Weights of `s6.Parameters`; `log_decay` [H, N] is the logarithm of -A."""

    log_decay: Float[Array, "H N"]
    D: Float[Array, "H"]
    step_bias: Float[Array, "H"]


def init_ssd(
    key: Key[Array, ""], heads: int, *, step_range: tuple[float, float] = STEP_RANGE
) -> SSD:
    """Draws weights of SSD: decays -A uniform between 1 and 16, steps log-uniform in a range.

    Args:
        key: Random key.
        heads: Number of heads.
        step_range: Shortest and longest step of an input of zero.

    Returns:
        The weights; D is 1.

    Raises:
        ValueError: If heads < 1, or the range is not one.

    Source:
        Dao and Gu 2024 (Mamba-2), official code.

    Example:
        >>> weights = init_ssd(jax.random.key(0), 8)
        >>> bool(((1 <= jnp.exp(weights.log_decay)) & (jnp.exp(weights.log_decay) <= 16)).all())
        True
    """
    decay_key, step_key = jax.random.split(key)
    decays = jax.random.uniform(decay_key, (_checks.length(heads, "heads"),), minval=1, maxval=16)
    return SSD(jnp.log(decays), jnp.ones(heads), step_bias(step_key, heads, *step_range))


def init_s6(
    key: Key[Array, ""], H: int, N: int = 16, *, step_range: tuple[float, float] = STEP_RANGE
) -> S6:
    """Draws weights of S6: decays -A of 1 to N in each feature, steps log-uniform in a range.

    Args:
        key: Random key.
        H: Number of features.
        N: Number of states of each feature.
        step_range: Shortest and longest step of an input of zero.

    Returns:
        The weights; D is 1.

    Raises:
        ValueError: If H or N < 1, or the range is not one.

    Source:
        Gu and Dao 2023 (Mamba), section 3.6, where A is called S4D-Real.

    Example:
        >>> jnp.exp(init_s6(jax.random.key(0), 2, 4).log_decay[0]).round(4)
        Array([1., 2., 3., 4.], dtype=float32)
    """
    numbers = jnp.log(jnp.arange(1.0, _checks.length(N, "N") + 1))
    log_decay = jnp.tile(numbers[None], (_checks.length(H, "H"), 1))
    return S6(log_decay, jnp.ones(H), step_bias(key, H, *step_range))


def step_bias(
    key: Key[Array, ""], count: int, shortest: float, longest: float
) -> Float[Array, "count"]:
    """Draws numbers whose softplus is a step, log-uniform between two bounds.

    Args:
        key: Random key.
        count: How many.
        shortest: Shortest step, positive.
        longest: Longest step.

    Returns:
        The numbers.

    Raises:
        ValueError: Unless `0 < shortest <= longest`.

    Example:
        >>> steps = jax.nn.softplus(step_bias(jax.random.key(0), 100, 0.01, 0.1))
        >>> bool(((steps > 0.0099) & (steps < 0.101)).all())
        True
    """
    steps = jnp.exp(initialization.log_step(key, (count,), shortest, longest))
    # The inverse of softplus, log(e^s - 1), without an overflow or a cancellation.
    return steps + jnp.log(-jnp.expm1(-steps))


@trainable.constrain.register
def _(weights: SSD) -> ssd.Parameters:
    return ssd.Parameters(-trainable.positive(weights.log_decay), weights.D, weights.step_bias)


@trainable.constrain.register
def _(weights: S6) -> s6.Parameters:
    return s6.Parameters(-trainable.positive(weights.log_decay), weights.D, weights.step_bias)


@trainable.unconstrain.register
def _(parameters: ssd.Parameters) -> SSD:
    values = _selective.settle(parameters, ssd.AXES, _casting.compute_dtype(parameters))
    return SSD(jnp.log(-values.A), values.D, values.step_bias)


@trainable.unconstrain.register
def _(parameters: s6.Parameters) -> S6:
    values = _selective.settle(parameters, s6.AXES, _casting.compute_dtype(parameters))
    return S6(jnp.log(-values.A), values.D, values.step_bias)
