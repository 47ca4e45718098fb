"""Linear maps: values and gradients of a plain product, under all transformations of training."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import _linear

x_key, kernel_key = jax.random.split(jax.random.key(0))
KERNEL = jax.random.normal(kernel_key, (5, 7))
# float32, sums over a dozen rows in another order.
TOLERANCE = 1e-5


def total(product, x, kernel):
    return jnp.sum(jnp.sin(product(x, kernel)))


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("rows", [(), (4,), (3, 4)])
@pytest.mark.parametrize(
    "wrap", [lambda f: f, jax.jit, jax.checkpoint], ids=["eager", "jit", "remat"]
)
def test_values_and_gradients_are_those_of_a_product(rows, wrap):
    x = jax.random.normal(x_key, (*rows, 5))
    plain, own = (
        wrap(jax.value_and_grad(functools.partial(total, product), argnums=(0, 1)))(x, KERNEL)
        for product in (jnp.matmul, _linear.multiply)
    )
    chex.assert_trees_all_close(own, plain, atol=TOLERANCE)


def test_many_models_at_once_are_each_their_own():
    x, kernels = jax.random.normal(x_key, (4, 5)), jnp.stack([KERNEL, 2 * KERNEL])
    grad = jax.grad(functools.partial(total, _linear.multiply), argnums=1)
    for number, found in enumerate(jax.vmap(grad, in_axes=(None, 0))(x, kernels)):
        np.testing.assert_allclose(found, grad(x, kernels[number]), atol=TOLERANCE)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_layer_is_the_one_of_flax(dtype):
    x = jax.random.normal(x_key, (2, 3, 5))
    own, plain = _linear.dense(7, dtype=dtype), nn.Dense(7, dtype=dtype)
    params = plain.init(jax.random.key(1), x)
    chex.assert_trees_all_equal_shapes_and_dtypes(own.init(jax.random.key(1), x), params)
    np.testing.assert_array_equal(own.apply(params, x), plain.apply(params, x))
