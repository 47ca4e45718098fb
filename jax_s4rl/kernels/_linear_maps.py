"""Linear maps that bring a transpose of their own, in forward and reverse mode and to any order.

`jax.custom_vjp` gives a function a derivative rule for reverse mode and takes forward mode away. JAX can transpose most
linear maps by itself, but not always fast: the transpose of a real Fourier transform becomes a complex one of twice the
length. Here the map `A` is written as the solution of a linear system,

    [ I  0] [x]   [x]
    [-A  I] [y] = [0],

because `jax.lax.custom_linear_solve` takes a solver and a transposed solver, and differentiates through the system.
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
        forward: The map `A`, linear, from a pytree of real arrays to another. It may close over anything, but what it
            closes over is differentiated by JAX's own rules, so it has to be made of differentiable operations.
        transpose: The map `A^T`, from what `forward` returns to the structure of `x`.
        x: Where to apply it. Under `jax.shard_map` all leaves have to vary over the same axes (`sharding.vary_alike`).

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

    # The solver is transposed only if its whole right-hand side is a linear function of the same tangents: those of x,
    # or those of what `forward` closes over. Zeros made of both are added to every part, and XLA removes them.
    x = tied(x)
    zeros = _plus(jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), jax.eval_shape(image, x)), _nothing(x))

    def matvec(pair: tuple[X, Y]) -> tuple[X, Y]:
        x, y = pair
        return _plus((x, jax.tree.map(jnp.subtract, y, image(x))), _nothing(pair, _nothing(closed_over)))

    def solve(_: Callable, pair: tuple[X, Y]) -> tuple[X, Y]:
        x, y = pair
        return x, jax.tree.map(jnp.add, y, image(x))

    def solve_transposed(_: Callable, pair: tuple[X, Y]) -> tuple[X, Y]:
        x, y = pair
        return jax.tree.map(jnp.add, x, transpose(y)), y

    solution: Any = lax.custom_linear_solve(matvec, (x, zeros), solve, solve_transposed)
    x, y = solution
    # A part of the solution that is not used has no cotangent that depends on the others, and then the transposed
    # solver cannot be transposed again.
    return _plus(y, _nothing((x, y)))


def tied(x: X) -> X:
    """The same arrays, but each one depends on all, for derivatives: a zero made of all is added. XLA drops it.

    `lax.custom_linear_solve` is transposed only if all parts of its right-hand side have a tangent.

    Example:
        >>> tied((1.0, 2.0))
        (Array(1., dtype=float32), Array(2., dtype=float32))
    """
    x = jax.tree.map(jnp.asarray, x)
    return _plus(x, _nothing(x))


def _nothing(x: Any, factor: Array | None = None) -> Array:
    """The sum of no numbers of each leaf, each multiplied by the factor."""
    total = jnp.zeros((), jnp.float32)
    for leaf in jax.tree.leaves(x):
        # Not `[:0]`: where `jax.export` leaves a size open, that depends on nothing.
        none = lax.slice_in_dim(leaf.reshape(-1), 0, 0)
        part = (none if factor is None else none * factor.astype(leaf.dtype)).sum()
        # What a map closes over may be complex.
        total = total + jnp.real(part).astype(total.dtype)
    return total


def _plus(x: X, number: Array) -> X:
    return jax.tree.map(lambda leaf: leaf + number.astype(leaf.dtype), x)
