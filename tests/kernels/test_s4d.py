"""S4D: all forms equal the oracle; causality, resets, chunks, dtypes and bad input."""

import itertools
from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import s4d
from jax_s4rl.kernels.reference import systems

EXACT = 1e-10
# The bound set: convolution = scan = chunked = step, and a packed row = separate rows.
FORMS = 1e-5
# The bound set: the gradient through a chunk boundary.
GRADIENTS = 1e-4
RNG = np.random.default_rng(0)
CONVOLUTIONS, WITH_RESETS = ("fft", "toeplitz", "chunked", "scan"), ("chunked", "scan", "auto")
apply = jax.jit(s4d.apply, static_argnames=("method", "discretization", "chunk"))


def normal(*shape, dtype=np.float32):
    return jnp.asarray(RNG.normal(size=shape), dtype)


def state_of(*shape, dtype=np.float32):
    return cplx.Pair(normal(*shape, dtype=dtype), normal(*shape, dtype=dtype))


def assert_close(got, wanted, tolerance):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        right = np.asarray(right, np.float64)
        np.testing.assert_allclose(part, right, rtol=0, atol=tolerance * np.abs(right).max())


@partial(jax.jit, static_argnames="methods")
def in_every_form(parameters, u, state, resets, methods):
    return [s4d.apply(parameters, u, state, resets, method=method, chunk=16) for method in methods]


@pytest.mark.slow
@pytest.mark.parametrize("L", [1, 2, 67])
def test_every_form_is_the_oracle_in_float64(x64, s4d_system, as_numpy, L):
    parameters = s4d_system(H=2, N=6, dtype=jnp.float64)
    Lambda, B, C, D, step = as_numpy(parameters)
    u, state = normal(2, L, 2, dtype=np.float64), state_of(2, 2, 3, dtype=np.float64)
    resets = jnp.asarray(RNG.random((2, L)) < 0.2)
    for start, clear, methods in [
        (None, None, CONVOLUTIONS),
        (state, None, CONVOLUTIONS),
        (state, resets, WITH_RESETS),
    ]:
        numbers = None if start is None else as_numpy(start)
        y, final = systems.run(
            (Lambda, None, B, C, D, step),
            np.asarray(u),
            numbers,
            None if clear is None else np.asarray(clear),
        )
        for got, last in in_every_form(parameters, u, start, clear, methods):
            assert_close(got, y, EXACT)
            assert_close(last, cplx.Pair(final.real, final.imag), EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["legs", "lin", "real"])
def test_every_form_is_the_same_in_float32(s4d_system, name):
    parameters = s4d_system(4, 32, name)
    u, state, resets = (
        normal(2, 150, 4),
        state_of(2, 4, 16),
        jnp.asarray(RNG.random((2, 150)) < 0.05),
    )
    for start, clear, methods in [
        (None, None, CONVOLUTIONS),
        (state, None, CONVOLUTIONS),
        (state, resets, WITH_RESETS),
    ]:
        first, *others = in_every_form(parameters, u, start, clear, methods)
        for other in others:
            assert_close(other, first, FORMS)


@pytest.mark.slow
def test_steps_are_the_sequence(s4d_system):
    parameters, u, resets = s4d_system(), normal(2, 12, 3), jnp.asarray(RNG.random((2, 12)) < 0.3)
    whole, final = apply(parameters, u, None, resets)
    constants, state = s4d.prepare(parameters), s4d.init_state(parameters, (2,))
    take = jax.jit(s4d.step)
    for k in range(12):
        y, state = take(constants, u[:, k], state, resets[:, k])
        np.testing.assert_allclose(y, whole[:, k], rtol=0, atol=FORMS * np.abs(whole).max())
    assert_close(state, final, FORMS)


@pytest.mark.slow
def test_chunk_after_chunk_is_the_sequence_in_value_and_gradient(s4d_system):
    parameters, u = s4d_system(), normal(2, 40, 3)

    def by_parts(parameters, u):
        state, parts = None, []
        for start, end in [(0, 13), (13, 14), (14, 40)]:
            y, state = s4d.apply(parameters, u[:, start:end], state)
            parts.append(y)
        return (jnp.concatenate(parts, 1) ** 2).sum()

    def whole(parameters, u):
        return (s4d.apply(parameters, u)[0] ** 2).sum()

    got, wanted = (jax.jit(jax.grad(f, argnums=(0, 1)))(parameters, u) for f in (by_parts, whole))
    assert_close(got, wanted, GRADIENTS)


