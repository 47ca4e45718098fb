"""What a caller can do wrong with static values: one error each, at trace time, with got, wanted and remedy."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels import pairs


def is_concrete(*arrays: Any) -> bool:
    """Whether all values are known now (not traced, and wholly on this host)."""
    leaves = jax.tree.leaves(arrays)
    return all(not isinstance(x, jax.core.Tracer) and getattr(x, "is_fully_addressable", True) for x in leaves)


def compute_dtype(*arrays: Any) -> Any:
    """Dtype to compute in: float64 if any argument is, else float32 (so bfloat16 is cast up at the border).

    Raises:
        ValueError: an argument is neither floating nor complex.

    Example:
        >>> compute_dtype(jnp.zeros(2, jnp.bfloat16)) is jnp.float32
        True
    """
    dtypes = [jnp.asarray(x).dtype for x in jax.tree.leaves(arrays)]
    for dtype in dtypes:
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise ValueError(f"expected floating arrays, got dtype {dtype}; cast with `.astype(jnp.float32)`")
    return jnp.float64 if any(dtype in (jnp.float64, jnp.complex128) for dtype in dtypes) else jnp.float32


def length(L: int, name: str = "L") -> int:
    """Check that a length is an integer of at least one."""
    if not isinstance(L, int) or L < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {L!r}; pass the number of steps")
    return L


def even(N: int) -> int:
    """Check that a state size can be split into conjugate pairs, and give half of it."""
    if not isinstance(N, int) or N < 2 or N % 2:
        nearest = max(2, 2 * (int(N) // 2 + 1))
        raise ValueError(f"N must be an even integer of at least 2 (conjugate pairs), got {N!r}; use N = {nearest}")
    return N // 2


def choice(name: str, got: str, allowed: Sequence[str]) -> str:
    """Check that a method or measure is one of those that exist."""
    if got not in allowed:
        raise ValueError(f"unknown {name} {got!r}; expected one of {', '.join(map(repr, allowed))}")
    return got


def shape(name: str, array: Any, wanted: Sequence[int]) -> None:
    """Check that an array (or a Pair) has the shape wanted."""
    if tuple(array.shape) != tuple(wanted):
        got = tuple(array.shape)
        raise ValueError(f"{name} has shape {got}, expected {tuple(wanted)}; see the shapes in the docstring")


def stable(Lambda: pairs.Pair) -> None:
    """Check that no known real part is above zero (a traced Lambda cannot be checked, and is not)."""
    if is_concrete(Lambda.re) and bool((np.asarray(Lambda.re) > 0).any()):
        top = float(np.asarray(Lambda.re).max())
        raise ValueError(
            f"Lambda has a real part of {top:.3g}, which grows without bound; it must be at most 0: "
            "make it from a free parameter with initialization.negative_real"
        )
