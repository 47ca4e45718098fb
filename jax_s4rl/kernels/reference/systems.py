"""S4D and S4 step by step in complex128, each system written out in full with both halves of every pair.

One feature, one row and one step at a time: nothing is shared with the kernels but the definition.
"""

import cmath

import numpy as np

from jax_s4rl.kernels.reference import discretization


def matrix(Lambda: np.ndarray, P: np.ndarray | None = None) -> np.ndarray:
    """`diag(Lambda) - P P*` of one feature over both halves: Lambda [Nh], P [rank, Nh] -> [2 Nh, 2 Nh].

    Example:
        >>> matrix(np.array([1 - 1j]))
        array([[1.-1.j, 0.+0.j],
               [0.+0.j, 1.+1.j]])
    """
    A = np.diag(np.concatenate([Lambda, Lambda.conj()]))
    if P is None:
        return A
    both = np.concatenate([P, P.conj()], axis=1)
    return A - both.T @ both.conj()


def discrete(
    Lambda: np.ndarray, P: np.ndarray | None, B: np.ndarray, step: float, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Dense transition and input of one feature, [2 Nh, 2 Nh] and [2 Nh].

    Example:
        >>> discrete(np.zeros(1), None, np.ones(1), 0.5, "bilinear")[1]
        array([0.5, 0.5])
    """
    return discretization.dense(matrix(Lambda, P), np.concatenate([B, B.conj()]), step, method)


def kernel(
    Lambda: np.ndarray, P: np.ndarray | None, B: np.ndarray, C: np.ndarray, step: np.ndarray, L: int, method: str
) -> np.ndarray:
    """Impulse responses [H, L]; `Lambda`, `B`, `C` are [H, Nh], `P` [H, rank, Nh] or None, `step` [H].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> kernel(0 * one, None, one, one / 2, np.ones(1), 3, "zoh")
        array([[1., 1., 1.]])
    """
    found = np.zeros((len(step), L))
    for h, spacing in enumerate(step):
        A_bar, x = discrete(Lambda[h], None if P is None else P[h], B[h], spacing, method)
        C_full = np.concatenate([C[h], C[h].conj()])
        for k in range(L):
            found[h, k] = np.real(C_full @ x)
            x = A_bar @ x
    return found


def diagonal_kernel(
    Lambda: np.ndarray, B: np.ndarray, C: np.ndarray, step: np.ndarray, L: int, method: str
) -> np.ndarray:
    """The same [H, L] where there is no low-rank part, from one power a pair and a step.

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> diagonal_kernel(0 * one, one, one / 2, np.ones(1), 3, "zoh")
        array([[1., 1., 1.]])
    """
    A_bar, gain = discretization.diagonal(Lambda, step[:, None], method)
    return np.stack([2 * np.real(C * gain * B * A_bar**k).sum(-1) for k in range(L)], axis=-1)


def run(
    system: tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    u: np.ndarray,
    state: np.ndarray | None = None,
    resets: np.ndarray | None = None,
    method: str = "zoh",
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and final half state [rows, H, Nh] of `(Lambda, P, B, C, D, step)` over rows u [rows, L, H].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> integrator = (0 * one, None, one, one / 2, np.zeros(1), np.ones(1))
        >>> run(integrator, np.ones((1, 3, 1)))[0][0, :, 0]
        array([1., 2., 3.])
    """
    Lambda, P, B, C, D, step = system
    Nh = Lambda.shape[-1]
    y, final = np.zeros(u.shape), np.zeros((len(u), u.shape[2], Nh), complex)
    for h, spacing in enumerate(step):
        A_bar, B_bar = discrete(Lambda[h], None if P is None else P[h], B[h], spacing, method)
        C_full = np.concatenate([C[h], C[h].conj()])
        for row in range(len(u)):
            x = np.zeros(2 * Nh, complex)
            if state is not None:
                x = np.concatenate([state[row, h], state[row, h].conj()])
            for k in range(u.shape[1]):
                if resets is not None and resets[row, k]:
                    x = np.zeros(2 * Nh, complex)
                x = A_bar @ x + B_bar * u[row, k, h]
                y[row, k, h] = np.real(C_full @ x) + D[h] * u[row, k, h]
            final[row, h] = x[:Nh]
    return y, final


def truncated(
    system: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], L: int, wrap: float
) -> np.ndarray:
    """`C (I - wrap A_bar^L)` of `(Lambda, P, B, C, step)` under the bilinear rule, [H, Nh].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> truncated((0 * one, 0 * one[None], one, one, np.ones(1)), 5, 0.5).real
        array([[0.5]])
    """
    Lambda, P, B, C, step = system
    found = np.zeros(C.shape, complex)
    for h, spacing in enumerate(step):
        A_bar, _ = discrete(Lambda[h], P[h], B[h], spacing, "bilinear")
        row = np.concatenate([C[h], C[h].conj()])
        found[h] = (row - wrap * row @ np.linalg.matrix_power(A_bar, L))[: C.shape[1]]
    return found


def restored(
    system: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], L: int, wrap: float
) -> np.ndarray:
    """The C whose `truncated` form is that of `(Lambda, P, B, C, step)`, [H, Nh].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> restored((-one, 0 * one[None], one, one / 2, np.full(1, 2.0)), 5, 0.5)
        array([[0.5+0.j]])
    """
    Lambda, P, B, C, step = system
    found = np.zeros(C.shape, complex)
    for h, spacing in enumerate(step):
        A_bar, _ = discrete(Lambda[h], P[h], B[h], spacing, "bilinear")
        rest = np.eye(len(A_bar)) - wrap * np.linalg.matrix_power(A_bar, L)
        found[h] = np.linalg.solve(rest.T, np.concatenate([C[h], C[h].conj()]))[: C.shape[1]]
    return found


def nodes(L: int, wrap: float) -> tuple[np.ndarray, np.ndarray]:
    """Hyperbolic sine and cosine of half the logarithm of `1/z`, for the roots z of `z^L = wrap`, k = 0 .. L // 2.

    Example:
        >>> nodes(2, 1.0)[0].round(6)
        array([0.+0.j, 0.+1.j])
    """
    sines, cosines = [], []
    for k in range(L // 2 + 1):
        root = wrap ** (1 / L) * cmath.exp(-2j * cmath.pi * k / L)
        below = cmath.sqrt(root)
        sines.append((1 / below - below) / 2)
        cosines.append((1 / below + below) / 2)
    return np.array(sines), np.array(cosines)
