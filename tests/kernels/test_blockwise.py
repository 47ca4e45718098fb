"""The blocks of attention: many equal one, in value and in gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _blockwise

ROUNDING = 1e-5  # float32 gradients of a few dozen terms near 1


def draw(queries, keys):
    rng = np.random.default_rng(0)
    q = jnp.asarray(rng.normal(size=(2, queries, 2, 4)), jnp.float32)
    k, v = (jnp.asarray(rng.normal(size=(2, keys, 2, 4)), jnp.float32) for _ in range(2))
    return q, k, v


def loss(arrays, ranks, block, reach=None):
    return jnp.sum(jnp.sin(_blockwise.attend(*arrays, ranks, block=block, reach=reach)))


@pytest.mark.slow
@pytest.mark.parametrize(("cached", "reach"), [(0, None), (0, 3), (4, None)])
def test_many_blocks_equal_one_and_so_do_their_gradients(cached, reach):
    rank = jnp.arange(11)[None] + cached
    oldest = jnp.maximum(rank - (reach or 11) + 1, 0)
    ranks = _blockwise.Ranks(oldest, rank, jnp.arange(11 + cached)[None])
    arrays = draw(11, 11 + cached)
    run = jax.jit(jax.value_and_grad(loss), static_argnames=("block", "reach"))
    got, wanted = run(arrays, ranks, block=4, reach=reach), run(arrays, ranks, block=11)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=ROUNDING, atol=ROUNDING), got, wanted
    )


def test_the_window_and_causality_bound_the_work():
    assert _blockwise._spans(4, None, 8, 8) == [
        (slice(0, 4), slice(0, 4)),
        (slice(4, 8), slice(0, 8)),
    ]
    assert _blockwise._spans(4, 2, 8, 8) == [(slice(0, 4), slice(0, 4)), (slice(4, 8), slice(3, 8))]
    assert _blockwise._spans(4, None, 8, 10) == [
        (slice(0, 4), slice(0, 6)),
        (slice(4, 8), slice(0, 10)),
    ]


def test_queries_that_see_nothing_give_zero_and_finite_gradients():
    arrays = draw(3, 3)
    ranks = _blockwise.Ranks(
        jnp.zeros((1, 3), jnp.int32), jnp.full((1, 3), -1), jnp.full((1, 3), -1)
    )
    value, gradients = jax.jit(jax.value_and_grad(loss), static_argnums=2)(arrays, ranks, 2)
    assert float(value) == 0.0
    jax.tree.map(lambda x: np.testing.assert_array_equal(x, np.zeros_like(x)), gradients)
