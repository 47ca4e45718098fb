"""What the selective kernels share: parameters, resets, and chunks that are computed again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _selective, ssd


def test_the_strongest_decay_is_zero_in_both_dtypes():
    assert np.exp(np.float32(_selective.FORGET)) == 0
    assert np.exp(np.float64(_selective.FORGET)) == 0


def running_sum(x, parts):
    states = x[None] + jnp.cumsum(parts, 0)
    return states[-1], states


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("chunk", [3, 1, 4, 7, 100])
def test_chunks_are_the_whole_with_its_gradient(chunk):
    parts = jax.random.normal(jax.random.key(0), (2, 7))
    start = jnp.array([1.0, 2.0])

    def run(start, parts):
        y, last = _selective.in_chunks(running_sum, start, parts, chunk)
        return jnp.sum(jnp.sin(y)) + jnp.sum(last), (y, last)

    def whole(start, parts):
        y = start[:, None] + jnp.cumsum(parts, 1)
        return jnp.sum(jnp.sin(y)) + jnp.sum(y[:, -1]), (y, y[:, -1])

    got, wanted = (
        jax.jit(jax.value_and_grad(f, (0, 1), has_aux=True))(start, parts) for f in (run, whole)
    )
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_what_is_cleared_held_nothing():
    state = jnp.full((2, 3), jnp.nan)
    kept = _selective.cleared(state, jnp.array([True, False]), axes=1)
    np.testing.assert_array_equal(jnp.isnan(kept), [[False] * 3, [True] * 3])
    assert _selective.cleared(state, None, axes=1) is state


@pytest.mark.usefixtures("unchecked")
def test_parameters_that_do_not_fit_are_named():
    good = ssd.Parameters(-jnp.ones(2), 1.0, 0.0)
    for changes, words in (
        ({"A": jnp.ones(2)}, "A has an entry of 1, which grows without bound"),
        ({"A": -jnp.ones((2, 2))}, r"A has shape \(2, 2\), expected \(heads\)"),
        ({"A": jnp.ones(2, jnp.int32)}, "A must be real and floating"),
        ({"D": jnp.ones(3)}, "D has shape"),
        ({"step_bias": jnp.ones(3)}, "step_bias has shape"),
    ):
        with pytest.raises(ValueError, match=words):
            _selective.settle(good._replace(**changes), ("heads",), jnp.float32)
