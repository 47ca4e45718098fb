"""Solves systems of linear equations without hanging on CPU, and tiny ones by elimination.

jaxlib 0.10 hands a batch of matrices to the thread pool that the program itself runs in, and waits.
Two batches at once, of two layers for example, occupy two threads that wait for a third. A machine
with two cores has none, and the program hangs for good. A single matrix is solved by the calling
thread, so on CPU the matrices are solved one after the other.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def solve(A: Float[Array, "*batch N N"], b: Float[Array, "*batch N"]) -> Float[Array, "*batch N"]:
    """Solves `A x = b`, by LU with pivoting.

    Args:
        A: Matrices, not singular: a singular one gives infinite or undefined numbers.
        b: Right-hand sides, in the dtype of `A`.

    Returns:
        Solutions.

    Example:
        >>> solve(2 * jnp.eye(2), jnp.array([1.0, 3.0]))
        Array([0.5, 1.5], dtype=float32)
    """
    return jnp.vectorize(_solve_one, signature="(n,n),(n)->(n)")(A, b)


def _solve_one(A: Float[Array, "N N"], b: Float[Array, "N"]) -> Float[Array, "N"]:
    # The derivatives are solutions of the same system, so `sequential_vmap` below needs none of its
    # own.
    return lax.custom_linear_solve(
        lambda x: jnp.matmul(A, x, precision=lax.Precision.HIGHEST),
        b,
        solve=lambda _, rest: _by_platform(A, rest),
        transpose_solve=lambda _, rest: _by_platform(A.T, rest),
    )


def _by_platform(A: Float[Array, "N N"], b: Float[Array, "N"]) -> Float[Array, "N"]:
    # On CPU, `sequential_vmap` turns a batch into a loop over single matrices.
    return lax.platform_dependent(
        A, b, cpu=jax.custom_batching.sequential_vmap(jnp.linalg.solve), default=jnp.linalg.solve
    )


Entry = Any


def eliminate(
    A: Sequence[Sequence[Entry]],
    b: Sequence[Entry],
    multiply: Callable[[Entry, Entry], Entry] = operator.mul,
    subtract: Callable[[Entry, Entry], Entry] = operator.sub,
    divide: Callable[[Entry, Entry], Entry] = operator.truediv,
) -> list[Entry]:
    """Solves `A x = b` for a tiny matrix of arrays by elimination, unrolled and without pivoting.

    That is safe for a matrix whose Hermitian part is positive definite, such as the identity plus a
    positive matrix.

    Args:
        A: Entries, row by row: arrays, or any values that the three operations take.
        b: Right-hand side, entry by entry.
        multiply: Product of two entries.
        subtract: Difference of two entries.
        divide: Quotient of two entries.

    Returns:
        Solution, entry by entry.

    Example:
        >>> eliminate([[2.0, 1.0], [1.0, 3.0]], [4.0, 7.0])
        [1.0, 2.0]
    """
    rows, right, size = [list(row) for row in A], list(b), len(b)
    # Forward elimination below each pivot, then back substitution from the last row.
    for pivot in range(size):
        for row in range(pivot + 1, size):
            factor = divide(rows[row][pivot], rows[pivot][pivot])
            for column in range(pivot + 1, size):
                rows[row][column] = subtract(
                    rows[row][column], multiply(factor, rows[pivot][column])
                )
            right[row] = subtract(right[row], multiply(factor, right[pivot]))
    for row in reversed(range(size)):
        for column in range(row + 1, size):
            right[row] = subtract(right[row], multiply(rows[row][column], right[column]))
        right[row] = divide(right[row], rows[row][row])
    return right