@pytest.mark.slow
def test_a_packed_row_is_its_episodes_one_by_one(s4d_system):
    parameters, u = s4d_system(4, 32), normal(1, 90, 4)
    starts = [0, 11, 12, 60, 90]
    resets = jnp.zeros((1, 90), bool).at[0, jnp.asarray(starts[:-1])].set(True)
    # What came before the first reset, even a NaN, changes nothing.
    bad = jax.tree.map(lambda x: jnp.full((1, 4, 16), jnp.nan), cplx.zeros(()))
    packed, final = apply(parameters, u, bad, resets)
    alone = [apply(parameters, u[:, a:b], method="scan") for a, b in itertools.pairwise(starts)]
    assert_close(packed, jnp.concatenate([y for y, _ in alone], 1), FORMS)
    assert_close(final, alone[-1][1], FORMS)


@pytest.mark.slow
@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_the_future_does_not_reach_the_past(s4d_system, method):
    parameters, u = s4d_system(), normal(1, 50, 3)
    changed = u.at[:, 30:].add(100.0)
    before, after = (
        apply(parameters, u, method=method)[0],
        apply(parameters, changed, method=method)[0],
    )
    if method == "fft":
        # Rounding mixes all times: a millionth of what came in, times the size of the kernel.
        limit = 1e-6 * 100 * float(jnp.abs(s4d.kernel(parameters, 50)).sum(1).max())
        assert float(jnp.abs(after - before)[:, :30].max()) < limit
    else:
        np.testing.assert_array_equal(after[:, :30], before[:, :30])
    assert float(jnp.abs(after - before)[:, 30:].max()) > 1


@pytest.mark.slow
@hypothesis.settings(max_examples=15, deadline=None, derandomize=True)
@hypothesis.given(seed=st.integers(0, 1000), shift=st.integers(0, 20), factor=st.floats(-3, 3))
def test_the_map_is_linear_and_knows_no_clock(seed, shift, factor):
    rng = np.random.default_rng(seed)
    Lambda, B, C = (
        cplx.Pair(
            jnp.asarray(sign * np.abs(rng.normal(size=(2, 3))), jnp.float32),
            jnp.asarray(rng.normal(size=(2, 3)), jnp.float32),
        )
        for sign in (-1, 1, 1)
    )
    parameters = s4d.Parameters(Lambda, B, C, jnp.ones(2), jnp.full(2, 0.1))
    u, v = (jnp.asarray(rng.normal(size=(40, 2)), jnp.float32) for _ in range(2))
    factor = float(np.float32(factor))
    y, z = apply(parameters, u)[0], apply(parameters, v)[0]
    size = float(jnp.abs(y).max() + jnp.abs(z).max()) * 5e-6 * (1 + abs(factor))
    np.testing.assert_allclose(
        apply(parameters, u + factor * v)[0], y + factor * z, rtol=0, atol=size
    )
    later = jnp.zeros((40, 2)).at[shift:].set(u[: 40 - shift])
    np.testing.assert_allclose(
        apply(parameters, later)[0][shift:], y[: 40 - shift], rtol=0, atol=size
    )


@pytest.mark.slow
def test_another_rate_is_another_step(s4d_system):
    parameters = s4d_system()
    halved = parameters._replace(step=parameters.step * 2)
    np.testing.assert_array_equal(s4d.kernel(parameters, 20, rate=2), s4d.kernel(halved, 20))
    u = normal(20, 3)
    assert_close(apply(parameters, u, rate=2.0), apply(halved, u), 1e-6)
    assert_close(s4d.prepare(parameters, rate=2.0), s4d.prepare(halved), 1e-6)


@pytest.mark.slow
def test_shared_systems_are_spread(s4d_system):
    parameters, u = s4d_system(), normal(10, 3)
    one = jax.tree.map(lambda x: x[0], (parameters.Lambda, parameters.B))
    assert_close(apply(parameters._replace(Lambda=one[0], B=one[1]), u), apply(parameters, u), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "chunked", "scan"])
