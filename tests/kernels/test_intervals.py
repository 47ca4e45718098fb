"""The time between samples means the same in every family: at padding, before resets, under jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _intervals, lru, s4, s4d, s5
from tests.kernels.families import FAMILIES, B, H, L

MODULES = {"s4d": s4d, "s4": s4, "s5": s5, "lru": lru}


@pytest.fixture(params=MODULES)
def run(request):
    module = MODULES[request.param]
    parameters = FAMILIES[request.param].make(jax.random.key(0))
    u = jax.random.normal(jax.random.key(1), (B, L, H))

    @jax.jit
    def outputs(intervals, resets=None, mask=None):
        return module.apply(parameters, u, None, resets, mask=mask, intervals=intervals)[0]

    return outputs


@pytest.mark.fast_cases(1)
def test_padding_counts_as_one_step_and_a_broken_interval_ends_at_a_reset(run):
    ones = jnp.ones((B, L))
    broken = ones.at[:, 2].set(jnp.nan)
    mask = ones.at[:, 2].set(0) > 0
    np.testing.assert_array_equal(run(broken, mask=mask), run(ones, mask=mask))
    resets = jnp.zeros((B, L), bool).at[:, 5].set(True)
    y = run(broken, resets=resets)
    np.testing.assert_array_equal(jnp.isnan(y).all((0, 2)), [k in (2, 3, 4) for k in range(L)])
    np.testing.assert_array_equal(y[:, 5:], run(ones, resets=resets)[:, 5:])
    gradient = jax.grad(lambda x: run(x, resets=resets)[:, 5:].sum())(broken)
    assert bool(jnp.isfinite(gradient).all())


def test_numpy_arrays_and_constants_inside_of_jit_are_taken(run):
    intervals = np.linspace(0.5, 2.0, B * L).reshape(B, L)
    wanted = run(jnp.asarray(intervals))
    for given in (intervals, intervals.astype(np.float32)):
        np.testing.assert_array_equal(run(given), wanted)
    inside = jax.jit(lambda: _intervals.ready(intervals, (B, L), None, None, jnp.float32)[0])()
    np.testing.assert_allclose(inside, intervals, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (np.ones((B, L + 1)), "intervals has shape"),
        (np.ones((B, L), np.int32), "int32"),
        (-np.ones((B, L)), "an entry of -1, but time does not run backwards"),
    ],
)
def test_others_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        _intervals.ready(given, (B, L), None, None)


@pytest.mark.parametrize("name", MODULES)
def test_every_family_refuses_time_that_runs_backwards(name):
    parameters = FAMILIES[name].make(jax.random.key(0))
    with pytest.raises(ValueError, match="time does not run backwards"):
        MODULES[name].apply(parameters, jnp.ones((B, L, H)), intervals=-np.ones((B, L)))
