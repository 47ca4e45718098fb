"""Fences: the array that goes in comes out, whatever is in it, and XLA does not fuse across."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _fusion_barrier

VALUES = jnp.array([[jnp.inf, 1.0], [jnp.nan, -0.0]])


@pytest.mark.parametrize("first", [0.0, 2.0, -3e38, np.inf, np.nan])
@pytest.mark.parametrize(
    "wrap", [lambda f: f, jax.jit, jax.vmap, jax.checkpoint], ids=["eager", "jit", "vmap", "remat"]
)
def test_what_goes_in_comes_out(first, wrap):
    x = VALUES.at[0, 0].set(first)
    np.testing.assert_array_equal(wrap(_fusion_barrier.fence)(x), x)


@pytest.mark.parametrize("shape", [(), (0, 3), (2,)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_any_shape_and_dtype(shape, dtype):
    x = jnp.ones(shape, dtype)
    found = _fusion_barrier.fence(x)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, x)


def test_its_derivative_is_the_identity_both_ways():
    x, tangent = jnp.arange(3.0), jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(jax.jvp(_fusion_barrier.fence, (x,), (tangent,))[1], tangent)
    np.testing.assert_array_equal(jax.vjp(_fusion_barrier.fence, x)[1](tangent)[0], tangent)


def test_it_works_inside_of_a_scan():
    _, found = jax.lax.scan(lambda carry, x: (carry, _fusion_barrier.fence(x)), 0, VALUES)
    np.testing.assert_array_equal(found, VALUES)


def test_the_compiler_does_not_see_through_it():
    def turned(x, wall):
        return jnp.transpose(wall(jnp.tanh(x))) + 1

    def has_loop(wall):
        text = jax.jit(turned, static_argnums=1).lower(jnp.ones((64, 32)), wall).compile().as_text()
        return " while(" in str(text)

    assert has_loop(_fusion_barrier.fence)
    assert not has_loop(lambda x: x)
