"""The HiPPO oracle against closed forms and an ODE solver's matrix exponential."""

import numpy as np
import pytest
from scipy import linalg

from jax_s4rl.kernels.reference import hippo

# float64 exponential of matrices of norm 100.
ROUNDING = 1e-11


def test_legs_remembers_what_the_closed_form_says():
    A, B = hippo.transition("legs", 12)
    times = np.array([0.0, 0.1, 0.7, 2.0])
    wanted = np.stack([linalg.expm(t * A) @ B for t in times])
    np.testing.assert_allclose(hippo.legs_memory(12, times), wanted, rtol=0, atol=ROUNDING)


def test_fout_is_a_rotation_less_its_input():
    A, B = hippo.transition("fout", 8)
    turning = A + np.outer(B, B)
    np.testing.assert_allclose(turning, -turning.T, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(
        sorted(np.linalg.eigvals(turning).imag)[4:], np.pi * np.arange(4), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("measure", ["legt", "fout"])
def test_the_window_is_two_time_units_long(measure):
    # The first coefficient is half the integral of the signal over the window: 1/2 while an impulse
    # is in it, then 0.
    A, B = hippo.transition(measure, 64)
    for time, wanted in [(0.5, 0.5), (1.5, 0.5), (2.5, 0.0), (3.0, 0.0)]:
        assert abs((linalg.expm(time * A) @ B)[0] - wanted) < 0.02
