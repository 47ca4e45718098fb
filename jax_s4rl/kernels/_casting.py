"""What goes in becomes arrays of one dtype: JAX and NumPy arrays of any float dtype, and Python numbers.

`jnp.asarray` without a dtype takes a NumPy array of float64 as float32 where float64 is off, and says nothing; an
explicit cast to float64 warns there. A Python number has no dtype of its own and takes that of the arrays.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks

# Of matrix products with inputs, states and outputs; what a kernel is made from is always computed with the highest.
PRECISIONS = ("default", "high", "highest")


def compute_dtype(*trees: Any) -> Any:
    """Dtype to compute in: float64 if any array is, else float32 (bfloat16 is cast up); numbers do not count.

    Args:
        *trees: Pytrees of arrays and Python numbers.

    Returns:
        `jnp.float32` or `jnp.float64`.

    Raises:
        ValueError: An array is neither floating nor complex.

    Example:
        >>> compute_dtype(0.5, np.ones(2, np.float16)) is jnp.float32
        True
    """
    dtypes = [jnp.asarray(x).dtype for x in jax.tree.leaves(trees) if not _is_number(x)]
    for dtype in dtypes:
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise ValueError(f"expected floating arrays, got dtype {dtype}; cast with `.astype(jnp.float32)`")
    return jnp.float64 if any(dtype in (jnp.float64, jnp.complex128) for dtype in dtypes) else jnp.float32


def floating(name: str, x: Any, dtype: Any = None) -> Array:
    """Real numbers as an array.

    Args:
        name: What an error calls them.
        x: A floating array, or a Python number.
        dtype: To cast to; as they come if None.

    Returns:
        An array of JAX.

    Raises:
        ValueError: An array that is not real and floating.

    Example:
        >>> floating("D", np.ones(2), jnp.bfloat16).dtype, float(floating("D", 2, jnp.float32))
        (dtype(bfloat16), 2.0)
    """
    if _is_number(x):
        # A number may have gone through `jax.jit`, and then has the widest dtype there is.
        return jnp.asarray(x, dtype)
    x = jnp.asarray(x)
    _checks.real(name, x)
    return x if dtype is None else x.astype(dtype)


def vector(name: str, x: Any, size: int, dtype: Any) -> Float[Array, "size"]:
    """As `floating`, one number for each of `size` features or states; a single one is that of all.

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
    """Whether it is a number of Python, also one that went through `jax.jit` and has a dtype since."""
    if isinstance(x, int | float | complex):
        return not isinstance(x, np.generic | bool)
    return isinstance(x, jax.Array) and x.ndim == 0 and jax.typeof(x).weak_type
