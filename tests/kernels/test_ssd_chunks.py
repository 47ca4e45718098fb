"""The decays inside a chunk, and the chunked run against the plain recurrence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _selective, _ssd_chunks

decays = jax.jit(_ssd_chunks.decays)


def exact(logs):
    """The same by float64 sums of each span."""
    T = logs.shape[-1]
    wanted = np.zeros((*logs.shape, T))
    for t in range(T):
        for s in range(t + 1):
            wanted[..., t, s] = np.exp(np.float64(logs[..., s + 1 : t + 1]).sum(-1))
    return wanted


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("T", [24, 1, 5, 8])
def test_each_decay_is_the_product_of_its_steps(T):
    logs = -jax.random.exponential(jax.random.key(0), (2, T))
    np.testing.assert_allclose(decays(logs), exact(np.asarray(logs)), rtol=1e-5, atol=0)


def test_a_strong_decay_costs_later_ones_no_digits():
    # A difference of running sums would be off by 1e-3 here.
    logs = jnp.full((1, 24), -1e-4).at[0, 2].set(-900.0).at[0, 17].set(_selective.FORGET)
    np.testing.assert_allclose(decays(logs), exact(np.asarray(logs)), rtol=1e-6, atol=0)
    assert not decays(logs)[0, 17:, :17].any()
    gradient = jax.jit(jax.grad(lambda logs: jnp.sum(_ssd_chunks.decays(logs) ** 2)))(logs)
    assert bool(jnp.isfinite(gradient).all())


@pytest.mark.parametrize(("L", "longest"), [(1, 64), (7, 64), (9, 4), (20, 64), (100, 64), (64, 9)])
def test_chunks_are_equal_and_hold_the_row(L, longest):
    T = _ssd_chunks.size(L, longest)
    assert T <= _ssd_chunks.LEAF or T % _ssd_chunks.LEAF == 0
    assert longest + _ssd_chunks.LEAF > T
    # No chunk is empty.
    assert T * (-(-L // T) - 1) < L


@pytest.mark.slow
@pytest.mark.parametrize("length", [5, 21])
def test_a_run_is_the_plain_recurrence(length):
    keys = jax.random.split(jax.random.key(1), 5)
    G, R, P, N = 2, 2, 3, 4
    drive = jax.random.normal(keys[0], (1, length, G, R, P))
    logs = -jax.random.exponential(keys[1], (1, length, G, R))
    B, C = jax.random.normal(keys[2], (2, 1, length, G, N))
    state = jax.random.normal(keys[3], (1, G, R, P, N))
    run = jax.jit(_ssd_chunks.run, static_argnums=(5, 6))
    y, last = run(drive, logs, B, C, state, 4, "highest")
    x, outputs = np.float64(state), []
    for k in range(length):
        added = np.einsum("bgrp,bgn->bgrpn", np.float64(drive[:, k]), np.float64(B[:, k]))
        x = np.exp(np.float64(logs[:, k]))[..., None, None] * x + added
        outputs.append(np.einsum("bgrpn,bgn->bgrp", x, np.float64(C[:, k])))
    np.testing.assert_allclose(y, np.stack(outputs, 1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(last, x, rtol=0, atol=1e-5)
