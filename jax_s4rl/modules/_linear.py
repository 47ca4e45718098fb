"""Layers that map each row by itself, with gradients that XLA computes fast on CPU.

The gradient of a linear map spares XLA a transposition of the largest array. Sums over rows, in the
gradients of biases and scales, take XLA several times as long over two axes as over one.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jax_s4rl.kernels import _fusion_barrier


def on_rows(layer: Any, x: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
    """Applies a layer of Flax that keeps the width to one axis of rows.

    Args:
        layer: Layer that maps each row by itself, for instance a layer norm.
        x: Numbers, with any axes of rows.

    Returns:
        The mapped numbers.

    Example:
        >>> on_rows(lambda rows: rows + rows.shape[0], jnp.zeros((2, 3, 1)))[0, 0]
        Array([6.], dtype=float32)
    """
    return layer(x.reshape(-1, x.shape[-1])).reshape(x.shape)


class Dense(nn.Module):
    """Dense layer with the parameters of `nn.Dense`, and the gradient of `multiply`.

    Attributes:
        features: Number of outputs.
        dtype: Dtype of the computation; weights are float32.
        use_bias: Whether a bias is added to the outputs.
    """

    features: int
    dtype: Any
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*rows inputs"]) -> Float[Array, "*rows outputs"]:
        """Maps every row."""
        start = nn.initializers.lecun_normal()
        kernel = self.param("kernel", start, (x.shape[-1], self.features))
        y: Any = multiply(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return jnp.asarray(add_bias(y, bias.astype(self.dtype)))


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


# `partial` keeps the types of the function for type checkers.
@functools.partial(jax.custom_vjp, nondiff_argnums=())
def add_bias(
    y: Float[Array, "*rows outputs"], bias: Float[Array, "outputs"]
) -> Float[Array, "*rows outputs"]:
    """Computes `y + bias`; differentiable in reverse mode only.

    The gradient of the bias is the sum of the gradient of y over all rows. It is a product with
    ones over the last axis of rows, then a sum over the others.

    Args:
        y: Numbers, with any axes of rows.
        bias: Bias of each column.

    Returns:
        The sums.

    Example:
        >>> jax.grad(lambda bias: add_bias(jnp.ones((3, 4, 2)), bias).sum())(jnp.ones(2))
        Array([12., 12.], dtype=float32)
    """
    return y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)


def _add_bias_backward(_: None, g: Array) -> tuple[Array, Array]:
    if g.ndim < 3:
        return g, g.reshape(-1, g.shape[-1]).sum(0)
    *outer, axis = range(g.ndim - 1)
    # Sums of bfloat16 are float32 until the end.
    sums = lax.dot_general(
        jnp.ones(g.shape[:-1], g.dtype),
        g,
        (((axis,), (axis,)), (outer, outer)),
        preferred_element_type=jnp.float32 if g.dtype.itemsize < 4 else g.dtype,
    )
    return g, sums.reshape(-1, g.shape[-1]).sum(0).astype(g.dtype)


add_bias.defvjp(lambda y, bias: (add_bias(y, bias), None), _add_bias_backward)