def test_bfloat16_goes_in_and_out_and_float32_is_inside(s4d_system, method):
    parameters, u = s4d_system(), normal(2, 40, 3).astype(jnp.bfloat16)
    y, state = apply(parameters, u, method=method)
    assert y.dtype == jnp.bfloat16
    assert state.dtype == jnp.float32
    assert_close(y.astype(jnp.float32), apply(parameters, u.astype(jnp.float32))[0], 2.0**-8)


@pytest.mark.slow
@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
def test_extreme_steps_and_slow_modes_are_finite(s4d_system, discretization):
    u = normal(33, 3)

    def loss(parameters):
        y, state = s4d.apply(parameters, u, discretization=discretization)
        return (y**2).sum() + (state.re**2).sum()

    value_and_grad = jax.jit(jax.value_and_grad(loss))
    for step in (1e-5, 1.0):
        for real in (0.0, -1e-4):
            parameters = s4d_system()._replace(step=jnp.full(3, step))
            still = cplx.Pair(jnp.full((3, 4), real), jnp.zeros((3, 4)))
            value, slopes = value_and_grad(parameters._replace(Lambda=still))
            assert np.isfinite(value)
            assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(slopes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p, u: s4d.apply(p, u, method="fast"),
            "unknown method 'fast'; expected one of 'auto'",
        ),
        (lambda p, u: s4d.apply(p, u, discretization="euler"), "unknown discretization 'euler'"),
        (lambda p, u: s4d.apply(p, u[:, :0]), "with L >= 1"),
        (
            lambda p, u: s4d.apply(p, u[:, :, :2]),
            r"u has shape \(2, 9, 2\), expected \(\*batch, L, 3\)",
        ),
        (lambda p, u: s4d.apply(p, u.astype(jnp.int32)), "got dtype int32"),
        (
            lambda p, u: s4d.apply(p, u, s4d.init_state(p, (3,))),
            r"state has shape \(3, 3, 4\), expected \(2, 3, 4\)",
        ),
        (
            lambda p, u: s4d.apply(p, u, None, jnp.zeros((2, 8), bool)),
            r"resets has shape \(2, 8\), expected \(2, 9\)",
        ),
        (
            lambda p, u: s4d.apply(p, u, None, u[..., 0] > 0, method="fft"),
            "cannot reset the state inside a row",
        ),
        (
            lambda p, u: s4d.apply(p, u, method="chunked", chunk=0),
            "chunk must be an integer of at least 1",
        ),
        (
            lambda p, u: s4d.apply(p._replace(D=jnp.ones(2)), u),
            r"D has shape \(2,\), expected \(3,\)",
        ),
        (
            lambda p, u: s4d.apply(p._replace(B=cplx.zeros((5,))), u),
            r"B has shape \(5,\), expected \(4,\)",
        ),
        (
            lambda p, u: s4d.apply(p._replace(Lambda=cplx.as_pair(jnp.ones((3, 4)))), u),
            "grows without bound",
        ),
        (lambda p, u: s4d.kernel(p, 0), "L must be an integer of at least 1"),
    ],
)
def test_bad_input_is_refused(unchecked, s4d_system, call, message):
    with pytest.raises(ValueError, match=message):
        call(s4d_system(), normal(2, 9, 3))


@pytest.mark.slow
def test_states_keep_the_digits_of_a_slow_decay():
    # A decay by 1e-6 a step: the transition rounded to float32 would lose 2 % of it.
    one = jnp.ones((1, 1))
    Lambda, B, C = (cplx.Pair(value * one, 0 * one) for value in (-1e-6, 1.0, 1.0))
    parameters = s4d.Parameters(Lambda, B, C, jnp.zeros(1), jnp.ones(1))
    start = cplx.Pair(jnp.ones((1, 1, 1)), jnp.zeros((1, 1, 1)))
    states = jax.jit(s4d.states)(parameters, jnp.zeros((1, 20_000, 1)), start)
    wanted = 1 - np.exp(-1e-6 * np.arange(1, 20_001))
    np.testing.assert_allclose(1 - states.re[0, :, 0, 0], wanted, rtol=0, atol=2e-6)
