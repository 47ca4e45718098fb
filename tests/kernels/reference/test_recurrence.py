"""The recurrence oracle against the closed form and SciPy's filter."""

import numpy as np
from scipy.signal import lfilter

from jax_s4rl.kernels.reference import recurrence


def test_equals_a_filter_of_one_pole():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(12, 2)) + 1j * rng.normal(size=(12, 2))
    a = np.array([0.9 * np.exp(0.3j), -0.5])
    states, last = recurrence.scan(a, b)
    wanted = np.stack([lfilter([1], [1, -a[p]], b[:, p]) for p in range(2)], axis=-1)
    np.testing.assert_allclose(states, wanted, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(last, states[-1])


def test_reverse_is_the_flip_of_the_run_on_flipped_inputs():
    rng = np.random.default_rng(1)
    b, a, resets = rng.normal(size=(3, 7, 2)), rng.normal(size=(3, 7, 2)), rng.random((3, 7)) < 0.3
    states, last = recurrence.scan(a, b, resets=resets, reverse=True)
    flipped, flipped_last = recurrence.scan(a[:, ::-1], b[:, ::-1], resets=resets[:, ::-1])
    np.testing.assert_array_equal(states, flipped[:, ::-1])
    np.testing.assert_array_equal(last, flipped_last)


def test_a_reset_forgets_and_a_state_is_carried():
    b, resets = np.ones((4, 1)), np.array([False, False, True, False])
    states, _ = recurrence.scan(np.array([0.5]), b, state=np.array([4.0]), resets=resets)
    np.testing.assert_array_equal(states[:, 0], [3.0, 2.5, 1.0, 1.5])
