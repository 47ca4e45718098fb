"""Linear maps of many rows, whose gradient spares XLA a transposition of the largest array."""

import functools
from typing import Any

import flax.linen as nn
import jax
from jax import lax
from jaxtyping import Array, Float

from jax_s4rl.kernels import _fusion_barrier


def dense(features: int, *, dtype: Any, use_bias: bool = True, name: str | None = None) -> nn.Dense:
    """Returns a dense layer of Flax whose gradient is that of `multiply`.

    Args:
        features: Number of outputs.
        dtype: Dtype of the computation; weights are float32.
        use_bias: Whether a bias is added to the outputs.
        name: Name of the layer in a compact method; in `setup`, its attribute is its name.

    Returns:
        The layer.
    """
    return nn.Dense(features, use_bias=use_bias, dtype=dtype, dot_general=_dot_general, name=name)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def multiply(
    x: Float[Array, "*rows inputs"], kernel: Float[Array, "inputs outputs"], precision: Any = None
) -> Float[Array, "*rows outputs"]:
    """Computes `x @ kernel`; differentiable in reverse mode only.

    With g the gradient of the output, JAX's own gradient of the kernel is the transpose of
    `g^T x`, for which XLA transposes g in memory on CPU. Here it is `x^T g` if the layer has more
    outputs than inputs, and `(g^T x)^T` otherwise: XLA transposes the narrower of the two arrays,
    behind a fusion barrier.

    Args:
        x: Inputs, with any number of rows.
        kernel: Weights, in the dtype of `x`.
        precision: Precision of the products, see `jax.lax.Precision`.

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
    # The barrier is here and not in `_backward`, where x is transposed: XLA copies an array that
    # is read on both sides of a barrier.
    x = _fusion_barrier.fence(x) if _widens(kernel) else x
    product = lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())), precision=precision)
    return product, (x, kernel)


def _backward(
    precision: Any, saved: tuple[Array, Array], output_gradient: Array
) -> tuple[Array, Array]:
    x, kernel = saved
    # If the outputs are narrower, their gradient is the array that is transposed; the barrier
    # precedes both of its uses, for the reason given in `_forward`.
    g = output_gradient if _widens(kernel) else _fusion_barrier.fence(output_gradient)
    x_gradient = lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ())), precision=precision)
    rows = tuple(range(x.ndim - 1))
    contracted = ((rows, rows), ((), ()))
    if _widens(kernel):
        return x_gradient, lax.dot_general(x, g, contracted, precision=precision)
    return x_gradient, lax.dot_general(g, x, contracted, precision=precision).T


def _widens(kernel: Array) -> bool:
    return kernel.shape[0] < kernel.shape[1]


multiply.defvjp(_forward, _backward)


def _dot_general(
    x: Array, kernel: Array, dimension_numbers: Any, precision: Any = None, **_: Any
) -> Array:
    """Replaces `lax.dot_general` in `nn.Dense`."""
    # `nn.Dense` always contracts the last axis of x with the first axis of the kernel.
    del dimension_numbers
    return multiply(x, kernel, precision)
