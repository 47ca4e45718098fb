"""The part of the output that bypasses the state: alone, and as the first lag of a kernel."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels import _feedthrough, convolution

RNG = np.random.default_rng(0)


def test_each_feature_has_its_own_factor_for_any_batch():
    D, u = jnp.array([2.0, -1.0]), jnp.asarray(RNG.normal(size=(2, 3, 5, 2)), jnp.float32)
    with jax.numpy_rank_promotion("raise"):
        y = _feedthrough.output(D, u)
    np.testing.assert_array_equal(y[..., 0], 2 * u[..., 0])
    np.testing.assert_array_equal(y[..., 1], -u[..., 1])


def test_a_kernel_with_it_gives_the_sum_of_both_parts():
    kernel, u = (jnp.asarray(RNG.normal(size=size), jnp.float32) for size in ((2, 9), (9, 2)))
    D = jnp.array([0.5, -3.0])
    got = convolution.causal(u, _feedthrough.in_kernel(kernel, D))
    wanted = convolution.causal(u, kernel) + _feedthrough.output(D, u)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
