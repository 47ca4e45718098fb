"""Linear recurrence in complex128 NumPy, one step at a time."""

import numpy as np


def scan(
    a: np.ndarray,
    b: np.ndarray,
    state: np.ndarray | None = None,
    resets: np.ndarray | None = None,
    reverse: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Computes ``x[k] = a[k] x[k-1] + b[k]``, and ``x[k] = b[k]`` at a reset.

    `a` is [P] or [*batch, L, P], `b` is [*batch, L, P]; returns all states and the last one.

    Example:
        >>> scan(np.array([0.5]), np.ones((3, 1)))[0][:, 0].real
        array([1.  , 1.5 , 1.75])
    """
    b = np.asarray(b, np.complex128)
    a = np.broadcast_to(a, b.shape)
    resets = np.zeros(b.shape[:-1], bool) if resets is None else resets
    x = (
        np.zeros((*b.shape[:-2], b.shape[-1]), complex)
        if state is None
        else np.asarray(state, complex)
    )
    states = np.zeros_like(b)
    for step in range(b.shape[-2])[:: -1 if reverse else 1]:
        carried = np.where(resets[..., step, None], 0, a[..., step, :] * x)
        x = carried + b[..., step, :]
        states[..., step, :] = x
    return states, x
