"""Powers by doubling against repeated products in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _dplr, _krylov

EXACT = 1e-10
RNG = np.random.default_rng(0)
A = np.stack([np.linalg.qr(RNG.normal(size=(4, 4)))[0] * 0.95 for _ in range(3)])
B, C = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


def powers(T):
    return np.stack([np.linalg.matrix_power(A, k) for k in range(T)], axis=1)


@pytest.mark.parametrize("L", [1, 2, 3, 16, 50])
def test_the_kernel_is_the_definition(x64, L):
    got = _krylov.kernel(_dplr.Dense(jnp.asarray(A - np.eye(4)), jnp.asarray(B)), jnp.asarray(C), L)
    np.testing.assert_allclose(
        got, np.einsum("hi,hlij,hj->hl", C, powers(L), B), rtol=0, atol=EXACT
    )


def test_rows_and_columns_are_all_powers(x64):
    squared = _krylov.squarings(jnp.asarray(A - np.eye(4)), 8)
    np.testing.assert_allclose(
        np.asarray(squared[-1]) + np.eye(4), powers(9)[:, 8], rtol=0, atol=EXACT
    )
    rows, columns = (
        _krylov.rows(jnp.asarray(C), squared[:-1]),
        _krylov.columns(jnp.asarray(B), squared[:-1]),
    )
    np.testing.assert_allclose(rows, np.einsum("hi,hlij->hlj", C, powers(8)), rtol=0, atol=EXACT)
    np.testing.assert_allclose(columns, np.einsum("hlij,hj->hli", powers(8), B), rtol=0, atol=EXACT)


@pytest.mark.parametrize("L", [1, 5, 23])
def test_the_constants_of_a_chunk(x64, L):
    chunk = _krylov.chunk(
        _dplr.Dense(jnp.asarray(A - np.eye(4)), jnp.asarray(B)), jnp.asarray(C), L, 8
    )
    T, rest = chunk.kernel.shape[1], (L - 1) % chunk.kernel.shape[1] + 1
    np.testing.assert_allclose(
        chunk.read, np.einsum("hi,hlij->hlj", C, powers(T + 1)[:, 1:]), rtol=0, atol=EXACT
    )
    np.testing.assert_allclose(
        chunk.write[:, ::-1], np.einsum("hlij,hj->hli", powers(T), B), rtol=0, atol=EXACT
    )
    np.testing.assert_allclose(
        np.asarray(chunk.carry) + np.eye(4), powers(T + 1)[:, T], rtol=0, atol=EXACT
    )
    np.testing.assert_allclose(
        np.asarray(chunk.last_carry) + np.eye(4), powers(T + 1)[:, rest], rtol=0, atol=EXACT
    )


def test_a_slow_decay_keeps_its_digits_in_high_powers():
    # As a power in float32, A^1,048,576 would be off by six percent.
    turn = np.diag([3e-6], 1) - np.diag([3e-6], -1)
    slow = -1e-6 * np.array([[1.0, 0.2], [0.0, 1.0]]) + turn
    wanted = np.linalg.matrix_power(
        np.eye(2) + np.float32(slow).astype(np.float64), 2**20
    ) - np.eye(2)
    got = _krylov.squarings(jnp.asarray(slow[None], jnp.float32), 2**20)[-1]
    np.testing.assert_allclose(got[0], wanted, rtol=0, atol=3e-6 * np.abs(wanted).max())
