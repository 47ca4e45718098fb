"""Attribution: zero for the future, exact for nearly linear models; weights that attention used."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import attribution, decision_transformer
from jax_s4rl.modules import tokens
from tests.models import small

STEPS = jnp.array([7, 4], jnp.int32)
QUICK = [("s4d", tokens.CONCATENATED), ("attention", tokens.INTERLEAVED)]


def attribute(config, window, **options):
    run = jax.jit(functools.partial(attribution.attribute, config, **options))
    return run(small.params(config), window, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize(("mixer", "layout"), small.marked(small.MIXERS_AND_LAYOUTS, QUICK))
def test_nothing_comes_from_the_future(mixer, layout):
    config = small.config(mixer, tokens=layout, num_layers=1)
    for method in attribution.METHODS:
        found = attribute(config, small.window(config), method=method)
        assert found.shape == (small.BATCH, small.LENGTH)
        for row, step in zip(found, STEPS.tolist(), strict=True):
            assert not row[step + 1 :].any()
            assert row[step] > 0
            assert (row[:step] > 0).any() == (mixer != "mlp")


@pytest.mark.slow
def test_a_predicted_return_is_explained_as_well():
    config = small.config("s4d", num_layers=1, returns="outside", return_loss=1.0)
    window, params = small.window(config), small.params(config)
    found = attribute(config, window, of=attribution.RETURN)
    for row, step in zip(found, STEPS.tolist(), strict=True):
        assert not row[step + 1 :].any()
        assert (row[: step + 1] > 0).all()

    def predicted(change):
        variables = {"params": params, "perturbations": {"tokens": change}}
        return (
            decision_transformer.DecisionTransformer(config)
            .apply(variables, **window)
            .return_to_go[0, STEPS[0]]
        )

    gradient = jax.jit(jax.grad(predicted))(
        jnp.zeros((small.BATCH, small.LENGTH, config.model.width))
    )
    np.testing.assert_allclose(
        found[0], jnp.linalg.norm(gradient[0], axis=-1), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("of", "message"), [("return", "no return head"), ("value", "choose one of action, return")]
)
def test_what_is_not_predicted_is_not_explained(of, message):
    config = small.config("s4d", num_layers=1)
    with pytest.raises(ValueError, match=message):
        attribution.attribute(config, {}, small.window(config), STEPS, of=of)


@pytest.mark.slow
def test_nothing_comes_from_another_episode_of_the_row():
    config = small.config("s4d", num_layers=1)
    window = small.window(config)
    window["resets"] = window["resets"].at[:, 3].set(True)
    found = attribute(config, window)
    assert not found[:, :3].any()
    assert (found[:, 3:5] > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "layout", [tokens.CONCATENATED, pytest.param(tokens.INTERLEAVED, marks=pytest.mark.slow)]
)
def test_the_gradient_is_that_of_finite_differences(layout):
    config = small.config("lstm", tokens=layout, num_layers=1)
    window, params = small.window(config), small.params(config)
    inputs = [
        window[name]
        for name in ("returns_to_go", "observations", "actions", "previous_actions", "time_steps")
    ]
    model = decision_transformer.DecisionTransformer(config)
    embedded = model.apply(
        {"params": params}, *inputs, method=lambda model, *given: model.tokenizer(*given)
    )
    direction = jax.random.normal(jax.random.key(2), embedded.shape[2:])
    # One token of step 3, moved along a direction.
    place = 3 * config.model.tokens_per_step

    @jax.jit
    def logit(size):
        change = jnp.zeros_like(embedded).at[0, place].set(size * direction)
        predicted = model.apply({"params": params, "perturbations": {"tokens": change}}, **window)
        return predicted.action[0, STEPS[0], window["actions"][0, STEPS[0]]]

    numeric = (logit(1e-2) - logit(-1e-2)) / 2e-2
    assert numeric == pytest.approx(float(jax.grad(logit)(0.0)), rel=2e-2)
    # The norm bounds every directional derivative of the step.
    assert (
        abs(numeric)
        <= float(attribute(config, window)[0, 3]) * float(jnp.linalg.norm(direction)) * 1.02
    )


@pytest.mark.slow
def test_the_input_times_the_gradient_by_hand():
    config = small.config("mlp", num_layers=1)
    window, params = small.window(config), small.params(config)
    model = decision_transformer.DecisionTransformer(config)
    inputs = [
        window[name]
        for name in ("returns_to_go", "observations", "actions", "previous_actions", "time_steps")
    ]
    embedded = model.apply(
        {"params": params}, *inputs, method=lambda model, *given: model.tokenizer(*given)
    )

    @jax.jit
    def logit(share):
        # The slope along the input itself.
        variables = {"params": params, "perturbations": {"tokens": share * embedded}}
        return model.apply(variables, **window).action[1, STEPS[1], window["actions"][1, STEPS[1]]]

    found = attribute(config, window, method=attribution.INPUT_TIMES_GRADIENT)
    assert float(found[1, STEPS[1]]) == pytest.approx(abs(float(jax.grad(logit)(0.0))), rel=1e-4)


def test_asking_changes_no_prediction_and_no_parameter():
    config = small.config("s4d", num_layers=1)
    variables = jax.eval_shape(
        functools.partial(decision_transformer.init, config), jax.random.key(0)
    )
    assert "perturbations" not in variables
    window, params = small.window(config), small.params(config)
    shape = (small.BATCH, small.LENGTH, config.model.width)
    zeros = {"params": params, "perturbations": {"tokens": jnp.zeros(shape)}}
    found = jax.jit(
        lambda: decision_transformer.DecisionTransformer(config).apply(zeros, **window)
    )()
    np.testing.assert_allclose(found.action, small.predict(config, window).action, atol=1e-6)


VARIANTS = {
    "plain": {},
    "learned": {"positions": "learned"},
    "rotary": {"positions": "rotary"},
    "window": {"window": 4, "positions": "rotary"},
}


def look(config, window):
    return jax.jit(functools.partial(attribution.attention_maps, config))(
        small.params(config), window
    )


def packed_and_padded(config):
    window = small.window(config)
    window["resets"] = window["resets"].at[0, 5].set(True)
    window["mask"] = window["mask"].at[1, 9:].set(False)
    return window


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "layout"),
    small.marked(
        [(variant, layout) for variant in VARIANTS for layout in tokens.LAYOUTS],
        [("window", tokens.CONCATENATED), ("learned", tokens.INTERLEAVED)],
    ),
)
def test_attention_maps_are_what_the_layer_used(variant, layout):
    config = small.config(
        small.mixer_config("attention", **VARIANTS[variant]), tokens=layout, num_layers=1
    )
    window, params = packed_and_padded(config), small.params(config)
    maps = look(config, window)

    def keep(module, _):
        return module.name in ("projections", "output") and module.path[-2] == "mixer"

    run = functools.partial(
        decision_transformer.DecisionTransformer(config).apply,
        capture_intermediates=keep,
        mutable=["intermediates"],
    )
    kept = jax.jit(lambda: run({"params": params}, **window)[1]["intermediates"])()["blocks_0"][
        "mixer"
    ]
    projections, wanted = kept["projections"]["__call__"][0], kept["output"]["__call__"][0]
    values = projections.reshape(*projections.shape[:2], 3, 2, -1)[:, :, 2]
    mixed = jnp.einsum("bhqk,bkhd->bqhd", maps[0], values).reshape(wanted.shape)
    layer = jax.tree.map(np.asarray, params["blocks_0"]["mixer"]["output"])
    real = np.repeat(np.asarray(window["mask"]), config.model.tokens_per_step, axis=1)
    np.testing.assert_allclose(
        (np.asarray(mixed) @ layer["kernel"] + layer["bias"])[real], wanted[real], atol=1e-5
    )


def test_rows_sum_to_one_and_see_neither_future_nor_padding_nor_another_episode():
    config = small.config("attention", num_layers=2)
    window = packed_and_padded(config)
    maps = np.asarray(look(config, window))
    assert maps.shape == (2, small.BATCH, 2, small.LENGTH, small.LENGTH)
    real = np.asarray(window["mask"])
    np.testing.assert_allclose(
        maps.sum(axis=-1), np.broadcast_to(real[None, :, None], maps.shape[:-1]), atol=1e-6
    )
    assert not np.triu(maps, 1).any()
    assert not maps[:, 0, :, 5:, :5].any()
    assert not maps[:, 1, :, :, 9:].any()


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_attention_to_steps_is_that_of_the_token_that_predicts(layout):
    config = small.config("attention", tokens=layout, num_layers=1)
    maps = look(config, small.window(config))
    found = np.asarray(attribution.attention_to_steps(config, maps, STEPS))
    assert found.shape == (1, small.BATCH, 2, small.LENGTH)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, atol=1e-6)
    for row, step in enumerate(STEPS.tolist()):
        assert not found[:, row, :, step + 1 :].any()
        token = step if layout == tokens.CONCATENATED else 3 * step + 1
        wanted = np.asarray(maps)[:, row, :, token].reshape(1, 2, small.LENGTH, -1).sum(axis=-1)
        np.testing.assert_allclose(found[:, row], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("facts", "options", "sentence"),
    [
        ({"num_actions": None, "action_size": 2}, {}, "actions are continuous"),
        ({}, {"method": "shapley"}, "method is 'shapley'"),
    ],
)
def test_what_cannot_be_attributed_is_refused(facts, options, sentence):
    config = small.config("mlp", facts, num_layers=1)
    with pytest.raises(ValueError, match=sentence):
        attribution.attribute(config, {}, {}, STEPS, **options)


def test_other_mixers_have_no_maps():
    with pytest.raises(ValueError, match="mixer 's4d' has no attention weights"):
        attribution.attention_maps(small.config("s4d"), {}, {})


@pytest.mark.parametrize(
    "layout", [tokens.CONCATENATED, pytest.param(tokens.INTERLEAVED, marks=pytest.mark.slow)]
)
def test_weights_between_all_steps_hold_those_of_each(layout):
    config = small.config("attention", tokens=layout, num_layers=1)
    maps = look(config, small.window(config))
    between = attribution.attention_between_steps(config, maps)
    assert between.shape == (1, small.BATCH, 2, small.LENGTH, small.LENGTH)
    for step in (0, 5):
        steps = jnp.full(small.BATCH, step, jnp.int32)
        wanted = attribution.attention_to_steps(config, maps, steps)
        np.testing.assert_array_equal(between[:, :, :, step], wanted)
    assert not np.triu(np.asarray(between), 1).any()
