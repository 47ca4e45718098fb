"""Tests of jax_s4rl/kernels/_solving.py."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _solving

SIZE = 6


@pytest.fixture
def systems() -> tuple[np.ndarray, np.ndarray]:
    """Matrices far from singular, which need pivoting, and right-hand sides."""
    rng = np.random.default_rng(0)
    A = np.eye(SIZE)[::-1] + 0.3 * rng.standard_normal((3, 2, SIZE, SIZE)) / SIZE
    return A.astype(np.float32), rng.standard_normal((3, 2, SIZE)).astype(np.float32)


def test_solves_each_system(systems):
    A, b = systems
    wanted = np.linalg.solve(A.astype(np.float64), b.astype(np.float64)[..., None])[..., 0]
    np.testing.assert_allclose(jax.jit(_solving.solve)(A, b), wanted, rtol=1e-5, atol=1e-5)
    mapped = jax.vmap(jax.vmap(_solving.solve))(A, b)
    np.testing.assert_allclose(mapped, wanted, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_a_batch(systems):
    A, b = systems

    def gradients(solve):
        return jax.jit(jax.grad(lambda A, b: jnp.sum(jnp.sin(solve(A, b))), argnums=(0, 1)))(A, b)

    for found, wanted in zip(
        gradients(_solving.solve),
        gradients(lambda A, b: jnp.linalg.solve(A, b[..., None])[..., 0]),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_many_at_once_do_not_wait_for_each_other():
    """Runs independent batches in one program, as large as the matrices of a layer.

    jaxlib 0.10 hung here.
    """
    program = """
import jax, jax.numpy as jnp
from jax_s4rl.kernels import _solving
A = jnp.broadcast_to(2 * jnp.eye(64), (128, 64, 64))
run = jax.jit(lambda *systems: sum(_solving.solve(x, jnp.ones((128, 64))).sum() for x in systems))
for _ in range(200):
    assert run(A, A + 1, A + 2, A + 3) > 0
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)


def test_elimination_solves_a_tiny_system():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4))
    A, b = np.eye(4) + root @ root.T + rng.normal(size=(4, 4)) * 0.1, rng.normal(size=4)
    np.testing.assert_allclose(
        _solving.eliminate(A.tolist(), b.tolist()), np.linalg.solve(A, b), rtol=1e-10
    )
