"""What is particular to S6; the forms that it shares with SSD are tested with both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import s6, ssd
from jax_s4rl.kernels.reference import mimo


@pytest.mark.slow
def test_a_constant_selection_is_a_diagonal_system():
    rng = np.random.default_rng(0)
    u = jnp.asarray(rng.normal(size=(12, 1)), jnp.float32)
    A, B, C = -np.array([[0.5, 2.0]]), np.array([1.0, -2.0]), np.array([0.5, 3.0])
    every = [jnp.asarray(np.broadcast_to(x, (12, 2)), jnp.float32) for x in (B, C)]
    system = s6.Parameters(jnp.asarray(A, jnp.float32), 1.0, float(np.log(np.expm1(0.3))))
    y, _ = jax.jit(s6.apply)(system, u, jnp.zeros((12, 1)), *every)
    wanted, _ = mimo.lru(0.3 * A[0], 0.3 * B[:, None], C[None], np.ones(1), np.ones(2), u)
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_with_one_decay_and_one_step_for_all_features_it_is_ssd():
    rng = np.random.default_rng(0)
    u, free_step, B, C = (
        jnp.asarray(rng.normal(size=(2, 70, size)), jnp.float32) for size in (3, 1, 4, 4)
    )
    steps = jnp.broadcast_to(free_step, u.shape)
    y, last = s6.apply(s6.Parameters(-jnp.ones((3, 4)), 1.0, 0.0), u, steps, B, C)
    heads = (u[:, :, None], free_step, B[:, :, None], C[:, :, None])
    wanted, state = ssd.apply(ssd.Parameters(-jnp.ones(1), 1.0, 0.0), *heads)
    np.testing.assert_allclose(y, wanted[:, :, 0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(last, state[:, 0], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_auto_scans_on_the_processor():
    shapes = [jax.ShapeDtypeStruct((1, 9, size), jnp.float32) for size in (3, 3, 4, 4)]
    system = s6.Parameters(-jnp.ones((3, 4)), 1.0, 0.0)
    given = [jnp.ones(shape.shape) for shape in shapes]
    texts = [
        jax.jit(s6.apply, static_argnames="method").lower(system, *given, method=method).as_text()
        for method in ("auto", "scan", "associative")
    ]
    assert ["while" in text for text in texts] == [True, True, False]
