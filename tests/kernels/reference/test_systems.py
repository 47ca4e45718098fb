"""The step-by-step oracle against SciPy's simulation, hand numbers and itself."""

import numpy as np
import pytest
from scipy import signal

from jax_s4rl.kernels import hippo as form
from jax_s4rl.kernels.reference import hippo, systems

ROUNDING = 1e-12
RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


LAMBDA, P = -0.5 + 1j * RNG.uniform(0, 9, (2, 3)), complex_normal(2, 1, 3)
B, C = complex_normal(2, 3), complex_normal(2, 3)
D, STEP = RNG.normal(size=2), np.array([0.05, 0.3])


def test_a_leaky_integrator_by_hand():
    one = np.ones((1, 1), complex)
    system = (-2 * one, None, one, one / 2, np.zeros(1), np.ones(1))
    y, state = systems.run(system, np.ones((1, 3, 1)), method="bilinear")
    np.testing.assert_allclose(y[0, :, 0], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(state, [[[0.5]]])


@pytest.mark.parametrize("low_rank", [None, P])
def test_the_kernel_is_scipys_impulse_response(low_rank):
    K = systems.kernel(LAMBDA, low_rank, B, C, STEP, 20, "zoh")
    for h in range(2):
        A = systems.matrix(LAMBDA[h], None if low_rank is None else low_rank[h])
        full_B, full_C = (np.concatenate([x[h], x[h].conj()]) for x in (B, C))
        discrete = signal.cont2discrete(
            (A, full_B[:, None], full_C[None], np.zeros((1, 1))), STEP[h], "zoh"
        )
        powers = [
            (discrete[2] @ np.linalg.matrix_power(discrete[0], k) @ discrete[1])[0, 0].real
            for k in range(20)
        ]
        np.testing.assert_allclose(K[h], powers, rtol=0, atol=ROUNDING * np.abs(powers).max())


def test_a_row_is_the_convolution_with_the_kernel():
    u = RNG.normal(size=(1, 12, 2))
    y, _ = systems.run((LAMBDA, P, B, C, D, STEP), u, method="bilinear")
    K = systems.kernel(LAMBDA, P, B, C, STEP, 12, "bilinear")
    for h in range(2):
        np.testing.assert_allclose(
            y[0, :, h], np.convolve(u[0, :, h], K[h])[:12] + D[h] * u[0, :, h], atol=1e-11
        )


def test_two_chunks_and_a_reset_are_two_runs():
    u = RNG.normal(size=(1, 9, 2))
    system = (LAMBDA, P, B, C, D, STEP)
    whole, final = systems.run(system, u)
    head, state = systems.run(system, u[:, :4])
    tail, end = systems.run(system, u[:, 4:], state)
    np.testing.assert_allclose(
        np.concatenate([head, tail], 1), whole, atol=ROUNDING * np.abs(whole).max()
    )
    np.testing.assert_allclose(end, final, atol=ROUNDING * np.abs(final).max())
    resets = np.arange(9)[None] == 4
    np.testing.assert_array_equal(
        systems.run(system, u, None, resets)[0][:, 4:], systems.run(system, u[:, 4:])[0]
    )


def test_truncation_leaves_the_generating_function_of_the_first_steps():
    L = 7
    cut = systems.truncated((LAMBDA, P, B, C, STEP), L, wrap=1.0)
    A_bar, B_bar = systems.discrete(LAMBDA[0], P[0], B[0], STEP[0], "bilinear")
    root = np.exp(2j * np.pi / L)
    full = np.concatenate([cut[0], cut[0].conj()])
    value = full @ np.linalg.solve(np.eye(6) - root * A_bar, B_bar)
    K = systems.kernel(LAMBDA, P, B, C, STEP, L, "bilinear")[0]
    assert abs(value - (K * root ** np.arange(L)).sum()) < 1e-10 * np.abs(K).sum()


def test_legs_is_stable_over_both_halves():
    dplr = form.dplr("legs", 6)
    A = systems.matrix(dplr.Lambda, dplr.P)
    V = np.concatenate([dplr.V, dplr.V.conj()], 1)
    np.testing.assert_allclose(V @ A @ V.conj().T, hippo.transition("legs", 6)[0], atol=1e-12)
