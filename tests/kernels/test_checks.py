"""Bad input is refused with a sentence that says what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import checks, pairs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.length(0), "L must be an integer of at least 1, got 0"),
        (lambda: checks.length(2.0), "got 2.0"),
        (lambda: checks.even(5), "got 5; use N = 6"),
        (lambda: checks.even(0), "got 0; use N = 2"),
        (
            lambda: checks.choice("method", "fast", ["fft", "scan"]),
            "unknown method 'fast'; expected one of 'fft', 'scan'",
        ),
        (lambda: checks.shape("C", jnp.zeros((2, 3)), (2, 4)), r"C has shape \(2, 3\), expected \(2, 4\)"),
        (lambda: checks.compute_dtype(jnp.arange(3)), "got dtype int32"),
        (lambda: checks.stable(pairs.as_pair(jnp.asarray([-1.0 + 1j, 0.25 + 1j]))), "real part of 0.25"),
    ],
)
def test_bad_input_is_refused(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_good_input_passes():
    assert checks.length(3) == 3
    assert checks.even(6) == 3
    assert checks.choice("method", "fft", ["fft"]) == "fft"
    checks.shape("C", pairs.zeros((2, 3)), (2, 3))
    checks.stable(pairs.zeros((2,)))


def test_bfloat16_is_computed_in_float32_and_float64_stays(x64):
    assert checks.compute_dtype(jnp.ones(2, jnp.bfloat16), pairs.zeros((2,))) == jnp.float32
    assert checks.compute_dtype(jnp.ones(2, jnp.float32), jnp.ones(2, jnp.float64)) == jnp.float64


def test_a_traced_value_is_not_concrete():
    seen = []
    jax.jit(lambda x: seen.append(checks.is_concrete(x)))(jnp.ones(2))
    assert seen == [False]
    assert checks.is_concrete(jnp.ones(2), np.ones(2))
