"""Properties of the S4 layer alone; test_mixers.py tests the methods that all mixers share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import initialization
from jax_s4rl.modules import groups, s4
from tests import filling

SHORT, LONG = 4, 6


@functools.cache
def make(**options):
    layer = s4.S4(width=2, state_size=4, **options)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1, LONG, 2)), jnp.float32)
    return layer, groups.strip(filling.fill(layer.init, jax.random.key(0), x[:, :1])), x


def test_the_system_starts_as_its_hippo_measure():
    layer = s4.S4(width=2, state_size=4, initialization="legs")
    # The initializers are what is tested: nothing has to run beyond them.
    params = groups.strip(layer.init(jax.random.key(0), 1, 1, method="init_state"))
    parameters = layer.bind(params)._parameters(2)
    wanted = initialization.low_rank("legs", 4)
    for got, one in zip(
        jax.tree.leaves(parameters[:3]), jax.tree.leaves(tuple(wanted)), strict=True
    ):
        np.testing.assert_allclose(got, np.broadcast_to(one, got.shape), rtol=1e-5)
    assert float(parameters.step.min()) >= 1e-3
    assert float(parameters.step.max()) <= 1e-1


def test_rows_longer_than_c_is_truncated_for_are_refused_but_steps_go_on():
    layer, params, x = make(max_length=SHORT)
    with pytest.raises(ValueError, match="truncated for 4 steps, got 6"):
        layer.apply(params, x)

    def views(params, x):
        constants = layer.apply(params, method="prepare")
        state, outputs = layer.apply(params, 1, LONG, method="init_state"), []
        for t in range(LONG):
            y, state = layer.apply(params, constants, x[:, t], state, method="step")
            outputs.append(y)
        return layer.apply(params, x[:, :SHORT]), jnp.stack(outputs, axis=1)

    whole, outputs = jax.jit(views)(params, x)
    np.testing.assert_allclose(outputs[:, :SHORT], whole, atol=2e-5 * float(jnp.abs(whole).max()))
    assert bool(jnp.all(jnp.isfinite(outputs)))


@pytest.mark.parametrize("options", [{}, {"discretization": "zoh", "max_length": SHORT}])
def test_the_true_c_bounds_no_row(options):
    layer, params, x = make(**options)
    assert jax.eval_shape(layer.apply, params, x).shape == x.shape
