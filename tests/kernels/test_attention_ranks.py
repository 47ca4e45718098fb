"""Ranks of tokens, and non-finite tokens, which stay in their episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _attention_ranks, attention
from jax_s4rl.kernels.reference import attention as oracle

FLOAT32 = 2e-6  # outputs are means of values near 1; measured at most 5e-7

attend = jax.jit(attention.attend, static_argnames=("window", "method"))
take_step = jax.jit(attention.step, static_argnames="window")
take_chunk = jax.jit(attention.chunk, static_argnames="window")


def draw(length=9):
    parts = np.random.default_rng(0).normal(size=(3, 2, length, 2, 4))
    return tuple(jnp.asarray(x, jnp.float32) for x in parts)


@pytest.mark.parametrize("window", [None, 3])
def test_ranks_say_which_steps_the_oracle_attends_to(window):
    rng = np.random.default_rng(0)
    mask, resets = rng.random((4, 12)) < 0.7, rng.random((4, 12)) < 0.25
    start = jnp.zeros((4,), jnp.int32)
    ranks = _attention_ranks.of_tokens(start, 12, jnp.asarray(mask), jnp.asarray(resets), window)
    oldest, query, key = (np.asarray(x) for x in ranks)
    for row in range(4):
        for now in range(12):
            in_range = (oldest[row, now] <= key[row]) & (key[row] <= query[row, now])
            steps = np.flatnonzero(in_range).tolist()
            assert steps == oracle.visible(now, mask[row], resets[row], window)[::-1]


def test_nan_stays_in_its_episode():
    q, k, v = draw()
    resets = jnp.zeros((2, 9), bool).at[:, 5].set(True)
    broken = v.at[0, 3].set(jnp.nan)
    clean, out = attend(q, k, v, resets=resets), attend(q, k, broken, resets=resets)
    np.testing.assert_array_equal(
        jnp.isnan(out[0]).all((1, 2)), [*[False] * 3, True, True, *[False] * 4]
    )
    np.testing.assert_array_equal(out[0, 5:], clean[0, 5:])
    np.testing.assert_array_equal(out[1], clean[1])
    _, cache = take_chunk(q[:, :5], k[:, :5], broken[:, :5], attention.init_cache((2,), 9, 2, 4))
    later, _ = take_chunk(q[:, 5:], k[:, 5:], v[:, 5:], cache, resets=resets[:, 5:])
    np.testing.assert_allclose(later, clean[:, 5:], rtol=0, atol=FLOAT32)
    alone, _ = take_step(q[:, 5], k[:, 5], v[:, 5], cache, resets[:, 5])
    np.testing.assert_allclose(alone, clean[:, 5], rtol=0, atol=FLOAT32)


@pytest.mark.slow
def test_nan_before_a_reset_and_in_padding_leaves_gradients_finite():
    q, k, v = draw()
    resets = jnp.zeros((2, 9), bool).at[:, 5].set(True)
    mask = jnp.ones((2, 9), bool).at[1, 7:].set(False)
    broken = [x.at[0, 3].set(jnp.nan).at[1, 7:].set(jnp.nan) for x in (q, k, v)]

    def loss(q, k, v, in_chunks):
        if in_chunks:
            _, cache = attention.chunk(
                q[:, :5], k[:, :5], v[:, :5], attention.init_cache((2,), 9, 2, 4)
            )
            later = {"resets": resets[:, 5:], "mask": mask[:, 5:]}
            out = attention.chunk(q[:, 5:], k[:, 5:], v[:, 5:], cache, **later)[0]
        else:
            out = attention.attend(q, k, v, resets=resets, mask=mask)[:, 5:]
        return jnp.sum(jnp.where(mask[:, 5:, None, None], out, 0) ** 2)

    derived = jax.jit(jax.value_and_grad(loss, (0, 1, 2)), static_argnums=3)
    for in_chunks in (False, True):
        (value, gradients), (wanted, clean) = (
            derived(*broken, in_chunks),
            derived(q, k, v, in_chunks),
        )
        np.testing.assert_allclose(value, wanted, rtol=1e-6)
        for got, right in zip(gradients, clean, strict=True):
            np.testing.assert_allclose(got[:, 5:], right[:, 5:], rtol=0, atol=1e-5)
            assert bool(jnp.isfinite(got).all())
    _, cache = attention.chunk(*(x[:, :5] for x in broken), attention.init_cache((2,), 9, 2, 4))
    stepped = jax.jit(
        jax.grad(lambda q: attention.step(q, q, q, cache, jnp.ones(2, bool))[0].sum())
    )
    assert bool(jnp.isfinite(stepped(q[:, 5])).all())
