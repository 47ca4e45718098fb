"""Convolution in float64 NumPy, one product at a time."""

import numpy as np


def causal(u: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Computes ``y[l] = sum_{j <= l} kernel[l - j] u[j]`` for u [*batch, L, H], kernel [H, L].

    Example:
        >>> causal(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0, 0.5, 0.25]]))[:, 0]
        array([1.  , 2.5 , 4.25])
    """
    u, kernel = np.asarray(u, np.float64), np.asarray(kernel, np.float64)
    y = np.zeros_like(u)
    for now in range(u.shape[-2]):
        for past in range(now + 1):
            y[..., now, :] += kernel[:, now - past] * u[..., past, :]
    return y


def bidirectional(u: np.ndarray, forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Adds ``backward[j - l - 1] u[j]`` for every later input to `causal` with `forward`.

    Example:
        >>> kernels = np.array([[1.0, 0.0, 0.0]]), np.array([[10.0, 0.0, 0.0]])
        >>> bidirectional(np.array([[1.0], [2.0], [3.0]]), *kernels)[:, 0]
        array([21., 32.,  3.])
    """
    y = causal(u, forward)
    u, backward = np.asarray(u, np.float64), np.asarray(backward, np.float64)
    for now in range(u.shape[-2]):
        for later in range(now + 1, u.shape[-2]):
            y[..., now, :] += backward[:, later - now - 1] * u[..., later, :]
    return y


def short(
    x: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    window: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Computes ``y[k] = bias + sum_j weights[j] x[k - j]`` of one row, x [L, H], weights [taps, H].

    `window` holds the inputs before the row, the newest last. An input before a reset counts as
    zero. Returns the outputs and the window after them.

    Example:
        >>> x, weights = np.array([[1.0], [2.0]]), np.array([[1.0], [0.5]])
        >>> short(x, weights, np.zeros(1))[0][:, 0]
        array([1. , 2.5])
    """
    taps = len(weights)
    held = [np.zeros(x.shape[1])] * (taps - 1) if window is None else [*np.asarray(window)]
    y = np.zeros(x.shape)
    for k in range(len(x)):
        if resets is not None and resets[k]:
            held = [np.zeros(x.shape[1])] * len(held)
        held.append(np.asarray(x[k], np.float64))
        y[k] = bias
        for lag in range(taps):
            y[k] += weights[lag] * held[-1 - lag]
        held = held[len(held) - taps + 1 :]
    return y, np.array(held).reshape(taps - 1, x.shape[1])
