"""The forms of S4 give one result; `test_s4` holds them to the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _s4_forms, _truncation


@pytest.fixture
def run(s4_system):
    _, parameters, row = _s4_forms.ready(
        s4_system(), jax.random.normal(jax.random.key(0), (2, 9, 3))
    )
    return parameters, row


@pytest.mark.slow
def test_chunks_and_convolutions_are_one_function(run):
    wanted, last = _s4_forms.by_chunks("bilinear", None, 4, "highest", *run)
    for method in ("fft", "toeplitz"):
        y, final = _s4_forms.by_convolution("bilinear", None, method, "highest", *run)
        np.testing.assert_allclose(y, wanted, atol=2e-5)
        np.testing.assert_allclose(final.re, last.re, atol=2e-5)


@pytest.mark.slow
def test_regular_times_are_times_one_step_apart(run):
    parameters, row = run
    wanted, _ = _s4_forms.by_chunks("bilinear", None, 4, "highest", *run)
    regular = row._replace(intervals=jnp.ones((2, 9)))
    y, _ = _s4_forms.by_intervals("bilinear", None, parameters, regular)
    np.testing.assert_allclose(y, wanted, atol=2e-5)


@pytest.mark.slow
def test_a_kernel_is_no_longer_than_its_truncation(run):
    truncated = _truncation.truncate(run[0], 8)
    np.testing.assert_allclose(
        _s4_forms.kernel(truncated, 8, "bilinear", 8),
        _s4_forms.kernel(run[0], 8, "bilinear", None),
        atol=2e-5,
    )
    with pytest.raises(ValueError, match="C is truncated for 8 steps, got 9"):
        _s4_forms.kernel(truncated, 9, "bilinear", 8)
