"""S4: all forms are one map, that of the oracle; without its low-rank part it is S4D."""

from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _dplr, cauchy, s4, s4d
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import systems

EXACT = 1e-10
# The bounds set: convolution = scan = chunked = step for DPLR; a packed row = separate rows;
# gradients through chunks.
FORMS, PACKED, GRADIENTS = 2e-5, 1e-5, 1e-4
RNG = np.random.default_rng(0)
MEASURES = ["legs", "legt", "fout"]
apply = jax.jit(s4.apply, static_argnames=("method", "discretization", "length", "chunk"))


def normal(*shape, dtype=np.float32):
    return jnp.asarray(RNG.normal(size=shape), dtype)


def state_of(*shape, dtype=np.float32):
    return cplx.Pair(normal(*shape, dtype=dtype), normal(*shape, dtype=dtype))


def assert_close(got, wanted, tolerance):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        right = np.asarray(right, np.float64)
        np.testing.assert_allclose(part, right, rtol=0, atol=tolerance * np.abs(right).max())


@partial(jax.jit, static_argnames=("methods", "discretization", "length"))
def in_every_form(parameters, u, state, resets, methods, discretization="bilinear", length=None):
    options = {"chunk": 16, "discretization": discretization, "length": length}
    return [s4.apply(parameters, u, state, resets, method=method, **options) for method in methods]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "discretization", "L"),
    [
        ("legs", "bilinear", 35),
        ("legt", "bilinear", 2),
        ("legs", "bilinear", 1),
        ("fout", "zoh", 35),
    ],
)
def test_every_form_is_the_oracle_in_float64(x64, s4_system, as_numpy, measure, discretization, L):
    parameters = s4_system(2, 6, measure, dtype=jnp.float64)
    numbers, u, state = (
        as_numpy(parameters),
        normal(2, L, 2, dtype=np.float64),
        state_of(2, 2, 3, dtype=np.float64),
    )
    resets = jnp.asarray(RNG.random((2, L)) < 0.2)
    for start, clear, methods in [
        (state, None, ("fft", "chunked", "scan")),
        (state, resets, ("chunked", "scan")),
    ]:
        y, final = systems.run(
            numbers,
            np.asarray(u),
            as_numpy(start),
            None if clear is None else np.asarray(clear),
            discretization,
        )
        for got, last in in_every_form(parameters, u, start, clear, methods, discretization):
            assert_close(got, y, EXACT)
            assert_close(last, cplx.Pair(final.real, final.imag), EXACT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "length"), [("legs", None), ("legs", 150), ("legt", None), ("fout", 150)]
)
def test_every_form_is_the_same_in_float32(s4_system, measure, length):
    parameters = s4_system(2, 32, measure)
    u, state, resets = (
        normal(2, 150, 2),
        state_of(2, 2, 16),
        jnp.asarray(RNG.random((2, 150)) < 0.05),
    )
    used = parameters if length is None else s4.truncate(parameters, length)
    for start, clear, methods in [
        (None, None, ("fft", "chunked")),
        (state, None, ("fft", "auto")),
        (state, resets, ("auto",)),
    ]:
        wanted = apply(parameters, u, start, clear, method="scan")
        for other in in_every_form(used, u, start, clear, methods, length=length):
            assert_close(other, wanted, FORMS)


@pytest.mark.slow
def test_steps_are_the_sequence(s4_system):
    parameters, u, resets = (
        s4_system(measure="legt"),
        normal(2, 12, 3),
        jnp.asarray(RNG.random((2, 12)) < 0.3),
    )
    cut = s4.truncate(parameters, 12)
    for discretization, constants in [
        ("bilinear", s4.prepare(parameters)),
        ("bilinear", jax.jit(s4.prepare)(parameters)),
        ("bilinear", s4.prepare(cut, length=12)),
        ("zoh", s4.prepare(parameters, discretization="zoh")),
    ]:
        whole, final = apply(parameters, u, None, resets, discretization=discretization)
        state, take = s4.init_state(parameters, (2,)), jax.jit(s4.step)
        for k in range(12):
            y, state = take(constants, u[:, k], state, resets[:, k])
            np.testing.assert_allclose(y, whole[:, k], rtol=0, atol=FORMS * np.abs(whole).max())
        assert_close(state, final, FORMS)


