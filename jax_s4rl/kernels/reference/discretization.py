"""Both discretisations from their definitions, in complex128, of diagonals and dense matrices."""

import numpy as np


def diagonal(Lambda: np.ndarray, step: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the transition `A_bar` and the factor on B; `Lambda` and `step` are broadcast.

    Example:
        >>> diagonal(np.array([0j]), np.array([0.5]), "zoh")[1].real
        array([0.5])
    """
    z = Lambda * step
    if method == "bilinear":
        return (1 + z / 2) / (1 - z / 2), step / (1 - z / 2)
    # The quotient is 0 / 0 at zero, so a series replaces it nearby.
    near = np.abs(z) < 1e-4
    safe = np.where(near, 1, z)
    series = 1 + z / 2 + z**2 / 6 + z**3 / 24
    return np.exp(z), step * np.where(near, series, np.expm1(safe) / safe)


def dense(A: np.ndarray, B: np.ndarray, step: float, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns transition and input of one system `x' = A x + B u`, A [N, N], B [N].

    Example:
        >>> dense(np.zeros((1, 1)), np.ones(1), 0.5, "zoh")[1]
        array([0.5])
    """
    N = len(B)
    if method == "bilinear":
        left = np.eye(N) - step / 2 * A
        return np.linalg.solve(left, np.eye(N) + step / 2 * A), np.linalg.solve(left, step * B)
    # The exponential of step [[A, B], [0, 0]] holds the transition and the integrated input.
    whole = np.zeros((N + 1, N + 1), np.result_type(A, B))
    whole[:N, :N], whole[:N, N] = step * A, step * B
    result = exponential(whole)
    return result[:N, :N], result[:N, N]


def exponential(X: np.ndarray) -> np.ndarray:
    """Returns the matrix exponential: a Taylor series at 2^-s of the matrix, squared s times.

    Example:
        >>> exponential(np.log([[2.0]])).round(9)
        array([[2.]])
    """
    squarings = max(0, int(np.ceil(np.log2(np.abs(X).sum(1).max() + 1e-300))) + 4)
    X = X / 2.0**squarings
    result = term = np.eye(len(X), dtype=X.dtype)
    for k in range(1, 20):
        term = term @ X / k
        result = result + term
    for _ in range(squarings):
        result = result @ result
    return result
