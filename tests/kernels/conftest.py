"""Fixtures of the kernel tests: float64 on, and jaxtyping's shape checks off (a user has none)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import config

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s4, s4d

enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64


@pytest.fixture
def x64():
    """The test runs in float64."""
    with enable_x64(True):
        yield


@pytest.fixture
def unchecked():
    """The test gets the errors that a user gets: the package's own, no run-time shape checks."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


def _arrays(H, N, seed, dtype):
    C_key, D_key, step_key = jax.random.split(jax.random.key(seed), 3)
    C = cplx.astype(initialization.output(C_key, (H, N // 2)), dtype)
    D = jax.random.normal(D_key, (H,)).astype(dtype)
    return C, D, jnp.exp(initialization.log_step(step_key, (H,))).astype(dtype)


@pytest.fixture
def s4d_system():
    """Makes parameters of S4D: `(H, N, name, seed, dtype) -> s4d.Parameters`."""

    def make(H=3, N=8, name="legs", seed=0, dtype=jnp.float32):
        start = initialization.diagonal(name, N, key=jax.random.key(seed + 1))
        Lambda, B = (
            jax.tree.map(lambda x: jnp.tile(x, (H, 1)).astype(dtype), part) for part in start
        )
        C, D, step = _arrays(H, N, seed, dtype)
        return s4d.Parameters(Lambda, B, C, D, step)

    return make


@pytest.fixture
def s4_system():
    """Makes parameters of S4: `(H, N, measure, seed, dtype) -> s4.Parameters`."""

    def make(H=3, N=8, measure="legs", seed=0, dtype=jnp.float32):
        start = initialization.low_rank(measure, N)
        Lambda, P, B = (
            jax.tree.map(lambda x: jnp.stack([x] * H).astype(dtype), part) for part in start
        )
        C, D, step = _arrays(H, N, seed, dtype)
        return s4.Parameters(Lambda, P, B, C, D, step)

    return make


@pytest.fixture
def as_numpy():
    """Turns parameters, Pairs and arrays into float64 and complex128 NumPy."""

    def turn(x):
        if isinstance(x, cplx.Pair):
            return np.asarray(x.re, np.float64) + 1j * np.asarray(x.im, np.float64)
        if isinstance(x, tuple):
            return tuple(turn(part) for part in x)
        return np.asarray(x, np.float64)

    return turn
