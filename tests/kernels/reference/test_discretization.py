"""The discretisation oracle against SciPy."""

import numpy as np
import pytest
from scipy import linalg, signal

from jax_s4rl.kernels.reference import discretization

ROUNDING = 1e-12
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("step", [1e-5, 0.1, 1.0])
def test_dense_agrees_with_scipy(method, step):
    A, B = RNG.normal(size=(5, 5)) - 3 * np.eye(5), RNG.normal(size=5)
    if method == "zoh":
        wanted = signal.cont2discrete((A, B[:, None], np.eye(5), np.zeros((5, 1))), step, "zoh")[:2]
    else:
        # SciPy's bilinear form keeps another state: the transition is the same, the input B is
        # this one over step.
        left = np.eye(5) - step / 2 * A
        wanted = (
            signal.cont2discrete((A, B[:, None], np.eye(5), np.zeros((5, 1))), step, "bilinear")[0],
            step * linalg.inv(left) @ B[:, None],
        )
    got = discretization.dense(A, B, step, method)
    np.testing.assert_allclose(got[0], wanted[0], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(got[1], wanted[1][:, 0], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_diagonal_is_dense_on_a_diagonal(method):
    Lambda = np.array([0, -1e-6 + 1e-6j, -0.5 + 3j, -2.0, -30 + 400j])
    for step in (1e-5, 0.05, 1.0):
        A_bar, gain = discretization.diagonal(Lambda, np.array([step]), method)
        dense, B_bar = discretization.dense(np.diag(Lambda), np.ones(5, complex), step, method)
        np.testing.assert_allclose(A_bar, np.diag(dense), rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(gain, B_bar, rtol=0, atol=ROUNDING)


def test_the_exponential_is_scipys():
    X = RNG.normal(size=(6, 6)) * 5
    np.testing.assert_allclose(discretization.exponential(X), linalg.expm(X), rtol=1e-11)
