"""Linear maps with a transpose of their own, in forward and reverse mode and to any order.

`jax.custom_vjp` gives a function a derivative rule for reverse mode and takes forward mode away.
JAX can transpose most linear maps by itself, but not always fast: the transpose of a real Fourier
transform becomes a complex one of twice the length. Here the map `A` is written as the solution of
a linear system,

    [ I  0] [x]   [x]
    [-A  I] [y] = [0],

because `jax.lax.custom_linear_solve` takes a solver and a transposed solver, and differentiates
through the system.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

X = TypeVar("X")
Y = TypeVar("Y")


def call(forward: Callable[[X], Y], transpose: Callable[[Y], X], x: X) -> Y:
    """Applies a linear map whose transpose is known.

    Args:
        forward: Map `A`, linear, from a pytree of real arrays to another. It may close over any
            values, but JAX differentiates with respect to these by its own rules, so it has to be
            made of differentiable operations.
        transpose: Map `A^T`, from the structure that `forward` returns to the structure of `x`.
        x: Argument of the map. Under `jax.shard_map` all leaves have to vary over the same axes
            (see `_sharding.vary_alike`).

    Returns:
        `A x`, differentiable any number of times in forward and reverse mode.

    Example:
        >>> import jax
        >>> triple = lambda x: call(lambda x: 3 * x, lambda y: 3 * y, x)
        >>> float(jax.jvp(triple, (1.0,), (2.0,))[1]), float(jax.grad(triple)(1.0))
        (6.0, 3.0)
    """
    x = jax.tree.map(jnp.asarray, x)
    forward, closed_over = jax.closure_convert(forward, x)

    def image(x: X) -> Y:
        return forward(x, *closed_over)

    # `custom_linear_solve` is transposed only if its whole right-hand side is a linear function of
    # the same tangents: those of x, or those of the values that `forward` closes over. Zeros made
    # of both are added to every part, and XLA removes them.
    x = tied(x)
    zeros = _plus(
        jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), jax.eval_shape(image, x)), _zero_of(x)
    )

    def matvec(pair: tuple[X, Y]) -> tuple[X, Y]:
        x, y = pair
        return _plus(
            (x, jax.tree.map(jnp.subtract, y, image(x))), _zero_of(pair, _zero_of(closed_over))
        )

    def solve(_: Callable, pair: tuple[X, Y]) -> tuple[X, Y]:
        x, y = pair
        return x, jax.tree.map(jnp.add, y, image(x))

    def solve_transposed(_: Callable, pair: tuple[X, Y]) -> tuple[X, Y]:
        x, y = pair
        return jax.tree.map(jnp.add, x, transpose(y)), y

    solution: Any = lax.custom_linear_solve(matvec, (x, zeros), solve, solve_transposed)
    x, y = solution
    # An unused part of the solution has a cotangent that does not depend on the others, and then
    # the transposed solver cannot be transposed again. Hence the zero made of all parts.
    return _plus(y, _zero_of((x, y)))


def tied(x: X) -> X:
    """Returns the same arrays, but with derivatives that depend on all of them.

    A zero made of all arrays is added to each, which XLA removes. `lax.custom_linear_solve` is
    transposed only if all parts of its right-hand side have a tangent.

    Example:
        >>> tied((1.0, 2.0))
        (Array(1., dtype=float32), Array(2., dtype=float32))
    """
    x = jax.tree.map(jnp.asarray, x)
    return _plus(x, _zero_of(x))


def _zero_of(x: Any, factor: Array | None = None) -> Array:
    """Returns a zero that depends on each leaf: the sum of an empty slice, times the factor."""
    total = jnp.zeros((), jnp.float32)
    for leaf in jax.tree.leaves(x):
        # With `[:0]` the zero would depend on nothing if `jax.export` leaves a size open.
        empty = lax.slice_in_dim(leaf.reshape(-1), 0, 0)
        part = (empty if factor is None else empty * factor.astype(leaf.dtype)).sum()
        # The values that a map closes over may be complex.
        total = total + jnp.real(part).astype(total.dtype)
    return total


def _plus(x: X, number: Array) -> X:
    return jax.tree.map(lambda leaf: leaf + number.astype(leaf.dtype), x)
