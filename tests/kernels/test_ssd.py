"""What is particular to SSD; the forms that it shares with S6 are tested with both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import ssd


def draw(L, heads, P, groups, N):
    rng = np.random.default_rng(0)
    shapes = ((heads, P), (heads,), (groups, N), (groups, N))
    return [jnp.asarray(rng.normal(size=(L, *shape)), jnp.float32) for shape in shapes]


@pytest.mark.slow
def test_without_decay_it_is_linear_attention():
    u, _, B, C = draw(9, 1, 3, 1, 4)
    free_step = jnp.full((9, 1), jnp.log(jnp.expm1(1.0)))
    y, last = jax.jit(ssd.apply)(ssd.Parameters(jnp.zeros(1), 0.0, 0.0), u, free_step, B, C)
    scores = np.tril(np.asarray(C[:, 0]) @ np.asarray(B[:, 0]).T)
    np.testing.assert_allclose(y[:, 0], scores @ np.asarray(u[:, 0]), rtol=0, atol=1e-5)
    wanted = np.asarray(u[:, 0]).T @ np.asarray(B[:, 0])
    np.testing.assert_allclose(last[0], wanted, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_state_that_hardly_decays_lasts():
    steps, decay = 3000, 3.3e-4
    system = ssd.Parameters(-jnp.full(1, decay), 0.0, 0.0)
    one = jnp.ones((steps, 1, 1))
    free_step = jnp.full((steps, 1), jnp.log(jnp.expm1(1.0)))
    start = jnp.full((1, 1, 1), 2.0)
    run = jax.jit(ssd.apply, static_argnames="method")
    for method in ("chunked", "scan"):
        _, last = run(system, 0 * one, free_step, one, one, start, method=method)
        wanted = 2 * np.exp(-np.float64(np.float32(decay)) * steps)
        np.testing.assert_allclose(last[0, 0, 0], wanted, rtol=1e-5)


@pytest.mark.usefixtures("unchecked")
def test_groups_that_do_not_share_the_heads_are_refused():
    u, free_step, _, C = draw(4, 4, 2, 1, 3)
    system = ssd.Parameters(-jnp.ones(4), 1.0, 0.0)
    with pytest.raises(ValueError, match="a number of groups that divides the 4 heads of A"):
        ssd.apply(system, u, free_step, jnp.ones((4, 3, 3)), C)
    with pytest.raises(ValueError, match=r"expected \(\*batch, L, 4, P\), as A has 4 heads"):
        ssd.apply(system, u[0], free_step, C, C)
