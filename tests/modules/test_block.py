"""The residual block keeps the views of its mixer equal, in every form it has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import block, groups, mixers
from tests import filling

BATCH, LENGTH, WIDTH = 2, 5, 4


def make(**options):
    mixer = mixers.make(mixers.MixerConfig("lstm"), width=WIDTH, max_length=LENGTH)
    layer = block.Block(mixer, **({"mlp_ratio": 2} | options))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(BATCH, LENGTH, WIDTH)), jnp.float32)
    return layer, groups.strip(filling.fill(layer.init, jax.random.key(0), x)), x


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize(
    "options",
    [
        {"norm": "none", "residual": False},
        {},
        {"norm": "post", "mlp_ratio": 0},
        {"norm": "post"},
    ],
)
def test_steps_and_chunks_equal_the_whole_sequence(options):
    layer, params, x = make(**options)
    resets = jnp.zeros((BATCH, LENGTH), bool).at[0, 2].set(True)
    mask = jnp.ones((BATCH, LENGTH), bool).at[1, 4].set(False)

    def views(params, x):
        whole, _ = layer.apply(params, x, resets=resets, mask=mask)
        zero = state = layer.apply(params, BATCH, LENGTH, method="init_state")
        first, half = layer.apply(params, x[:, :3], zero, resets=resets[:, :3], mask=mask[:, :3])
        second, _ = layer.apply(params, x[:, 3:], half, resets=resets[:, 3:], mask=mask[:, 3:])
        steps = []
        for t in range(LENGTH):
            y, state = layer.apply(params, (), x[:, t], state, resets[:, t], method="step")
            steps.append(y)
        return whole, jnp.concatenate([first, second], axis=1), jnp.stack(steps, axis=1)

    whole, chunks, steps = jax.jit(views)(params, x)
    assert layer.apply(params, method="prepare") == ()
    np.testing.assert_allclose(chunks, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(steps[mask], whole[mask], rtol=1e-4, atol=1e-5)


def normalize(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_norms_stand_where_they_are_asked_for(norm):
    layer = block.Block(
        mixers.make(mixers.MixerConfig("mlp"), width=WIDTH, max_length=1), mlp_ratio=0, norm=norm
    )
    x = np.random.default_rng(1).normal(size=(1, 1, WIDTH)).astype(np.float32)
    params = filling.fill(layer.init, jax.random.key(0), jnp.asarray(x))["params"]
    params["mixer_norm"] = {"scale": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}

    def mix(x):
        return layer.mixer.apply({"params": params["mixer"]}, jnp.asarray(x))

    wanted = x + mix(normalize(x)) if norm == "pre" else normalize(x + mix(x))
    np.testing.assert_allclose(
        layer.apply({"params": params}, jnp.asarray(x))[0], wanted, rtol=1e-4, atol=1e-5
    )


def test_a_bare_block_is_its_mixer_alone():
    layer, params, x = make(norm="none", mlp_ratio=0, residual=False)
    assert set(params["params"]) == {"mixer"}
    mixed = layer.mixer.apply({"params": params["params"]["mixer"]}, x)
    np.testing.assert_array_equal(layer.apply(params, x)[0], mixed)
    with_input = layer.clone(residual=True)
    np.testing.assert_array_equal(with_input.apply(params, x)[0], x + mixed)


def test_without_feed_forward_part_there_are_no_weights_for_one():
    _, params, _ = make(mlp_ratio=0)
    assert set(params["params"]) == {"mixer", "mixer_norm"}


@pytest.mark.slow
@pytest.mark.parametrize("over_time", ["independent", "shared"])
def test_dropout_acts_in_training_only_and_is_shared_over_time_where_asked(over_time):
    mixer = mixers.make(mixers.MixerConfig("mlp"), width=WIDTH, max_length=LENGTH)
    layer = block.Block(mixer, mlp_ratio=0, dropout=0.5, dropout_over_time=over_time)
    # So many rows that they do not have the same mask by chance.
    x = jnp.ones((20, LENGTH, WIDTH))
    params = filling.fill(layer.init, jax.random.key(0), x)
    still, _ = layer.apply(params, x)
    dropped, _ = layer.apply(params, x, noise=jax.random.split(jax.random.key(0), len(x)))
    branch, noisy = still - x, dropped - x
    shares = np.asarray(noisy / branch)
    assert set(np.round(shares.ravel(), 3)) == {0.0, 2.0}
    assert (shares == shares[:, :1]).all() == (over_time == "shared")
    assert not (shares == shares[:1]).all()


def test_activations_keep_a_half_width_type():
    mixer = mixers.make(
        mixers.MixerConfig("lstm"), width=WIDTH, max_length=LENGTH, dtype=jnp.bfloat16
    )
    layer = block.Block(mixer, mlp_ratio=2, dtype=jnp.bfloat16)
    x = jnp.ones((BATCH, LENGTH, WIDTH), jnp.bfloat16)
    params = jax.eval_shape(layer.init, jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    assert jax.eval_shape(layer.apply, params, x)[0].dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"norm": "both"}, "norm is 'both'; choose one of pre, post, none"),
        (
            {"dropout_over_time": "never"},
            "dropout_over_time is 'never'; choose one of independent, shared",
        ),
        ({"mlp_ratio": -1}, "mlp_ratio is -1; choose 0"),
        ({"dropout": 1.0}, "dropout is 1.0; it is the share"),
    ],
)
def test_what_cannot_be_built_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)
