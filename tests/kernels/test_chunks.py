"""Chunks with a carried state against a loop over steps, in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _chunks, _dplr, _krylov

# A few dozen float32 terms.
ROUNDING = 5e-6
RNG = np.random.default_rng(0)
H, S, B = 2, 4, 3
A = np.stack([np.linalg.qr(RNG.normal(size=(S, S)))[0] * 0.9 for _ in range(H)])
WRITE, READ = RNG.normal(size=(H, S)), RNG.normal(size=(H, S))


def loop(u, state, resets):
    x, y = state.copy(), np.zeros(u.shape)
    for k in range(u.shape[1]):
        x = np.where(resets[:, k, None, None], 0, x)
        x = np.einsum("hij,bhj->bhi", A, x) + WRITE * u[:, k, :, None]
        y[:, k] = (READ * x).sum(-1)
    return y, x


@partial(jax.jit, static_argnames="longest")
def chunked(u, state, resets, longest):
    system = _dplr.Dense(jnp.asarray(A - np.eye(S), jnp.float32), jnp.asarray(WRITE, jnp.float32))
    constants = _krylov.chunk(system, jnp.asarray(READ, jnp.float32), u.shape[1], longest)
    return _chunks.run(constants, u.astype(jnp.float32), state.astype(jnp.float32), resets)


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize(
    ("L", "longest"), [(1, 8), (2, 1), (7, 8), (17, 16), (40, 1), (70, 64), (70, 16)]
)
def test_chunks_are_the_loop(L, longest):
    for share in (None, 0.0, 0.3, 1.0):
        u, state = RNG.normal(size=(B, L, H)), RNG.normal(size=(B, H, S))
        resets = np.zeros((B, L), bool) if share is None else RNG.random((B, L)) < share
        y, final = chunked(u, state, None if share is None else jnp.asarray(resets), longest)
        wanted, last = loop(u, state, resets)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=ROUNDING * np.abs(wanted).max())
        np.testing.assert_allclose(final, last, rtol=0, atol=ROUNDING * np.abs(last).max())


@pytest.mark.parametrize("longest", [4, 64])
def test_a_nan_before_a_reset_stays_before_it(longest):
    L = 40
    for start in (1, 5, 16, 17, 33):
        u, state = RNG.normal(size=(1, L, H)), np.full((1, H, S), np.nan)
        u[:, start - 1] = np.nan
        y, final = chunked(u, state, jnp.arange(L)[None] == start, longest)
        assert np.all(np.isnan(y[:, :start]))
        alone, last = loop(u[:, start:], np.zeros((1, H, S)), np.zeros((1, L), bool))
        np.testing.assert_allclose(y[:, start:], alone, rtol=0, atol=1e-5)
        np.testing.assert_allclose(final, last, rtol=0, atol=1e-5)


def test_the_segments_of_a_chunk_do_not_see_each_other():
    kernel = jnp.asarray(RNG.normal(size=(H, 32)), jnp.float32)
    segment = jnp.cumsum(jnp.asarray(RNG.random((B, 1, 32)) < 0.2).astype(jnp.int32), -1)

    def output(u):
        return _chunks.within(kernel, u, segment)

    reach = jax.jit(jax.jacobian(lambda u: output(u)[0, 0, :, 0]))(jnp.zeros((B, 1, 32, H)))[
        :, 0, 0, :, 0
    ]
    step, before = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    seen = (segment[0, 0][:, None] == segment[0, 0][None]) & (before <= step)
    lag = np.asarray(kernel[0])[np.maximum(step - before, 0)]
    np.testing.assert_allclose(reach, np.where(seen, lag, 0), rtol=0, atol=ROUNDING)


def test_sizes_cover_the_row():
    for L in range(1, 70):
        for longest in (1, 2, 16, 64):
            T, rest = _chunks.sizes(L, longest)
            assert longest >= T
            assert 1 <= rest <= T
            assert (L - rest) % T == 0
