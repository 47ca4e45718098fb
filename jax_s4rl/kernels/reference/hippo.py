"""HiPPO matrices entry by entry as in the papers, and the closed form of LegS memory."""

import numpy as np
from numpy.polynomial import legendre


def transition(measure: str, N: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `A` and `B` of `"legs"`, `"legt"` (window of two time units) or `"fout"`.

    Example:
        >>> transition("legs", 2)[0].round(3).tolist()
        [[-1.0, 0.0], [-1.732, -2.0]]
    """
    A, B = np.zeros((N, N)), np.zeros(N)
    for n in range(N):
        B[n] = {"legs": np.sqrt(2 * n + 1), "legt": np.sqrt(2 * n + 1) / 2, "fout": _fourier(n)}[
            measure
        ]
        for k in range(N):
            A[n, k] = {"legs": _legs, "legt": _legt, "fout": _fout}[measure](n, k)
    return A, B


def legs_memory(N: int, times: np.ndarray) -> np.ndarray:
    """Returns the LegS state after an impulse, for each time, [times, N].

    It is `e^{tA} B = sqrt(2n+1) P_n(2 e^{-t} - 1) e^{-t}`.

    Example:
        >>> legs_memory(2, np.log([2.0]))
        array([[0.5, 0. ]])
    """
    place = 2 * np.exp(-times) - 1
    columns = [
        np.sqrt(2 * n + 1) * legendre.Legendre.basis(n)(place) * np.exp(-times) for n in range(N)
    ]
    return np.stack(columns, axis=-1)


def _legs(n: int, k: int) -> float:
    if n > k:
        return -np.sqrt((2 * n + 1) * (2 * k + 1))
    return -(n + 1.0) if n == k else 0.0


def _legt(n: int, k: int) -> float:
    sign = (-1.0) ** (n - k) if n < k else 1.0
    return -0.5 * np.sqrt((2 * n + 1) * (2 * k + 1)) * sign


def _fourier(n: int) -> float:
    if n % 2:
        return 0.0
    return 1.0 if n == 0 else np.sqrt(2)


def _fout(n: int, k: int) -> float:
    rotation = 0.0
    if n // 2 == k // 2 and n != k:
        rotation = np.pi * (n // 2) * (1 if n > k else -1)
    return rotation - _fourier(n) * _fourier(k)
