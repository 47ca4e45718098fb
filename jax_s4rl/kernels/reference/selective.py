"""SSD and S6 in float64 NumPy: the plain recurrence of one head or feature, one step at a time."""

import numpy as np


def ssd(
    A, D, step_bias, u, free_step, B, C, state=None, resets=None, mask=None
) -> tuple[np.ndarray, np.ndarray]:
    """Runs SSD; consecutive heads share a group.

    `A`, `D`, `step_bias` are [heads], `u` [*batch, L, heads, P], `free_step` [*batch, L, heads],
    `B` and `C` [*batch, L, groups, N], `state` [*batch, heads, P, N]; returns outputs and state.

    Example:
        >>> one, zero = np.ones((3, 1, 1)), np.zeros(1)
        >>> free_step = np.full((3, 1), np.log(np.e - 1))
        >>> ssd(zero, zero, zero, one, free_step, one, one)[0].round(9)[:, 0, 0]
        array([1., 2., 3.])
    """
    u, free_step, B, C = (np.asarray(x, np.float64) for x in (u, free_step, B, C))
    *batch, L, heads, P = u.shape
    groups, N = B.shape[-2:]
    y, last = np.zeros(u.shape), np.zeros((*batch, heads, P, N))
    for row in np.ndindex(*batch):
        for head in range(heads):
            group = head * groups // heads
            x = np.zeros((P, N)) if state is None else np.array(state[row][head], np.float64)
            for k in range(L):
                if resets is not None and resets[row][k]:
                    x = np.zeros((P, N))
                # Padding: nothing enters, nothing decays, and the output is zero.
                if mask is not None and not mask[row][k]:
                    continue
                step = np.logaddexp(0.0, free_step[row][k, head] + step_bias[head])
                x = np.exp(step * A[head]) * x
                x = x + step * np.outer(u[row][k, head], B[row][k, group])
                y[row][k, head] = x @ C[row][k, group] + D[head] * u[row][k, head]
            last[row][head] = x
    return y, last


def s6(
    A, D, step_bias, u, free_step, B, C, state=None, resets=None, mask=None
) -> tuple[np.ndarray, np.ndarray]:
    """Runs S6.

    `A` is [H, N], `D` and `step_bias` [H], `u` and `free_step` [*batch, L, H], `B` and `C` [*batch,
    L, N], `state` [*batch, H, N]; returns outputs and state.

    Example:
        >>> one = np.ones((3, 1))
        >>> free_step = np.full((3, 1), np.log(np.e - 1))
        >>> s6(0 * one[:1], np.zeros(1), np.zeros(1), one, free_step, one, one)[0].round(9)[:, 0]
        array([1., 2., 3.])
    """
    u, free_step, B, C = (np.asarray(x, np.float64) for x in (u, free_step, B, C))
    *batch, L, H = u.shape
    y, last = np.zeros(u.shape), np.zeros((*batch, H, B.shape[-1]))
    for row in np.ndindex(*batch):
        for h in range(H):
            x = np.zeros(B.shape[-1]) if state is None else np.array(state[row][h], np.float64)
            for k in range(L):
                if resets is not None and resets[row][k]:
                    x = np.zeros(B.shape[-1])
                # Padding as in `ssd`.
                if mask is not None and not mask[row][k]:
                    continue
                step = np.logaddexp(0.0, free_step[row][k, h] + step_bias[h])
                x = np.exp(step * A[h]) * x + step * u[row][k, h] * B[row][k]
                y[row][k, h] = x @ C[row][k] + D[h] * u[row][k, h]
            last[row][h] = x
    return y, last
