"""Marks of what a NaN spoils, against a loop over the steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _nonfinite

ROWS, LENGTH = 3, 9


def draw(groups, chance, seed=0):
    rng = np.random.default_rng(seed)
    bad, start = rng.random((ROWS, LENGTH, groups)) < chance, rng.random((ROWS, groups)) < chance
    return bad, start, rng.random((ROWS, LENGTH)) < 0.3


def slowly(bad, start, resets):
    found, now = np.zeros(bad.shape, bool), start.copy()
    for k in range(bad.shape[1]):
        now = np.where(resets[:, k, None], False, now) | bad[:, k]
        found[:, k] = now
    return found, now


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("chance", [0.0, 0.3])
def test_marks_are_nan_from_a_bad_step_up_to_the_next_reset(groups, chance):
    given = draw(groups, chance)
    found = jax.jit(_nonfinite.marks, static_argnums=3)(*given, jnp.float32)
    wanted, last = slowly(*given)
    np.testing.assert_array_equal(jnp.isnan(found.outputs), wanted)
    np.testing.assert_array_equal(jnp.isnan(found.last), last)
    assert not np.nan_to_num(found.outputs).any()


def test_rows_under_vmap_are_rows_of_a_batch():
    given = tuple(jnp.asarray(x) for x in draw(1, 0.3, seed=1))
    marks = jax.jit(_nonfinite.marks, static_argnums=3)
    found, mapped = (
        marks(*given, jnp.bfloat16),
        jax.vmap(lambda *x: marks(*x, jnp.bfloat16))(*given),
    )
    assert found.outputs.dtype == jnp.bfloat16
    np.testing.assert_array_equal(jnp.isnan(mapped.outputs), jnp.isnan(found.outputs))
