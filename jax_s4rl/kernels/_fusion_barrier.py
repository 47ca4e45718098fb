"""A wall that XLA does not fuse across on CPU: what is turned around in memory is computed once, before it is turned.

XLA merges an elementwise formula with the transposition of its result into one loop, which runs in the order of the
turned array: it reads its inputs in long strides, and computes the formula again where it has been computed before. The
two one after the other take a fraction of the time. `jax.lax.optimization_barrier` says just this, but is taken out on
CPU before loops are merged. A loop is not; this one never runs.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Float


@jax.custom_jvp
def fence(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The same array, in memory before what follows is computed; on CPU alone, elsewhere nothing happens.

    Its derivative is the identity, without a fence.

    Args:
        x: Any real floating array.

    Returns:
        `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> fence(jnp.array([1.0, jnp.nan]))
        Array([ 1., nan], dtype=float32)
    """
    # A size that `jax.export` leaves open is at least one.
    return x if any(isinstance(n, int) and n == 0 for n in x.shape) else _on_cpu(x)


@fence.defjvp
def _jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return fence(*primals), tangents[0]


# Outside of `jax.jit` a choice by platform would be compiled anew in every call.
@partial(jax.jit, inline=True)
def _on_cpu(x: Array) -> Array:
    return lax.platform_dependent(x, cpu=_unmoved, default=lambda x: x)


def _unmoved(x: Array) -> Array:
    # Zero or NaN, and so never above one; but XLA does not know that, since zero times infinity is not zero.
    never = x[(0,) * x.ndim] * 0
    return lax.while_loop(lambda carry: carry[1] > 1, lambda carry: (carry[0] + 1, carry[1] - 1), (x, never))[0]
