"""The residual block keeps the views of its mixer equal."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.modules import block, groups, mixers
from tests import filling


def make(dropout=0.0):
    layer = block.Block(
        mixers.make(mixers.MixerConfig("s4d", state_size=4), width=8, max_length=10), mlp_ratio=2, dropout=dropout
    )
    x = jax.random.normal(jax.random.key(1), (2, 10, 8))
    return layer, groups.strip(filling.fill(layer.init, jax.random.key(0), x)), x


def test_steps_equal_the_whole_sequence():
    layer, params, x = make()
    whole, _ = layer.apply(params, x)
    constants = layer.apply(params, method="prepare")
    state = layer.apply(params, 2, 10, method="init_state")
    step = jax.jit(lambda token, state: layer.apply(params, constants, token, state, method="step"))
    for t in range(10):
        y, state = step(x[:, t], state)
        np.testing.assert_allclose(y, whole[:, t], rtol=1e-4, atol=1e-5)


def test_branches_that_end_in_zeros_leave_the_input():
    layer, params, x = make()
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.zeros_like(leaf) if "output" in jax.tree_util.keystr(path) else leaf, params
    )
    y, _ = layer.apply(params, x)
    np.testing.assert_allclose(y, x, atol=1e-6)


def test_dropout_acts_in_training_only():
    layer, params, x = make(dropout=0.5)
    still, _ = layer.apply(params, x)
    dropped, _ = layer.apply(params, x, deterministic=False, rngs={"dropout": jax.random.key(0)})
    again, _ = layer.apply(params, x)
    assert jnp.array_equal(still, again)
    assert not np.allclose(still, dropped, atol=1e-3)
