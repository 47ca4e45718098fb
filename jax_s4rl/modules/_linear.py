"""Linear maps of many rows, with a gradient that XLA computes without turning the largest array around."""

import functools
from typing import Any

import flax.linen as nn
import jax
from jax import lax
from jaxtyping import Array, Float

from jax_s4rl.kernels import _fusion_barrier


def dense(features: int, *, dtype: Any, use_bias: bool = True) -> nn.Dense:
    """A dense layer of Flax whose gradient is that of `multiply`.

    Args:
      features: number of outputs.
      dtype: in which it is computed; weights are float32.
      use_bias: whether something is added to each output.

    Returns:
      The layer.
    """
    return nn.Dense(features, use_bias=use_bias, dtype=dtype, dot_general=_dot_general)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def multiply(
    x: Float[Array, "*rows inputs"], kernel: Float[Array, "inputs outputs"], precision: Any = None
) -> Float[Array, "*rows outputs"]:
    """`x @ kernel`, reverse mode only.

    JAX's own gradient of the kernel is the transpose of `g^T x`, for which XLA turns g around in memory on CPU. Here it
    is `x^T g` where a layer widens: the narrower of the two is turned, behind a fence.

    Args:
      x: any number of rows.
      kernel: of the same dtype.
      precision: of the products, see `jax.lax.Precision`.

    Returns:
      The products.

    Example:
      >>> import jax.numpy as jnp
      >>> jax.grad(lambda kernel: multiply(jnp.ones((3, 2)), kernel).sum())(jnp.ones((2, 1)))
      Array([[3.],
             [3.]], dtype=float32)
    """
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())), precision=precision)


def _forward(x: Array, kernel: Array, precision: Any) -> tuple[Array, tuple[Array, Array]]:
    # Behind a fence here rather than when it is turned: XLA copies what is read on both sides of one.
    x = _fusion_barrier.fence(x) if _widens(kernel) else x
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())), precision=precision), (x, kernel)


def _backward(precision: Any, saved: tuple[Array, Array], arriving: Array) -> tuple[Array, Array]:
    x, kernel = saved
    arriving = arriving if _widens(kernel) else _fusion_barrier.fence(arriving)
    to_x = lax.dot_general(arriving, kernel, (((arriving.ndim - 1,), (1,)), ((), ())), precision=precision)
    rows = tuple(range(x.ndim - 1))
    contracted = ((rows, rows), ((), ()))
    if _widens(kernel):
        return to_x, lax.dot_general(x, arriving, contracted, precision=precision)
    return to_x, lax.dot_general(arriving, x, contracted, precision=precision).T


def _widens(kernel: Array) -> bool:
    return kernel.shape[0] < kernel.shape[1]


multiply.defvjp(_forward, _backward)


def _dot_general(x: Array, kernel: Array, dimension_numbers: Any, precision: Any = None, **_: Any) -> Array:
    """What `nn.Dense` calls; it always contracts the last axis with the first."""
    del dimension_numbers
    return multiply(x, kernel, precision)
