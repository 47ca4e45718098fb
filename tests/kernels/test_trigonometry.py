"""Angles and their multiples against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _trigonometry

# Two float32 roundings of numbers below one.
ROUNDING = 1.5e-7
# High multiples add a lower half of some radians; a plain product would be wrong by 1e-3 at the
# last of them.
LATE = 3e-6
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("reach", [1e-3, 1.0, np.pi])
@pytest.mark.parametrize(
    ("count", "tolerance"), [(1, ROUNDING), (255, ROUNDING), (4032, LATE), (16384, LATE)]
)
def test_multiples_are_as_exact_as_float32_can_say(reach, count, tolerance):
    angle = RNG.uniform(-reach, reach, 5000).astype(np.float32)
    counts, none = jnp.full((1,), count, jnp.float32), jnp.zeros((1,))
    cosine, sine = jax.jit(_trigonometry.multiples)(counts, jnp.asarray(angle), none)
    exact = count * angle.astype(np.float64)
    np.testing.assert_allclose(cosine, np.cos(exact), rtol=0, atol=tolerance)
    np.testing.assert_allclose(sine, np.sin(exact), rtol=0, atol=tolerance)


def test_a_product_of_two_numbers_keeps_what_rounding_loses():
    step = RNG.uniform(1e-3, 1e-1, 5000).astype(np.float32)
    frequency = RNG.uniform(-1300, 1300, 5000).astype(np.float32)
    angle, correction = jax.jit(_trigonometry.angle)(step, frequency)
    exact = step.astype(np.float64) * frequency.astype(np.float64)
    both = np.asarray(angle, np.float64) + np.asarray(correction, np.float64)
    turns = (both - exact) / (2 * np.pi)
    assert np.abs(angle).max() < np.pi + 1e-5
    # Ten digits: the one number alone would have seven, of the whole product.
    assert np.abs(turns - np.round(turns)).max() < 1e-10
    cosine, _ = jax.jit(_trigonometry.multiples)(jnp.full((1,), 4096.0), angle, correction)
    np.testing.assert_allclose(cosine, np.cos(4096 * exact), rtol=0, atol=2e-6)


def test_small_angles_keep_their_relative_precision():
    angle = np.logspace(-30, -1, 50).astype(np.float32)
    sine = _trigonometry.multiples(jnp.ones(1), jnp.asarray(angle), jnp.zeros(1))[1]
    np.testing.assert_allclose(sine, np.sin(angle), rtol=1e-6)


def test_float64_and_the_derivatives(x64):
    step, frequency, count = jnp.asarray(0.3), jnp.asarray(-7.0), jnp.asarray(5.0)

    def both(step, frequency):
        return sum(_trigonometry.multiples(count, *_trigonometry.angle(step, frequency)))

    x = 5 * 0.3 * -7.0
    slope = np.cos(x) - np.sin(x)
    np.testing.assert_allclose(both(step, frequency), np.cos(x) + np.sin(x), rtol=1e-14)
    np.testing.assert_allclose(
        jax.grad(both, argnums=(0, 1))(step, frequency),
        [slope * 5 * -7, slope * 5 * 0.3],
        rtol=1e-13,
    )
