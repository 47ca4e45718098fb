"""The block of Mamba-2, written out in NumPy, and its heads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels.reference import convolution, selective
from jax_s4rl.modules import groups, mamba2
from tests import filling

WIDTH, LENGTH, N, HEAD = 4, 7, 3, 2


def silu(x):
    return x / (1 + np.exp(-x))


def test_it_is_the_published_block():
    layer = mamba2.Mamba2(WIDTH, state_size=N, head_size=HEAD)
    x = np.random.default_rng(1).normal(size=(LENGTH, WIDTH))
    params = groups.strip(filling.fill(layer.init, jax.random.key(0), jnp.asarray(x, jnp.float32)))
    y = jax.jit(layer.apply)(params, jnp.asarray(x, jnp.float32))
    values = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params["params"])
    gate, convolved, free_step = np.split(
        x @ values["in_projection"]["kernel"], [8, 16 + 2 * N], axis=-1
    )
    taps = values["convolution"]
    convolved = silu(convolution.short(convolved, taps["weights"], taps["bias"])[0])
    u, B, C = np.split(convolved, [8, 8 + N], axis=-1)
    system = (-np.exp(values["log_decay"]), values["D"], values["step_bias"])
    heads = u.reshape(LENGTH, -1, HEAD)
    mixed, _ = selective.ssd(*system, heads, free_step, B[:, None], C[:, None])
    gated = mixed.reshape(LENGTH, -1) * silu(gate)
    size = np.sqrt((gated**2).mean(-1, keepdims=True) + 1e-5)
    wanted = gated / size * values["norm"]["scale"] @ values["out_projection"]["kernel"]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("width", "expand", "given", "heads"),
    [(64, 2, None, 4), (128, 2, None, 8), (12, 1, None, 3), (25, 2, None, 25), (8, 2, 16, 1)],
)
def test_heads_fit_every_width(width, expand, given, heads):
    layer = mamba2.Mamba2(width, expand=expand, head_size=given, state_size=2)
    x = jax.ShapeDtypeStruct((1, 2, width), jnp.float32)
    params = groups.strip(jax.eval_shape(layer.init, jax.random.key(0), x))["params"]
    assert params["log_decay"].shape == (heads,)


def test_a_head_that_does_not_divide_the_channels_is_refused():
    with pytest.raises(ValueError, match="head_size is 5; it has to divide the 16 channels, exp"):
        mamba2.check(8, 2, 5)
    with pytest.raises(ValueError, match="head_size is 0; it has to divide channels"):
        mamba2.check(None, 2, 0)
