"""Fusion barrier for CPU: materializes an array before it is transposed.

XLA merges an elementwise formula and the transposition of its result into one loop, which runs in
the order of the transposed array: it reads its inputs in long strides, and computes the formula
again for numbers that it has computed before. One after the other, the two take a fraction of the
time. `jax.lax.optimization_barrier` is meant for this, but XLA removes it on CPU before it merges
loops. XLA keeps a `while` loop; the one used here never runs.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Float


@jax.custom_jvp
def fence(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the same array, on CPU materialized before the operations that follow.

    On other platforms nothing happens. The derivative is the identity, without a barrier.

    Args:
        x: Any real floating array.

    Returns:
        `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> fence(jnp.array([1.0, jnp.nan]))
        Array([ 1., nan], dtype=float32)
    """
    # An empty array has no first element for the loop below. A symbolic size of `jax.export` is at
    # least one.
    return x if any(isinstance(n, int) and n == 0 for n in x.shape) else _on_cpu(x)


@fence.defjvp
def _jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return fence(*primals), tangents[0]


# `jax.jit`, because outside of it a choice by platform would be compiled again in every call.
@partial(jax.jit, inline=True)
def _on_cpu(x: Array) -> Array:
    return lax.platform_dependent(x, cpu=_after_loop, default=lambda x: x)


def _after_loop(x: Array) -> Array:
    # The product is 0 or NaN, hence never above 1, and the loop never runs. XLA cannot conclude
    # that, because infinity times zero is not zero.
    never = x[(0,) * x.ndim] * 0
    return lax.while_loop(
        lambda carry: carry[1] > 1, lambda carry: (carry[0] + 1, carry[1] - 1), (x, never)
    )[0]
