"""Cosine and sine against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels import trigonometry

# Two float32 roundings of numbers below one.
ROUNDING = 1.2e-7


def test_cis_is_cosine_and_sine_in_float32():
    for reach in (1e-3, 1.0, 100.0, 1e4):
        angle = np.linspace(-reach, reach, 20_001).astype(np.float32)
        cosine, sine = jax.jit(trigonometry.cis)(jnp.asarray(angle))
        np.testing.assert_allclose(cosine, np.cos(angle.astype(np.float64)), rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(sine, np.sin(angle.astype(np.float64)), rtol=0, atol=ROUNDING)


def test_far_out_the_error_is_that_of_rounding_the_angle():
    angle = np.linspace(1e5, 1e6, 10_001).astype(np.float32)
    cosine, _ = trigonometry.cis(jnp.asarray(angle))
    assert np.abs(cosine - np.cos(angle.astype(np.float64))).max() < np.spacing(np.float32(1e6))


def test_small_angles_keep_their_relative_precision():
    angle = np.logspace(-30, -1, 50).astype(np.float32)
    np.testing.assert_allclose(trigonometry.cis(jnp.asarray(angle))[1], np.sin(angle), rtol=1e-6)


def test_float64_is_exact_and_the_derivative_is_right(x64):
    angle = jnp.linspace(-40, 40, 101, dtype=jnp.float64)
    cosine, sine = trigonometry.cis(angle)
    np.testing.assert_allclose(cosine, np.cos(angle), rtol=0, atol=1e-15)
    slopes = jax.vmap(jax.grad(lambda x: sum(trigonometry.cis(x))))(angle)
    np.testing.assert_allclose(slopes, cosine - sine, rtol=0, atol=1e-14)
