"""HiPPO: continuous systems that store a signal as coefficients of orthogonal functions.

The systems are `x' = A x + B u`. All functions use NumPy in float64 on the host, once, and cache
the result: eigensolvers in float32 lose three digits of the normal-plus-low-rank form, and some
accelerators have none.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from jax_s4rl.kernels import _checks

MEASURES = ("legs", "legt", "fout")


class Nplr(NamedTuple):
    """System `A = normal - P^T P` with a normal first part: `A` [N, N], `B` [N], `P` [rank, N]."""

    A: np.ndarray
    B: np.ndarray
    P: np.ndarray


class Dplr(NamedTuple):
    """The same system in the eigenvectors of its normal part (complex128).

    One of each conjugate pair is kept. `Lambda` [Nh], `B` [Nh], `P` [rank, Nh], `V` [N, Nh]. If the
    conjugate of each is appended (`[V, conj(V)]` is then unitary, [N, N]),
    `A = V (diag(Lambda) - P^T conj(P)) V*`, and the B of the measure is `V B`. A real state needs
    only half of it, `x = 2 Re(V x_half)`. The phase of every eigenvector is fixed so that `B` is
    real and positive.
    """

    Lambda: np.ndarray
    B: np.ndarray
    P: np.ndarray
    V: np.ndarray


def transition(measure: str, N: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the system of a measure.

    Args:
        measure: `"legs"` (scaled Legendre: all of the past, uniformly), `"legt"` (Legendre on a
            window of two time units) or `"fout"` (Fourier on such a window).
        N: State size, at least 1 (even for `"fout"`).

    Returns:
        `A` [N, N] and `B` [N].

    Raises:
        ValueError: If the measure is unknown, N is below 1, or N is odd where sine and cosine pair
            up.

    Source:
        Gu et al. 2020 (HiPPO), equations (1), (2); Gu et al. 2023 (How to train your HiPPO),
        section 4.

    Example:
        >>> transition("legs", 2)[0].round(3).tolist()
        [[-1.0, -0.0], [-1.732, -2.0]]
    """
    form = nplr(measure, N)
    return form.A, form.B


@cache
def nplr(measure: str, N: int) -> Nplr:
    """Returns the normal-plus-low-rank form of a measure: `A + P^T P` is normal.

    The rank is 2 for `"legt"`, else 1.

    Args:
        measure: Measure, as in `transition`.
        N: State size, as in `transition`.

    Returns:
        The form, read-only.

    Raises:
        ValueError: As in `transition`.

    Source:
        Gu et al. 2022 (S4), theorem 1 and appendix C.1.

    Example:
        >>> form = nplr("legs", 4)
        >>> normal = form.A + form.P.T @ form.P
        >>> bool(np.allclose(normal @ normal.T, normal.T @ normal))
        True
    """
    _checks.choice("measure", measure, MEASURES)
    _checks.length(N, "N")
    return _frozen(Nplr(*{"legs": _legs, "legt": _legt, "fout": _fout}[measure](N)))


@cache
def dplr(measure: str, N: int) -> Dplr:
    """Returns the diagonal-plus-low-rank form in eigenvectors of fixed phase, in rising frequency.

    Args:
        measure: Measure, as in `transition`.
        N: State size, even.

    Returns:
        The form, read-only; its real parts are -1/2 for `"legs"` and exactly 0 for the other two.

    Raises:
        ValueError: If the measure is unknown, or N is odd or below 2.

    Source:
        Gu et al. 2022 (S4), theorem 2.

    Example:
        >>> dplr("legs", 4).Lambda.real.round(6)
        array([-0.5, -0.5])
    """
    Nh = _checks.even(N)
    A, B, P = nplr(measure, N)
    normal = A + P.T @ P
    decay = -0.5 if measure == "legs" else 0.0
    if measure == "fout":
        # The zero frequency is a double eigenvalue, for which a solver may return any basis. These
        # vectors form conjugate pairs.
        frequency, V = np.pi * np.arange(Nh), np.zeros((N, Nh), complex)
        V[0::2, :], V[1::2, :] = np.eye(Nh) / np.sqrt(2), -1j * np.eye(Nh) / np.sqrt(2)
    else:
        skew = normal - decay * np.eye(N)
        # `-i` times a skew-symmetric matrix is Hermitian; its eigenvalues come in pairs of opposite
        # sign, in rising order, so the second half has the positive frequencies.
        frequency, V = (x[..., Nh:] for x in np.linalg.eigh(-1j * (skew - skew.T) / 2))
    # Each column is multiplied by the phase that makes its entry of `V* B` real and positive.
    V = V * np.exp(1j * np.angle(V.conj().T @ B))
    half = V.conj().T
    return _frozen(Dplr(decay + 1j * frequency, half @ B, P @ half.T, V))


def _legs(N: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = np.arange(N)
    root = np.sqrt(2 * n + 1.0)
    A = -np.tril(np.outer(root, root), -1) - np.diag(n + 1.0)
    return A, root, np.sqrt(n + 0.5)[None]


def _legt(N: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = np.arange(N)
    root = np.sqrt(2 * n + 1.0)
    sign = np.where(n[:, None] < n[None, :], (-1.0) ** (n[:, None] - n[None, :]), 1.0)
    P = np.stack([np.where(n % 2 == 1, root, 0), np.where(n % 2 == 0, root, 0)]) / np.sqrt(2)
    return -np.outer(root, root) * sign / 2, root / 2, P


def _fout(N: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    Nh = _checks.even(N)
    B = np.zeros(N)
    B[0::2] = np.sqrt(2)
    B[0] = 1
    A = -np.outer(B, B)
    k = np.arange(Nh)
    A[2 * k, 2 * k + 1] -= np.pi * k
    A[2 * k + 1, 2 * k] += np.pi * k
    return A, B, B[None]


def _frozen(form):
    """Makes the cached arrays read-only, because all callers share them."""
    for x in form:
        x.setflags(write=False)
    return form
