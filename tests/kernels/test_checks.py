"""Bad input is refused with a sentence that says what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _checks, lru, s4, s4d, s5
from jax_s4rl.kernels import complex_pair as cplx


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _checks.length(0), "L must be an integer of at least 1, got 0"),
        (lambda: _checks.length(8.0), "got 8.0; write 8"),
        (lambda: _checks.length(True), "got True; pass the number of steps"),
        (lambda: _checks.length(-1, least=0), "at least 0, got -1"),
        (lambda: jax.jit(_checks.length)(3), "known at trace time"),
        (lambda: _checks.even(8.0), "got 8.0; use N = 8"),
        (lambda: _checks.even(True), "got True; use N = 2"),
        (lambda: _checks.even(None), "got None; pass an int"),
        (lambda: _checks.even(5), "got 5; use N = 6"),
        (lambda: _checks.even(0), "got 0; use N = 2"),
        (
            lambda: _checks.choice("method", "fast", ["fft", "scan"]),
            "unknown method 'fast'; expected one of 'fft', 'scan'",
        ),
        (
            lambda: _checks.shape("C", jnp.zeros((2, 3)), (2, 4)),
            r"C has shape \(2, 3\), expected \(2, 4\)",
        ),
        (
            lambda: _checks.real("u", jnp.ones(2, jnp.complex64)),
            "u must be real and floating, got dtype complex64",
        ),
        (
            lambda: _checks.flags("mask", jnp.ones(2), (2,)),
            "mask must be a bool array, got float32; pass",
        ),
        (lambda: _checks.flags("mask", True, ()), "mask must be a bool array, got bool"),
        (
            lambda: _checks.flags("mask", jnp.ones(2, bool), (3,)),
            r"mask has shape \(2,\), expected \(3,\)",
        ),
        (
            lambda: _checks.spacing("step", jnp.asarray([0.1, -0.2])),
            "step has an entry of -0.2, but must be positive",
        ),
        (lambda: _checks.rate(0), "rate must be positive, got 0"),
        (
            lambda: _checks.stable(cplx.as_pair(jnp.asarray([-1.0 + 1j, 0.25 + 1j]))),
            "real part of 0.25",
        ),
    ],
)
def test_bad_input_is_refused(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_good_input_passes(unchecked):
    assert _checks.length(3) == _checks.length(np.int64(3)) == 3
    assert type(_checks.length(np.int64(3))) is int
    assert _checks.even(6) == _checks.even(np.int32(6)) == 3
    _checks.flags("mask", None, (2,))
    _checks.rate(jnp.asarray(0.5))
    assert _checks.choice("method", "fft", ["fft"]) == "fft"
    _checks.shape("C", cplx.zeros((2, 3)), (2, 3))
    _checks.stable(cplx.zeros((2,)))


def test_a_traced_value_is_not_concrete():
    seen = []
    jax.jit(lambda x: seen.append(_checks.is_concrete(x)))(jnp.ones(2))
    assert seen == [False]
    assert _checks.is_concrete(jnp.ones(2), np.ones(2))


def system(family):
    """The least parameters of a family: two features, one conjugate pair (each)."""
    grid = cplx.Pair(*jnp.asarray([[[-0.5, -1.0]], [[2.0, 0.7]]]).swapaxes(1, 2))
    both = cplx.Pair(*(jnp.concatenate([x, x / 2], axis=-1) for x in grid))
    line = cplx.Pair(grid.re[:, 0], grid.im[:, 0])
    D, step = jnp.ones(2), jnp.full(2, 0.3)
    if family is s4d:
        return s4d.Parameters(grid, grid, grid, D, step)
    if family is s4:
        return s4.Parameters(
            grid, cplx.Pair(grid.re[:, None], grid.im[:, None]), grid, grid, D, step
        )
    return family.Parameters(line, both, both, D, step)


FAMILIES = pytest.mark.parametrize("family", [s4d, s4, s5, lru])


@pytest.mark.fast_cases(1)
@FAMILIES
def test_complex_arrays_are_pairs(family):
    u = jnp.asarray([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0]])

    @jax.jit
    def everything(parameters, state):
        y, last = family.apply(parameters, u, state, method="scan")
        return y, last, family.step(family.prepare(parameters), u[0], state)

    parameters = system(family)
    zeros = family.init_state(parameters).re
    state = cplx.Pair(zeros + 1, zeros - 0.5)
    complexes = jax.tree.map(
        lambda x: cplx.to_complex(x) if isinstance(x, cplx.Pair) else x,
        (parameters, state),
        is_leaf=lambda x: isinstance(x, cplx.Pair),
    )
    got, wanted = everything(*complexes), everything(parameters, state)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6), got, wanted)


@pytest.mark.fast_cases(1)
@FAMILIES
def test_a_step_refuses_what_does_not_fit(unchecked, family):
    parameters = system(family)
    constants, state, u = (
        family.prepare(parameters),
        family.init_state(parameters, (3,)),
        jnp.ones((3, 2)),
    )
    for call, words in (
        (
            lambda: family.step(constants, u[:, :1], state),
            r"u has shape \(3, 1\), expected \(3, 2\)",
        ),
        (lambda: family.step(constants, u[0], state), r"u has shape \(2,\), expected \(3, 2\)"),
        (lambda: family.step(constants, u.astype(jnp.int32), state), "got dtype int32"),
        (
            lambda: family.step(constants, u, state, jnp.ones(1, bool)),
            r"reset has shape \(1,\), expected \(3,\)",
        ),
        (
            lambda: family.step(constants, u, state, jnp.ones(3)),
            "reset must be a bool array, got float32",
        ),
        (
            lambda: family.step(constants, u, jax.tree.map(lambda x: x[..., [0, 0, 0]], state)),
            "state has shape",
        ),
        (
            lambda: family.apply(parameters, u, resets=jnp.ones(3, jnp.int32)),
            "resets must be a bool array, got int32",
        ),
        (lambda: family.apply(parameters, u.astype(jnp.complex64)), "got dtype complex64"),
        (
            lambda: family.prepare(parameters._replace(D=parameters.D.astype(jnp.complex64))),
            "D must be real",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    if family is not lru:
        with pytest.raises(ValueError, match=r"step has an entry of -0\.3"):
            family.prepare(parameters._replace(step=-parameters.step))
        with pytest.raises(ValueError, match="rate must be positive, got -1"):
            family.prepare(parameters, rate=-1)
