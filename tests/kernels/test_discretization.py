"""Both rules against the oracle, SciPy and their limits."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import discretization
from jax_s4rl.kernels.reference import discretization as oracle

METHODS = ["zoh", "bilinear"]
EXACT = 1e-10
# A few float32 roundings; what cancels would lose three digits at the smallest step.
ROUNDING = 1e-6
LAMBDA = np.array([0, -1e-4, -1e-4 + 50j, -0.5 + 0.3j, -0.5 + 1303j, -2.0, -3 + 0.01j, -64])


def transition(system):
    return np.asarray(cplx.to_complex(cplx.exp(cplx.Pair(system.log_modulus, system.angle))))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("step", [1e-5, 1e-3, 0.1, 1.0])
def test_float64_is_the_oracle(x64, method, step):
    system = discretization.discretize(jnp.asarray(LAMBDA), jnp.full(8, step), method)
    A_bar, gain = oracle.diagonal(LAMBDA, np.array([step]), method)
    np.testing.assert_allclose(transition(system), A_bar, rtol=0, atol=EXACT)
    np.testing.assert_allclose(cplx.to_complex(system.gain), gain, rtol=EXACT)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("step", [1e-5, 1e-3, 0.1, 1.0])
def test_float32_does_not_cancel(method, step):
    # The parameters are exact in float32, so that all of the error is the kernel's own.
    Lambda = LAMBDA.astype(np.complex64)
    system = discretization.discretize(jnp.asarray(Lambda), jnp.full(8, step, jnp.float32), method)
    exact = np.array([np.float32(step)], np.float64)
    A_bar, gain = oracle.diagonal(Lambda.astype(complex), exact, method)
    with np.errstate(divide="ignore"):
        decay = np.log(np.abs(A_bar))
    # Where a factor vanishes (bilinear at z = -2) its logarithm has no digits, and needs none.
    seen = np.abs(A_bar) > 1e-3
    np.testing.assert_allclose(system.log_modulus[seen], decay[seen], rtol=ROUNDING, atol=1e-12)
    np.testing.assert_allclose(cplx.to_complex(system.gain), gain, rtol=ROUNDING)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("method", METHODS)
def test_values_and_gradients_are_finite_everywhere(method):
    def total(re, im, step):
        system = discretization.discretize(cplx.Pair(re, im), step, method)
        return sum(
            leaf.sum() for leaf in jax.tree.leaves((system.log_modulus, system.angle, system.gain))
        )

    for step in (1e-5, 1.0):
        re, im = (
            jnp.asarray([0.0, -1e-4, -2.0, -2.0 / step, -1e3]),
            jnp.asarray([0.0, 0.0, 0.0, 0.0, 1e3]),
        )
        value, grads = jax.value_and_grad(total, argnums=(0, 1, 2))(re, im, jnp.full(5, step))
        assert np.isfinite(value)
        assert all(np.all(np.isfinite(grad)) for grad in grads)


@pytest.mark.slow
def test_gradients_of_zoh_are_the_derivatives_at_small_z(x64):
    # d/dz (e^z - 1)/z = 1/2 + z/3 + ... at zero, and finite differences across the border of the
    # series.
    slope = jax.grad(lambda a: discretization.exprel(cplx.Pair(a, jnp.zeros_like(a))).re)
    assert abs(slope(jnp.asarray(0.0)) - 0.5) < EXACT
    for z in (-1e-7, -0.4999, -0.5001, -3.0):
        wanted = (z * np.exp(z) - np.expm1(z)) / z**2 if abs(z) > 1e-3 else 0.5 + z / 3
        assert abs(slope(jnp.asarray(z)) - wanted) < 1e-9


@pytest.mark.slow
@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(
    decay=st.floats(1e-4, 1e3),
    frequency=st.floats(-2e3, 2e3),
    step=st.floats(1e-5, 1.0),
    method=st.sampled_from(METHODS),
)
def test_a_stable_system_stays_stable_and_is_scipys(decay, frequency, step, method):
    Lambda = np.complex64(complex(-decay, frequency))
    system = discretization.discretize(
        jnp.asarray([Lambda]), jnp.asarray([step], jnp.float32), method
    )
    assert float(system.log_modulus[0]) < 0
    real = np.array([[Lambda.real, -Lambda.imag], [Lambda.imag, Lambda.real]], np.float64)
    wanted = signal.cont2discrete(
        (real, np.eye(2), np.eye(2), np.zeros((2, 2))), np.float32(step), method
    )[0]
    angle = max(1.0, abs(frequency) * step)
    np.testing.assert_allclose(
        transition(system)[0], wanted[0, 0] + 1j * wanted[1, 0], rtol=0, atol=ROUNDING * angle
    )


@pytest.mark.parametrize(("method", "order"), [("zoh", None), ("bilinear", 2)])
def test_refining_the_step_converges_at_the_order_of_the_rule(x64, method, order):
    Lambda = jnp.asarray([-0.5 + 3j])
    errors = []
    for n in (50, 100):
        system = discretization.discretize(Lambda, jnp.asarray([1 / n]), method)
        errors.append(
            abs(
                np.exp(n * complex(system.log_modulus[0], system.angle[0]))
                - np.exp(complex(Lambda[0]))
            )
        )
    if order is None:
        assert max(errors) < EXACT
    else:
        assert abs(np.log2(errors[0] / errors[1]) - order) < 0.05


def test_an_unknown_rule_is_refused():
    with pytest.raises(
        ValueError, match="unknown discretization 'euler'; expected one of 'zoh', 'bilinear'"
    ):
        discretization.discretize(jnp.asarray([-1 + 0j]), jnp.ones(1), "euler")


@pytest.mark.parametrize(
    ("Lambda", "step", "message"),
    [
        (jnp.asarray([0.5 + 0j]), jnp.ones(1), "real part of 0.5"),
        (jnp.asarray([-1 + 0j]), -jnp.ones(1), "step has an entry of -1"),
        (
            -jnp.ones((2, 3)),
            jnp.ones(2),
            r"step has shape \(2,\), which does not broadcast against Lambda's \(2, 3\)",
        ),
    ],
)
def test_bad_values_are_refused(unchecked, Lambda, step, message):
    with pytest.raises(ValueError, match=message):
        discretization.discretize(Lambda, step)


@pytest.mark.parametrize("count", [0, 1, 64])
def test_changes_are_powers_less_one_even_if_slow(count):
    Lambda = np.array([-0.5 + 0j, -0.5 + 30j, -3.0 - 700j])
    for step in (1e-7, 1e-3, 0.1):
        spacing = jnp.full(3, step, jnp.float32)
        found = discretization.discretize(jnp.asarray(Lambda, jnp.complex64), spacing)
        wanted = np.expm1(count * float(spacing[0]) * Lambda)
        got = discretization.change(found, count)
        np.testing.assert_allclose(np.asarray(got.re) + 1j * np.asarray(got.im), wanted, rtol=2e-6)
