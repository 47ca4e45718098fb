"""What goes in: arrays of NumPy and JAX of any float dtype, and numbers."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _casting
from jax_s4rl.kernels import complex_pair as cplx


def test_numpy_float64_is_float32_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _casting.floating("u", np.ones(2)).dtype == jnp.float32
        assert _casting.compute_dtype(np.ones(2), np.ones(2, complex)) is jnp.float32


def test_numbers_do_not_widen(x64):
    arrays = (jnp.ones(2, jnp.float32), np.ones(2, np.float16))
    assert _casting.compute_dtype(0.5, 1, arrays) is jnp.float32
    assert (
        jax.jit(lambda x: jnp.zeros((), _casting.compute_dtype(x, arrays)))(0.5).dtype
        == jnp.float32
    )
    assert _casting.compute_dtype(np.float64(0.5), arrays) is jnp.float64
    assert _casting.compute_dtype(np.ones(1), arrays) is jnp.float64
    assert _casting.floating("D", 1, jnp.float32).dtype == jnp.float32


def test_bfloat16_is_computed_in_float32_and_float64_stays(x64):
    assert _casting.compute_dtype(jnp.ones(2, jnp.bfloat16), cplx.zeros((2,))) == jnp.float32
    assert (
        _casting.compute_dtype(jnp.ones(2, jnp.float32), jnp.ones((), jnp.float64)) == jnp.float64
    )
    with pytest.raises(ValueError, match="expected floating arrays, got dtype int"):
        _casting.compute_dtype(jnp.arange(3))


def test_one_number_is_that_of_all():
    np.testing.assert_array_equal(_casting.vector("D", 2, 3, jnp.float32), [2, 2, 2])
    with pytest.raises(ValueError, match=r"D has shape \(2,\), expected \(3,\)"):
        _casting.vector("D", np.ones(2), 3, jnp.float32)


@pytest.mark.parametrize("bad", [np.ones(2, int), jnp.ones(2, bool), jnp.ones(2, jnp.complex64)])
def test_other_dtypes_are_refused(bad):
    with pytest.raises(ValueError, match="u must be real and floating, got dtype"):
        _casting.floating("u", bad)
