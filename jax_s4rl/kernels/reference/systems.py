"""S4D and S4 step by step in complex128, with both halves of every conjugate pair.

One feature, one row and one step at a time: only the definition is shared with the kernels.
"""

import cmath

import numpy as np

from jax_s4rl.kernels.reference import discretization


def matrix(Lambda: np.ndarray, P: np.ndarray | None = None) -> np.ndarray:
    """Returns `diag(Lambda) - P P*` of one feature over both halves, [2 Nh, 2 Nh].

    `Lambda` is [Nh], `P` is [rank, Nh] or None.

    Example:
        >>> matrix(np.array([1 - 1j]))
        array([[1.-1.j, 0.+0.j],
               [0.+0.j, 1.+1.j]])
    """
    A = np.diag(np.concatenate([Lambda, Lambda.conj()]))
    if P is None:
        return A
    both = np.concatenate([P, P.conj()], axis=1)
    # The columns of the papers' P are rows here, hence the transpose on the left.
    return A - both.T @ both.conj()


def discrete(
    Lambda: np.ndarray, P: np.ndarray | None, B: np.ndarray, step: float, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns dense transition and input of one feature, [2 Nh, 2 Nh] and [2 Nh].

    Example:
        >>> discrete(np.zeros(1), None, np.ones(1), 0.5, "bilinear")[1]
        array([0.5, 0.5])
    """
    return discretization.dense(matrix(Lambda, P), np.concatenate([B, B.conj()]), step, method)


def kernel(
    Lambda: np.ndarray,
    P: np.ndarray | None,
    B: np.ndarray,
    C: np.ndarray,
    step: np.ndarray,
    L: int,
    method: str,
) -> np.ndarray:
    """Returns impulse responses, [H, L].

    `Lambda`, `B`, `C` are [H, Nh], `P` is [H, rank, Nh] or None, `step` is [H].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> kernel(0 * one, None, one, one / 2, np.ones(1), 3, "zoh")
        array([[1., 1., 1.]])
    """
    response = np.zeros((len(step), L))
    for h, spacing in enumerate(step):
        A_bar, x = discrete(Lambda[h], None if P is None else P[h], B[h], spacing, method)
        C_full = np.concatenate([C[h], C[h].conj()])
        for k in range(L):
            # Both halves are in the product, so no factor 2; their imaginary parts cancel.
            response[h, k] = np.real(C_full @ x)
            x = A_bar @ x
    return response


def diagonal_kernel(
    Lambda: np.ndarray, B: np.ndarray, C: np.ndarray, step: np.ndarray, L: int, method: str
) -> np.ndarray:
    """Returns the same [H, L] without a low-rank part, from one power per pair and step.

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
    """Runs `(Lambda, P, B, C, D, step)` over rows u [rows, L, H].

    Returns the outputs and the final half state, [rows, H, Nh].

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
            # The second half is the conjugate of the first, and is left out.
            final[row, h] = x[:Nh]
    return y, final


def truncated(
    system: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], L: int, wrap: float
) -> np.ndarray:
    """Returns `C (I - wrap A_bar^L)` of `(Lambda, P, B, C, step)`, bilinear, [H, Nh].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> truncated((0 * one, 0 * one[None], one, one, np.ones(1)), 5, 0.5).real
        array([[0.5]])
    """
    Lambda, P, B, C, step = system
    result = np.zeros(C.shape, complex)
    for h, spacing in enumerate(step):
        A_bar, _ = discrete(Lambda[h], P[h], B[h], spacing, "bilinear")
        row = np.concatenate([C[h], C[h].conj()])
        result[h] = (row - wrap * row @ np.linalg.matrix_power(A_bar, L))[: C.shape[1]]
    return result


def restored(
    system: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], L: int, wrap: float
) -> np.ndarray:
    """Returns the C whose `truncated` form is the C of `(Lambda, P, B, C, step)`, [H, Nh].

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> restored((-one, 0 * one[None], one, one / 2, np.full(1, 2.0)), 5, 0.5)
        array([[0.5+0.j]])
    """
    Lambda, P, B, C, step = system
    result = np.zeros(C.shape, complex)
    for h, spacing in enumerate(step):
        A_bar, _ = discrete(Lambda[h], P[h], B[h], spacing, "bilinear")
        # A row is multiplied from the left, so the transposed system is solved.
        rest = np.eye(len(A_bar)) - wrap * np.linalg.matrix_power(A_bar, L)
        result[h] = np.linalg.solve(rest.T, np.concatenate([C[h], C[h].conj()]))[: C.shape[1]]
    return result


def nodes(L: int, wrap: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns hyperbolic sine and cosine of half the logarithm of `1/z` at the nodes z.

    The nodes are the roots of `z^L = wrap` for k = 0 .. L // 2.

    Example:
        >>> nodes(2, 1.0)[0].round(6)
        array([0.+0.j, 0.+1.j])
    """
    sines, cosines = [], []
    for k in range(L // 2 + 1):
        root = wrap ** (1 / L) * cmath.exp(-2j * cmath.pi * k / L)
        # Angles lie between -pi and 0, where the principal root has half the angle.
        half = cmath.sqrt(root)
        sines.append((1 / half - half) / 2)
        cosines.append((1 / half + half) / 2)
    return np.array(sines), np.array(cosines)
