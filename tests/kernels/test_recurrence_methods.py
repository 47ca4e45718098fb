"""The methods of the recurrence equal the oracle in every chunk size and near one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _recurrence_methods, recurrence
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import recurrence as oracle

METHODS = ["sequential", "associative", "chunked"]
FLOAT32 = 2e-6  # relative to the largest state; measured at most 4e-7

scan = jax.jit(recurrence.scan, static_argnames=("method", "reverse", "chunk"))
run = jax.jit(_recurrence_methods.run, static_argnums=0)


def draw(length, rows=2, width=3):
    """Factors just inside the unit circle, inputs, start; complex128."""
    rng = np.random.default_rng(0)
    a = rng.uniform(0.8, 1.0, (width,)) * np.exp(1j * rng.uniform(0, np.pi, (width,)))
    b = rng.normal(size=(rows, length, width, 2)) @ [1, 1j]
    return a, b, rng.normal(size=(rows, width, 2)) @ [1, 1j]


def as_pairs(*arrays):
    return tuple(
        cplx.Pair(jnp.asarray(x.real, jnp.float32), jnp.asarray(x.imag, jnp.float32))
        for x in arrays
    )


def assert_close(got, wanted):
    value = np.asarray(got.re, np.float64) + 1j * np.asarray(got.im, np.float64)
    np.testing.assert_allclose(value, wanted, rtol=0, atol=FLOAT32 * np.abs(wanted).max())


@pytest.mark.parametrize("method", METHODS)
def test_factors_less_one_give_the_same_states(method):
    a, b, _ = draw(9)
    resets = np.zeros((2, 9), bool)
    resets[:, 4] = True
    plan = _recurrence_methods.Plan(method, reverse=True, chunk=4, less_one=True)
    change, inputs = as_pairs(a[None, None] - 1, b)
    got = run(plan, change, inputs, jnp.asarray(resets))
    assert_close(got, oracle.scan(a, b, None, resets, reverse=True)[0])


@pytest.mark.slow
def test_all_chunk_sizes_are_one_function():
    a, b, state = draw(13)
    wanted = oracle.scan(a, b, state)
    for chunk in (1, 5, 13, 99):
        assert_close(scan(*as_pairs(a, b, state), chunk=chunk)[0], wanted[0])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_factors_near_one_keep_their_digits(method):
    # In float32 the factor itself is off by half a percent of its decay.
    change, steps = np.array([-1e-5 + 3e-5j, -2e-5]), 4_096
    pair = cplx.Pair(jnp.asarray(change.real, jnp.float32), jnp.asarray(change.imag, jnp.float32))
    exact = np.asarray(pair.re, np.float64) + 1j * np.asarray(pair.im, np.float64)
    a = cplx.Pair(1 + pair.re, pair.im)
    start, nothing = cplx.as_pair(jnp.ones(2)), cplx.zeros((steps, 2))
    _, last = jax.jit(partial(recurrence.scan, method=method))(a, nothing, start, a_minus_one=pair)
    np.testing.assert_allclose(
        np.asarray(last.re) + 1j * np.asarray(last.im), (1 + exact) ** steps, rtol=2e-5
    )

    def total(a, a_minus_one=None):
        states, _ = recurrence.scan(
            a,
            cplx.as_pair(jnp.ones((8, 2))),
            start,
            method=method,
            a_minus_one=a_minus_one,
            chunk=4,
        )
        return states.re.sum()

    slope = jax.jit(jax.grad(total))
    for got, wanted in zip(slope(a, pair), slope(a), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4)
