"""What is particular to the LSTM; the verbs that all mixers share are tested in test_mixers.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.modules import lstm
from tests import filling

LENGTH = 5


def make():
    layer = lstm.LSTM(width=3)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, LENGTH, 3)), jnp.float32)
    return layer, filling.fill(layer.init, jax.random.key(0), x), x


def test_it_is_the_cell_of_flax_step_by_step():
    layer, params, x = make()
    cell, state, wanted = nn.OptimizedLSTMCell(3), (jnp.zeros((2, 3)), jnp.zeros((2, 3))), []
    for t in range(LENGTH):
        state, y = cell.apply({"params": params["params"]["cell"]}, state, x[:, t])
        wanted.append(y)
    np.testing.assert_allclose(
        layer.apply(params, x), jnp.stack(wanted, axis=1), rtol=1e-5, atol=1e-6
    )


def test_padding_amid_an_episode_is_as_if_it_were_not_there():
    layer, params, x = make()
    mask = jnp.array([True, True, False, True, False])[None] & jnp.ones((2, 1), bool)
    zero = layer.apply(params, 2, LENGTH, method="init_state")
    padded, after = layer.apply(params, x, zero, mask=mask)
    kept = np.array([0, 1, 3])
    alone, wanted = layer.apply(params, x[:, kept], zero)
    np.testing.assert_allclose(padded[:, kept], alone, rtol=1e-5, atol=1e-6)
    for got, one in zip(after, wanted, strict=True):
        np.testing.assert_allclose(got, one, rtol=1e-5, atol=1e-6)


def test_an_episode_behind_another_in_a_row_is_as_if_it_were_alone():
    layer, params, x = make()
    resets = jnp.zeros((2, LENGTH), bool).at[:, 2].set(True)
    packed = layer.apply(params, x, resets=resets)
    apart = [layer.apply(params, x[:, :2]), layer.apply(params, x[:, 2:])]
    np.testing.assert_allclose(packed, jnp.concatenate(apart, axis=1), rtol=1e-5, atol=1e-6)
