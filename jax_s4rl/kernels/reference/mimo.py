"""S5 and LRU in complex128 NumPy, one step at a time."""

import numpy as np

from jax_s4rl.kernels.reference import recurrence


def run(A_bar, B_bar, C, D, u, state=None, resets=None) -> tuple[np.ndarray, np.ndarray]:
    """Computes ``x[k] = A_bar x[k-1] + B_bar u[k]``, ``y[k] = Re(C x[k]) + D u[k]``.

    `u` is [*batch, L, H]; returns the outputs and the last state.

    Example:
        >>> one = np.ones((1, 1))
        >>> run(np.array([0.5]), one, one, np.zeros(1), np.ones((3, 1)))[0][:, 0]
        array([1.  , 1.5 , 1.75])
    """
    u = np.asarray(u, np.float64)
    states, last = recurrence.scan(A_bar, u @ B_bar.T, state, resets)
    return (states @ C.T).real + D * u, last


def s5(
    Lambda, B, C, D, step, u, state=None, resets=None, discretization="zoh"
) -> tuple[np.ndarray, np.ndarray]:
    """Runs S5 with all of its states: those kept and, through ``2 Re``, their conjugates.

    Example:
        >>> one = np.ones((1, 1))
        >>> s5(-np.ones(1), one, one, np.zeros(1), np.log([2.0]), np.ones((1, 1)))[0]
        array([[1.]])
    """
    z = step * Lambda
    if discretization == "zoh":
        A_bar, gain = (
            np.exp(z),
            np.where(z == 0, step, (np.exp(z) - 1) / np.where(z == 0, 1, Lambda)),
        )
    else:
        A_bar, gain = (1 + z / 2) / (1 - z / 2), step / (1 - z / 2)
    return run(A_bar, gain[:, None] * B, 2 * C, D, u, state, resets)


def lru(Lambda, B, C, D, gain, u, state=None, resets=None) -> tuple[np.ndarray, np.ndarray]:
    """Runs the LRU with the logarithm `Lambda` of its eigenvalues.

    Example:
        >>> one = np.ones((1, 1))
        >>> lru(np.log([0.5 + 0j]), one, one, np.zeros(1), np.ones(1), np.ones((3, 1)))[0][:, 0]
        array([1.  , 1.5 , 1.75])
    """
    return run(np.exp(Lambda), gain[:, None] * B, C, D, u, state, resets)


def normalizer(Lambda: np.ndarray) -> np.ndarray:
    """Returns `sqrt(1 - |lambda|^2)` for the logarithm `Lambda` of each eigenvalue.

    The difference cancels near the unit circle.

    Example:
        >>> normalizer(np.log([0.6j])).round(6)
        array([0.8])
    """
    return np.sqrt(1 - np.abs(np.exp(Lambda)) ** 2)
