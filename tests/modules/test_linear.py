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


@pytest.mark.parametrize("rows", [(), (4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_layer_is_the_one_of_flax(dtype, rows):
    x = jax.random.normal(x_key, (*rows, 5))
    own, plain = _linear.Dense(7, dtype=dtype), nn.Dense(7, dtype=dtype)
    params = plain.init(jax.random.key(1), x)
    chex.assert_trees_all_equal(own.init(jax.random.key(1), x), params)
    np.testing.assert_array_equal(own.apply(params, x), plain.apply(params, x))

    def loss(layer, params):
        return jnp.sum(jnp.sin(layer.apply(params, x).astype(jnp.float32)))

    gradients = [jax.jit(jax.grad(functools.partial(loss, one)))(params) for one in (own, plain)]
    # bfloat16 has 8 binary digits; sums have up to 24 terms of about 1, in another order.
    tolerance = {"float32": TOLERANCE, "bfloat16": 24 * 2**-8}[dtype]
    chex.assert_trees_all_close(*gradients, atol=tolerance, rtol=tolerance)


def test_the_gradient_of_a_bias_is_accurate_over_many_rows():
    x = jax.random.normal(x_key, (64, 100, 5))
    bias = jnp.zeros(5)
    found = jax.grad(lambda bias: jnp.sum(jnp.sin(_linear.add_bias(x, bias))))(bias)
    exact = np.cos(np.asarray(x, np.float64)).sum((0, 1))
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_a_norm_on_rows_is_the_norm():
    x = jax.random.normal(x_key, (3, 4, 5))
    norm = nn.LayerNorm()
    params = norm.init(jax.random.key(1), x)
    whole, rows = (
        jax.grad(lambda params, of=of: jnp.sum(jnp.sin(of(params))))(params)
        for of in (
            lambda params: norm.apply(params, x),
            lambda params: _linear.on_rows(lambda rows: norm.apply(params, rows), x),
        )
    )
    chex.assert_trees_all_close(rows, whole, atol=TOLERANCE)
