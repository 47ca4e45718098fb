"""Converts inputs to arrays of one dtype: JAX and NumPy arrays of any float dtype, and numbers.

While float64 is disabled, `jnp.asarray` without a dtype silently converts a NumPy array of float64
to float32; an explicit cast to float64 would warn. A Python number has no dtype of its own and
takes that of the arrays.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks

# Precisions of the matrix products with inputs, states and outputs. The constants of a kernel are
# always computed with the highest.
PRECISIONS = ("default", "high", "highest")


def compute_dtype(*trees: Any) -> Any:
    """Returns the dtype to compute in: float64 if any array has that precision, else float32.

    Arrays of float16 and bfloat16 are cast up to float32. Python numbers do not count.

    Args:
        *trees: Pytrees of arrays and Python numbers.

    Returns:
        `jnp.float32` or `jnp.float64`.

    Raises:
        ValueError: If an array is neither floating nor complex.

    Example:
        >>> compute_dtype(0.5, np.ones(2, np.float16)) is jnp.float32
        True
    """
    dtypes = [jnp.asarray(x).dtype for x in jax.tree.leaves(trees) if not _is_number(x)]
    for dtype in dtypes:
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise ValueError(
                f"expected floating arrays, got dtype {dtype}; cast with `.astype(jnp.float32)`"
            )
    return (
        jnp.float64
        if any(dtype in (jnp.float64, jnp.complex128) for dtype in dtypes)
        else jnp.float32
    )


def floating(name: str, x: Any, dtype: Any = None) -> Array:
    """Converts real numbers to an array.

    Args:
        name: Name of the numbers in an error message.
        x: Floating array, or a Python number.
        dtype: Dtype to cast to; None keeps the dtype of `x`.

    Returns:
        A JAX array.

    Raises:
        ValueError: If an array is not real and floating.

    Example:
        >>> floating("D", np.ones(2), jnp.bfloat16).dtype, float(floating("D", 2, jnp.float32))
        (dtype(bfloat16), 2.0)
    """
    if _is_number(x):
        # A number that passed through `jax.jit` has the widest dtype, which the caller did not
        # choose, so it is cast without a check.
        return jnp.asarray(x, dtype)
    x = jnp.asarray(x)
    _checks.real(name, x)
    return x if dtype is None else x.astype(dtype)


def vector(name: str, x: Any, size: int, dtype: Any) -> Float[Array, "size"]:
    """Converts numbers to a vector with one entry for each of `size` features or states.

    A single number is repeated for all of them. Otherwise as `floating`.

    Raises:
        ValueError: If an array is not real and floating, or has another shape than (size,).

    Example:
        >>> vector("D", 1, 2, jnp.float32)
        Array([1., 1.], dtype=float32)
    """
    x = floating(name, x, dtype)
    if x.ndim == 0:
        return jnp.broadcast_to(x, (size,))
    _checks.shape(name, x, (size,))
    return x


def _is_number(x: Any) -> bool:
    """Returns whether x is a Python number, possibly one that passed through `jax.jit`."""
    if isinstance(x, int | float | complex):
        # NumPy scalars such as `np.float64` are instances of Python types, but have a dtype of
        # their own.
        return not isinstance(x, np.generic | bool)
    # Inside `jax.jit` a Python number is a scalar array of weak type.
    return isinstance(x, jax.Array) and x.ndim == 0 and jax.typeof(x).weak_type
