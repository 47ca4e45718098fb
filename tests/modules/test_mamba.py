"""The block of Mamba, written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels.reference import convolution, selective
from jax_s4rl.modules import groups, mamba
from tests import filling

WIDTH, LENGTH, N = 4, 7, 3


def silu(x):
    return x / (1 + np.exp(-x))


def test_it_is_the_published_block():
    layer = mamba.Mamba(WIDTH, channel_states=N)
    x = np.random.default_rng(1).normal(size=(LENGTH, WIDTH))
    params = groups.strip(filling.fill(layer.init, jax.random.key(0), jnp.asarray(x, jnp.float32)))
    y = jax.jit(layer.apply)(params, jnp.asarray(x, jnp.float32))
    values = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params["params"])
    u, gate = np.split(x @ values["in_projection"]["kernel"], 2, axis=-1)
    taps = values["convolution"]
    u = silu(convolution.short(u, taps["weights"], taps["bias"])[0])
    low, B, C = np.split(u @ values["selection"]["kernel"], [1, 1 + N], axis=-1)
    system = (-np.exp(values["log_decay"]), values["D"], values["step_bias"])
    mixed, _ = selective.s6(*system, u, low @ values["step_weights"], B, C)
    wanted = mixed * silu(gate) @ values["out_projection"]["kernel"]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_steps_come_from_a_number_for_each_sixteen_features():
    for width, rank in ((4, 1), (16, 1), (17, 2), (128, 8)):
        x = jax.ShapeDtypeStruct((1, 2, width), jnp.float32)
        layer = mamba.Mamba(width, channel_states=2)
        params = groups.strip(jax.eval_shape(layer.init, jax.random.key(0), x))["params"]
        assert params["step_weights"].shape == (rank, 2 * width)
        assert params["selection"]["kernel"].shape == (2 * width, rank + 4)
