"""The oracle of S5 and LRU against dense state space models written with all conjugates."""

import numpy as np
from scipy.signal import cont2discrete

from jax_s4rl.kernels.reference import mimo

ROUNDING = 1e-12


def test_s5_is_the_real_system_that_holds_every_pair():
    rng = np.random.default_rng(0)
    Lambda = np.array([-0.5 + 1j, -0.2 + 3j])
    B, C = rng.normal(size=(2, 2, 3, 2)) @ [1, 1j]
    C, D, u = C.T, rng.normal(size=3), rng.normal(size=(7, 3))
    both = np.diag(np.concatenate([Lambda, Lambda.conj()]))
    system = (
        both,
        np.concatenate([B, B.conj()]),
        np.concatenate([C, C.conj()], axis=1),
        np.diag(D).astype(complex),
    )
    for name in ("zoh", "bilinear"):
        A_bar, B_bar = cont2discrete(system, 0.1, method=name)[:2]
        x, outputs = np.zeros(4, complex), []
        for now in u:
            x = A_bar @ x + B_bar @ now
            outputs.append((system[2] @ x).real + D * now)
        y, _ = mimo.s5(Lambda, B, C, D, np.full(2, 0.1), u, discretization=name)
        np.testing.assert_allclose(y, outputs, rtol=0, atol=ROUNDING)


def test_lru_carries_its_state_and_forgets_it_at_a_reset():
    rng = np.random.default_rng(1)
    Lambda = np.array([-0.1 + 1j, -0.5])
    B, C = rng.normal(size=(2, 2, 2, 2)) @ [1, 1j]
    u, gain, D = rng.normal(size=(6, 2)), np.array([0.4, 0.8]), np.zeros(2)
    whole, last = mimo.lru(Lambda, B, C, D, gain, u)
    first, state = mimo.lru(Lambda, B, C, D, gain, u[:4])
    second, carried = mimo.lru(Lambda, B, C, D, gain, u[4:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(carried, last, rtol=0, atol=ROUNDING)
    alone, _ = mimo.lru(Lambda, B, C, D, gain, u[4:])
    reset, _ = mimo.lru(Lambda, B, C, D, gain, u[4:], state, resets=np.array([True, False]))
    np.testing.assert_array_equal(reset, alone)
