"""What the selective mixers share; the verbs themselves are tested in test_mixers.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl import parameter_groups
from jax_s4rl.kernels import initialization, selective_weights
from jax_s4rl.modules import groups, mamba, mamba2, mixers
from tests import filling

LAYERS = {
    "mamba2": mamba2.Mamba2(4, state_size=3, head_size=4),
    "mamba": mamba.Mamba(4, channel_states=3),
}
SIZES = {"mamba2": ((2, 3, 8 + 6), (2, 2, 4, 3)), "mamba": ((2, 3, 8), (2, 8, 3))}
EVERY = pytest.mark.parametrize("name", LAYERS)


def fill(layer, x):
    return groups.strip(filling.fill(layer.init, jax.random.key(0), x))


def make_x(*shape):
    return jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)


@EVERY
def test_the_recurrence_forms_the_state_space_group_and_the_state_never_grows(name):
    layer = LAYERS[name]
    boxed = jax.eval_shape(layer.init, jax.random.key(0), jnp.zeros((1, 2, 4)))["params"]
    labels = groups.labels(boxed)
    found = {key for key, label in labels.items() if label == parameter_groups.STATE_SPACE}
    # Weights that must not decay are nowhere else.
    assert found == {"log_decay", "D", "step_bias"}
    params = {"params": groups.strip(boxed)}
    for length in (1, 1000):
        state = jax.eval_shape(
            lambda params, n=length: layer.apply(params, 2, n, method="init_state"), params
        )
        assert tuple(part.shape for part in state) == SIZES[name]


@pytest.mark.fast_cases(1)
@EVERY
def test_a_layer_takes_any_axes_of_a_batch(name):
    layer, x = LAYERS[name], make_x(2, 3, 5, 4)
    params = fill(layer, x)

    @jax.jit
    def views(params, x):
        start = layer.apply(params, (2, 3), method="init_state")
        constants = layer.apply(params, method="prepare")
        step, _ = layer.apply(params, constants, x[:, :, 0], start, method="step")
        return layer.apply(params, x), layer.apply(params, x[1, 2]), step

    whole, one, step = views(params, x)
    np.testing.assert_allclose(one, whole[1, 2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(step, whole[:, :, 0], rtol=1e-4, atol=1e-5)
    assert layer.apply(params, method="init_state")[0].ndim == 2


@pytest.mark.fast_cases(1)
@EVERY
def test_initial_steps_fit_a_range_or_are_published(name):
    for given, wanted in (((0.2, 0.3), (0.2, 0.3)), (None, selective_weights.STEP_RANGE)):
        layer = LAYERS[name].clone(step_range=given)
        init = jax.jit(lambda key, layer=layer: layer.init(key, make_x(1, 2, 4))["params"])
        steps = jax.nn.softplus(init(jax.random.key(0))["step_bias"].value)
        assert wanted[0] * 0.99 <= float(steps.min()) <= float(steps.max()) <= wanted[1] * 1.01
    mixer = mixers.make(mixers.MixerConfig(name), width=8, max_length=50)
    assert mixer.step_range == initialization.step_range(50)


@pytest.mark.slow
@EVERY
def test_padding_amid_an_episode_leaves_the_state_as_it_is(name):
    layer, x = LAYERS[name].clone(taps=1), make_x(2, 6, 4)
    params = fill(layer, x)
    mask = jnp.array([True, True, False, True, False, True])[None] & jnp.ones((2, 1), bool)
    zero = layer.apply(params, 2, method="init_state")
    padded, after = layer.apply(params, x, zero, mask=mask)
    kept = np.array([0, 1, 3, 5])
    alone, wanted = layer.apply(params, x[:, kept], zero)
    np.testing.assert_allclose(padded[:, kept], alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after[1], wanted[1], rtol=1e-5, atol=1e-6)
