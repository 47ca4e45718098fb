"""HiPPO against its oracle, and its forms against each other."""

import numpy as np
import pytest

from jax_s4rl.kernels import hippo
from jax_s4rl.kernels.reference import hippo as oracle

# float64 eigenvectors of matrices of norm up to 4,000 (LegS, N = 64).
ROUNDING = 1e-10
MEASURES = ["legs", "legt", "fout"]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("N", [2, 8, 64])
def test_the_matrices_are_those_of_the_papers(measure, N):
    for got, wanted in zip(
        hippo.transition(measure, N), oracle.transition(measure, N), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("N", [2, 8, 64])
def test_the_eigenvector_form_gives_the_matrices_back(measure, N):
    A, B = hippo.transition(measure, N)
    form = hippo.dplr(measure, N)
    V = np.concatenate([form.V, form.V.conj()], axis=1)
    P = np.concatenate([form.P, form.P.conj()], axis=1)
    inner = np.diag(np.concatenate([form.Lambda, form.Lambda.conj()])) - P.T @ P.conj()
    np.testing.assert_allclose(V @ V.conj().T, np.eye(N), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(V @ inner @ V.conj().T, A, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(2 * (form.V @ form.B).real, B, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_phase_is_fixed_and_frequencies_rise(measure):
    form = hippo.dplr(measure, 32)
    assert np.all(np.abs(form.B.imag) < ROUNDING)
    assert np.all(form.B.real > 0)
    assert np.all(np.diff(form.Lambda.imag) > 0)
    assert np.all(form.Lambda.real == (-0.5 if measure == "legs" else 0.0))
    assert form.P.shape == ((2 if measure == "legt" else 1), 16)


def test_the_spectrum_of_legs_is_the_published_one():
    frequency = hippo.dplr("legs", 64).Lambda.imag
    np.testing.assert_allclose(
        frequency[[0, -3, -2, -1]], [0.2639, 258.15, 433.03, 1303.27], rtol=2e-4
    )


def test_cached_arrays_cannot_be_written():
    assert hippo.dplr("legs", 8) is hippo.dplr("legs", 8)
    with pytest.raises(ValueError, match="read-only"):
        hippo.dplr("legs", 8).B[0] = 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hippo.dplr("legs", 5), "even integer of at least 2"),
        (lambda: hippo.transition("fout", 3), "even integer"),
        (lambda: hippo.transition("legs", 0), "at least 1, got 0"),
        (
            lambda: hippo.nplr("lagt", 4),
            "unknown measure 'lagt'; expected one of 'legs', 'legt', 'fout'",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("measure", MEASURES)
def test_the_formulas_of_the_docstrings_hold(measure):
    plain, half = hippo.nplr(measure, 8), hippo.dplr(measure, 8)
    normal = plain.A + plain.P.T @ plain.P
    np.testing.assert_allclose(normal @ normal.T, normal.T @ normal, rtol=0, atol=ROUNDING)
    Lambda, B, P = (np.concatenate([x, x.conj()], axis=-1) for x in (half.Lambda, half.B, half.P))
    V = np.concatenate([half.V, half.V.conj()], axis=1)
    A = V @ (np.diag(Lambda) - P.T @ P.conj()) @ V.conj().T
    np.testing.assert_allclose(A, plain.A, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(V @ B, plain.B, rtol=0, atol=ROUNDING)
    x = np.arange(8.0)
    np.testing.assert_allclose(2 * (half.V @ (half.V.conj().T @ x)).real, x, rtol=0, atol=ROUNDING)
    assert "(diag(Lambda) - P^T conj(P)) V*" in hippo.Dplr.__doc__