@pytest.mark.slow
def test_chunk_after_chunk_is_the_sequence_in_value_and_gradient(s4_system):
    parameters, u = s4_system(), normal(2, 30, 3)

    def by_parts(parameters, u):
        head, state = s4.apply(parameters, u[:, :13])
        tail, _ = s4.apply(parameters, u[:, 13:], state)
        return (jnp.concatenate([head, tail], 1) ** 2).sum()

    def whole(parameters, u):
        return (s4.apply(parameters, u)[0] ** 2).sum()

    got, wanted = (jax.jit(jax.grad(f, argnums=(0, 1)))(parameters, u) for f in (by_parts, whole))
    assert_close(got, wanted, GRADIENTS)


@pytest.mark.slow
def test_a_packed_row_is_its_episodes_one_by_one(s4_system):
    parameters, u = s4_system(2, 32), normal(1, 40, 2)
    resets = jnp.zeros((1, 40), bool).at[0, jnp.asarray([0, 11, 12])].set(True)
    bad = cplx.Pair(*(jnp.full((1, 2, 16), jnp.nan) for _ in range(2)))
    packed, final = apply(parameters, u, bad, resets)
    alone = [apply(parameters, u[:, a:b], method="scan") for a, b in [(0, 11), (11, 12), (12, 40)]]
    assert_close(packed, jnp.concatenate([y for y, _ in alone], 1), PACKED)
    assert_close(final, alone[-1][1], PACKED)


@pytest.mark.slow
@pytest.mark.parametrize("discretization", ["bilinear", "zoh"])
def test_without_a_low_rank_part_it_is_s4d(s4_system, discretization):
    parameters, u, state = s4_system(), normal(2, 20, 3), state_of(2, 3, 4)
    diagonal = s4d.Parameters(*(getattr(parameters, name) for name in s4d.Parameters._fields))
    plain = parameters._replace(P=cplx.scale(parameters.P, 0.0))
    wanted = s4d.apply(diagonal, u, state, discretization=discretization)
    assert_close(apply(plain, u, state, discretization=discretization), wanted, FORMS)


@hypothesis.settings(max_examples=10, deadline=None, derandomize=True)
@hypothesis.given(seed=st.integers(0, 1000), scale=st.floats(0.0, 3.0), step=st.floats(1e-4, 1.0))
def test_a_dissipative_low_rank_part_keeps_it_stable(seed, scale, step):
    # A = diag(Lambda) - P P* has a negative semidefinite real part, so the bilinear step is a
    # contraction.
    rng = np.random.default_rng(seed)
    Lambda = -np.abs(rng.normal(size=(1, 4))) + 1j * rng.normal(size=(1, 4)) * 30
    P = scale * (rng.normal(size=(1, 2, 4)) + 1j * rng.normal(size=(1, 2, 4)))
    system = _dplr.dense(_dplr.bilinear_on_host(Lambda, P, np.ones((1, 4)), np.full(1, step)), np)
    assert np.linalg.norm(system.A_bar[0], 2) < 1


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [cauchy.WRAP, 1.0])
def test_restoring_undoes_truncating(x64, s4_system, wrap):
    parameters = s4_system(dtype=jnp.float64)
    for f in (s4.restore, jax.jit(s4.restore, static_argnums=(1, 2))):
        again = f(s4.truncate(parameters, 50, wrap), 50, wrap)
        assert_close(again.C, parameters.C, 1e-8)


@pytest.mark.parametrize("measure", MEASURES)
def test_truncating_and_restoring_are_the_oracle(x64, s4_system, as_numpy, measure):
    parameters = s4_system(measure=measure, dtype=jnp.float64)
    Lambda, P, B, C, _, step = as_numpy(parameters)
    for f, wanted in [(s4.truncate, systems.truncated), (s4.restore, systems.restored)]:
        numbers = wanted((Lambda, P, B, C, step), 50, cauchy.WRAP)
        assert_close(f(parameters, 50).C, cplx.Pair(numbers.real, numbers.imag), EXACT)


