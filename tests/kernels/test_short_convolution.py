"""The short convolution equals its definition, with a window that is carried and with resets."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import short_convolution
from jax_s4rl.kernels.reference import convolution as oracle

TAPS, L, H = 4, 9, 3
ROUNDING = 1e-6


def draw():
    rng = np.random.default_rng(0)
    shapes = ((2, L, H), (TAPS, H), (H,), (2, TAPS - 1, H))
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


RESETS = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0, 0, 1, 0]], bool)
run = jax.jit(short_convolution.apply)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("length", [L, 1, 2])
def test_it_is_the_sum_of_the_definition(length):
    x, weights, bias, window = draw()
    x, resets = x[:, :length], RESETS[:, :length]
    y, last = run(x, weights, bias, window, jnp.asarray(resets))
    for row in range(2):
        wanted, held = oracle.short(
            *(np.asarray(one, np.float64) for one in (x[row], weights, bias, window[row])),
            resets[row],
        )
        np.testing.assert_allclose(y[row], wanted, rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(last[row], held, rtol=0, atol=ROUNDING)


@pytest.mark.slow
def test_parts_and_steps_are_the_whole():
    x, weights, bias, _ = draw()
    whole, last = run(x, weights, bias, resets=jnp.asarray(RESETS))
    for bounds in ((0, 2, L), range(L + 1)):
        window, parts = jnp.zeros((2, TAPS - 1, H)), []
        for begin, end in itertools.pairwise(bounds):
            part = (x[:, begin:end], weights, bias, window, jnp.asarray(RESETS[:, begin:end]))
            y, window = run(*part)
            parts.append(y)
        np.testing.assert_allclose(jnp.concatenate(parts, 1), whole, rtol=0, atol=ROUNDING)
        np.testing.assert_array_equal(window, last)


def test_half_width_inputs_keep_a_window_of_float32():
    x, weights, bias, window = draw()
    half = x.astype(jnp.bfloat16)
    y, last = run(half, weights, bias, window)
    assert (y.dtype, last.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(last, half[:, -TAPS + 1 :].astype(jnp.float32))


def test_a_window_of_nothing_is_a_product():
    x, weights, bias, _ = draw()
    y, window = run(x[0], weights[:1], bias)
    wanted = np.asarray(bias) + np.asarray(weights[0]) * np.asarray(x[0])
    np.testing.assert_allclose(y, wanted, rtol=0, atol=ROUNDING)
    assert window.shape == (0, H)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    x, weights, bias, window = draw()
    apply = partial(short_convolution.apply, x)
    for bad, words in (
        (lambda: apply(weights[:, :2], bias), "weights has shape"),
        (lambda: apply(weights, bias[:2]), "bias has shape"),
        (lambda: apply(weights, bias, window[:, 1:]), "window has shape"),
        (lambda: apply(weights, bias, window, jnp.ones((2, L))), "resets must be a bool array"),
        (lambda: short_convolution.apply(x[:, :0], weights, bias), "L of at least 1"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
