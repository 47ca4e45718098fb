"""The real recurrence: steps and tree alike, with derivatives, and decays near one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _decaying_scan


def draw():
    log_decay = -jax.random.exponential(jax.random.key(0), (7, 2)).at[3, 0].set(1e3)
    return log_decay, jax.random.normal(jax.random.key(1), (7, 2))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "tree"])
def test_states_and_derivatives_are_those_of_a_loop(method):
    def loop(log_decay, added):
        x, found = jnp.zeros(2), []
        for now in zip(log_decay, added, strict=True):
            x = jnp.exp(now[0]) * x + now[1]
            found.append(x)
        return jnp.stack(found)

    def all_of(states, *given):
        loss = lambda *given: jnp.sum(jnp.sin(states(*given)))  # noqa: E731
        slopes = jax.jvp(loss, given, (jnp.cos(given[0]), jnp.sin(given[1])))[1]
        return states(*given), jax.grad(loss, (0, 1))(*given), slopes

    states = partial(_decaying_scan.states, method)
    got, wanted = (jax.jit(partial(all_of, one))(*draw()) for one in (states, loop))
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("log_decay", [-3.3e-5, -3.3e-4, -4.1e-3, -0.6])
def test_many_decays_are_the_exponential_of_their_sum(log_decay):
    steps = 3000 if log_decay > -0.01 else 3
    start = np.array([1.0, -1.9, 3.3], np.float32)
    logs = jnp.full(3, log_decay)

    def power(decay):
        return jax.jit(lambda x: jax.lax.fori_loop(0, steps, lambda _, x: decay(x), x))(start)

    wanted = np.exp(np.float64(np.float32(log_decay)) * steps) * start
    got = power(lambda x: _decaying_scan.decayed(logs, x))
    np.testing.assert_allclose(got, wanted, rtol=4e-6, atol=0)
    if steps > 3:
        # A rounded factor is off by ten times as much.
        rounded = power(lambda x: jnp.exp(logs) * x)
        assert np.abs(rounded / wanted - 1).max() > 1e-5
