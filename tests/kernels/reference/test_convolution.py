"""The convolution oracle against NumPy's own convolution."""

import numpy as np

from jax_s4rl.kernels.reference import convolution

ROUNDING = 1e-13  # float64 sums of a dozen terms


def test_causal_is_the_head_of_the_full_convolution():
    rng = np.random.default_rng(0)
    u, kernel = rng.normal(size=(2, 9, 3)), rng.normal(size=(3, 9))
    y = convolution.causal(u, kernel)
    for row in range(2):
        for feature in range(3):
            full = np.convolve(u[row, :, feature], kernel[feature])
            np.testing.assert_allclose(y[row, :, feature], full[:9], rtol=0, atol=ROUNDING)


def test_bidirectional_reversed_in_time_swaps_past_and_future():
    rng = np.random.default_rng(1)
    u, behind, ahead = rng.normal(size=(7, 2)), rng.normal(size=(2, 7)), rng.normal(size=(2, 7))
    behind[:, 0], ahead[:, -1] = 0.0, 0.0
    shifted_back = np.concatenate([behind[:, 1:], np.zeros((2, 1))], axis=1)
    shifted_ahead = np.concatenate([np.zeros((2, 1)), ahead[:, :-1]], axis=1)
    y = convolution.bidirectional(u, behind, ahead)
    mirrored = convolution.bidirectional(u[::-1], shifted_ahead, shifted_back)
    np.testing.assert_allclose(y, mirrored[::-1], rtol=0, atol=ROUNDING)


def test_short_is_causal_with_few_weights_and_a_window_before_the_row():
    rng = np.random.default_rng(2)
    x, weights, window = rng.normal(size=(6, 2)), rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    y, last = convolution.short(x, weights, np.ones(2), window)
    kernel = np.concatenate([weights, np.zeros((5, 2))]).T
    wanted = convolution.causal(np.concatenate([window, x])[None], kernel)[0, 2:]
    np.testing.assert_allclose(y, 1 + wanted, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(last, x[-2:])
    resets = np.array([0, 0, 1, 0, 0, 0], bool)
    after, _ = convolution.short(x, weights, np.ones(2), window, resets)
    np.testing.assert_array_equal(after[:2], y[:2])
    np.testing.assert_array_equal(after[2:], convolution.short(x[2:], weights, np.ones(2))[0])