@pytest.mark.slow
def test_restoring_in_float32_under_jit_loses_nothing(s4_system):
    # The shortest step and row, where the paper's truncation loses three digits.
    parameters = s4_system(3, 64)._replace(step=jnp.full(3, 1e-3))
    cut = jax.jit(s4.truncate, static_argnums=1)(parameters, 64)
    assert_close(jax.jit(s4.restore, static_argnums=1)(cut, 64).C, parameters.C, 1e-5)


@pytest.mark.slow
def test_a_shorter_row_than_the_truncation(s4_system):
    parameters, u = s4_system(), normal(2, 20, 3)
    cut = s4.truncate(parameters, 33)
    assert_close(apply(cut, u, length=33), apply(parameters, u), FORMS)
    assert_close(s4.kernel(cut, 20, length=33), s4.kernel(parameters, 20), FORMS)


@pytest.mark.slow
def test_another_rate_is_another_step(s4_system):
    parameters, u = s4_system(), normal(20, 3)
    halved = parameters._replace(step=parameters.step * 2)
    assert_close(apply(parameters, u, rate=2.0), apply(halved, u), 1e-6)
    assert_close(s4.prepare(parameters, rate=2.0), s4.prepare(halved), 1e-6)


@pytest.mark.slow
def test_shared_systems_are_spread(s4_system):
    parameters, u = s4_system(), normal(10, 3)
    one = {
        name: jax.tree.map(lambda x: x[0], getattr(parameters, name))
        for name in ("Lambda", "P", "B")
    }
    assert_close(apply(parameters._replace(**one), u), apply(parameters, u), 1e-6)


@pytest.mark.slow
def test_bfloat16_goes_in_and_out_and_float32_is_inside(s4_system):
    parameters, u = s4_system(), normal(2, 40, 3).astype(jnp.bfloat16)
    y, state = apply(parameters, u)
    assert y.dtype == jnp.bfloat16
    assert state.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, u: s4.apply(p, u, method="associative"), "unknown method 'associative'"),
        (lambda p, u: s4.apply(p, u, discretization="euler"), "unknown discretization 'euler'"),
        (lambda p, u: s4.apply(p, u[:, :, :2]), r"expected \(\*batch, L, 3\)"),
        (lambda p, u: s4.apply(p, u.astype(jnp.int32)), "got dtype int32"),
        (
            lambda p, u: s4.apply(p, u, None, u[..., 0] > 0, method="fft"),
            "cannot reset the state inside a row",
        ),
        (lambda p, u: s4.apply(p, u, s4.init_state(p, (3,))), r"state has shape \(3, 3, 4\)"),
        (lambda p, u: s4.apply(p, u, length=8), "truncated for 8 steps, got 9; call s4.restore"),
        (
            lambda p, u: s4.apply(p, u, length=9, discretization="zoh"),
            "bound to the bilinear rule at rate 1, got 'zoh'",
        ),
        (lambda p, u: s4.apply(p, u, length=9, rate=2.0), "at rate 2.0; call s4.restore"),
        (lambda p, u: s4.prepare(p, length=9, rate=2.0), "at rate 2.0"),
        (lambda p, u: s4.kernel(p, 0), "L must be an integer of at least 1"),
        (lambda p, u: s4.apply(p._replace(P=cplx.zeros((3, 1, 5))), u), r"P has shape \(3, 1, 5\)"),
        (
            lambda p, u: s4.apply(p._replace(Lambda=cplx.as_pair(jnp.ones((3, 4)))), u),
            "grows without bound",
        ),
    ],
)
def test_bad_input_is_refused(unchecked, s4_system, call, message):
    with pytest.raises(ValueError, match=message):
        call(s4_system(), normal(2, 9, 3))
