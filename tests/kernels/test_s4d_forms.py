"""The forms of S4D give one result; `test_s4d` holds them to the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _s4d_forms, _s4d_parameters, _siso


@pytest.fixture
def run(s4d_system):
    parameters = _s4d_parameters.full(s4d_system(), jnp.float32)
    u = jax.random.normal(jax.random.key(0), (2, 9, 3))
    row = _siso.ready(u, system=parameters.C.shape, dtype=jnp.float32)
    return parameters, _s4d_parameters.discrete(parameters, "zoh"), row


@pytest.mark.slow
def test_chunks_and_convolutions_are_one_function(run):
    wanted, last = _s4d_forms.by_chunks(4, "highest", *run)
    for method in ("fft", "toeplitz"):
        y, final = _s4d_forms.by_convolution(method, "highest", *run)
        np.testing.assert_allclose(y, wanted, atol=2e-5)
        np.testing.assert_allclose(final.re, last.re, atol=2e-5)


def test_regular_times_are_times_one_step_apart(run):
    parameters, _, row = run
    wanted, _ = _s4d_forms.by_chunks(4, "highest", *run)
    regular = row._replace(intervals=jnp.ones((2, 9)))
    for method in ("auto", "scan"):
        y, _ = _s4d_forms.by_intervals(parameters, regular, method, "zoh")
        np.testing.assert_allclose(y, wanted, atol=2e-5)
