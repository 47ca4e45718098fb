"""The decision transformer: steps equal windows; later inputs and padding change no prediction."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import decision_transformer
from jax_s4rl.modules import dropout, heads, tokens
from jax_s4rl.training import losses
from tests.models import small

# Float32 sums in another order through the blocks; the step of s4 computes in another way than the
# sequence.
TOLERANCE = 1e-5
TOLERANCE_OF = {"s4": 2e-5}

# Quick cases of each kind of memory: a state in the complex plane, a cache, gates.
QUICK = [
    ("s4d", tokens.CONCATENATED),
    ("attention", tokens.INTERLEAVED),
    ("lstm", tokens.CONCATENATED),
]
EVERY = small.marked(small.MIXERS_AND_LAYOUTS, QUICK)


def close(got, wanted, mixer="s4d"):
    scale = float(jnp.abs(wanted).max())
    np.testing.assert_allclose(got, wanted, atol=TOLERANCE_OF.get(mixer, TOLERANCE) * scale)


def run_steps(config, inputs):
    """Predictions of `step` after `step`, restarted where `resets` says."""
    apply = functools.partial(
        decision_transformer.DecisionTransformer(config).apply, {"params": small.params(config)}
    )

    def run(columns):
        constants, state = (
            apply(method="prepare"),
            apply(*inputs["mask"].shape, method="init_state"),
        )

        def body(state, step):
            predictions, state = apply(constants, state, *step, method="step")
            return state, predictions

        return jax.lax.scan(body, list(state), columns)[1]

    names = ("returns_to_go", "observations", "previous_actions", "time_steps", "resets")
    # Acting starts from a clear state, whatever came before.
    inputs = inputs | {"resets": inputs["resets"].at[:, 0].set(True)}
    predictions = jax.jit(run)([jnp.swapaxes(inputs[name], 0, 1) for name in names])
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), predictions)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize(("mixer", "layout"), EVERY)
def test_steps_equal_the_whole_window(mixer, layout):
    config = small.config(mixer, tokens=layout, num_layers=1)
    inputs = small.window(config)
    # Two episodes in a row.
    inputs["resets"] = inputs["resets"].at[:, 5].set(True)
    close(run_steps(config, inputs).action, small.predict(config, inputs).action, mixer)


@pytest.mark.slow
@pytest.mark.parametrize(("mixer", "layout"), EVERY)
def test_noise_elsewhere_changes_no_loss_and_no_gradient(mixer, layout):
    config = small.config(mixer, tokens=layout, num_layers=1)
    model, inputs = decision_transformer.DecisionTransformer(config), small.window(config)
    inputs["resets"] = inputs["resets"].at[:, 4].set(True)
    inputs["mask"] = inputs["mask"].at[:, 9:].set(False)
    step = jnp.arange(small.LENGTH)
    # Steps 4 to 7 count: before them is another episode, after them the future, from 9 on padding.
    counted = jnp.broadcast_to((step >= 4) & (step < 8), inputs["mask"].shape)

    @jax.jit
    def loss_and_gradient(params, inputs):
        def loss(params):
            predictions = model.apply({"params": params}, **inputs)
            return losses.cross_entropy(predictions.action, wanted, counted)[0]

        return jax.value_and_grad(loss)(params)

    wanted = inputs["actions"]
    noisy = inputs | {
        "observations": jnp.where(counted[..., None], inputs["observations"], 30.0),
        "returns_to_go": jnp.where(counted, inputs["returns_to_go"], 30.0),
        # The last counted prediction may not see its own action either.
        "actions": jnp.where(counted & (step < 7)[None], inputs["actions"], 1),
        "previous_actions": jnp.where(counted, inputs["previous_actions"], 2),
    }
    clean, dirty = (loss_and_gradient(small.params(config), rows) for rows in (inputs, noisy))
    assert float(clean[0]) > 0.1
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-5), dirty, clean)


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_a_prediction_sees_all_that_it_may(layout):
    config = small.config("s4d", tokens=layout, num_layers=1)
    inputs = small.window(config)
    before = small.predict(config, inputs).action
    for name, column in (
        ("returns_to_go", 5),
        ("observations", 5),
        ("actions", 4),
        ("previous_actions", 5),
    ):
        if name == ("actions" if layout == tokens.CONCATENATED else "previous_actions"):
            continue
        changed = inputs | {name: inputs[name].at[:, column].add(1)}
        after = small.predict(config, changed).action
        close(after[:, :5], before[:, :5])
        assert not np.allclose(after[:, 5:], before[:, 5:], atol=1e-3), name


WITHOUT = [
    (layout, returns) for layout in tokens.LAYOUTS for returns in (tokens.OUTSIDE, tokens.NONE)
]


@pytest.mark.parametrize(
    ("layout", "returns"), small.marked(WITHOUT, [(tokens.INTERLEAVED, tokens.OUTSIDE)])
)
def test_returns_outside_the_stream_reach_their_own_step_alone(layout, returns):
    config = small.config(
        "attention", tokens=layout, returns=returns, return_loss=1.0, num_layers=1
    )
    inputs = small.window(config)
    before = small.predict(config, inputs)
    after = small.predict(
        config, inputs | {"returns_to_go": inputs["returns_to_go"].at[:, 5].add(1)}
    )
    others = np.arange(small.LENGTH) != 5
    np.testing.assert_array_equal(after.action[:, others], before.action[:, others])
    assert (returns == tokens.NONE) == np.array_equal(after.action, before.action)
    # The critic judges without being told.
    np.testing.assert_array_equal(after.return_to_go, before.return_to_go)
    steps = run_steps(config, inputs)
    close(steps.action, before.action)
    close(steps.return_to_go, before.return_to_go)


KINDS = {
    "vector": {
        "observation_shape": (4,),
        "observation_mean": (1.0,) * 4,
        "observation_std": (2.0,) * 4,
    },
    "one_hot": {"observation_shape": (4,), "observation_kind": "one_hot"},
    "index": {"observation_shape": (), "observation_kind": "index", "num_observations": 5},
    "image": {"observation_shape": (5, 4, 3), "observation_kind": "image"},
}


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_observation_is_predicted_from_and_acted_on(kind):
    config = small.config(
        "mlp", KINDS[kind], num_layers=1, observation_loss=0.0 if kind == "image" else 1.0
    )
    inputs = small.window(config)
    whole = small.predict(config, inputs)
    close(run_steps(config, inputs).action, whole.action)
    assert whole.action.shape == (small.BATCH, small.LENGTH, small.NUM_ACTIONS)
    if kind != "image":
        targets = decision_transformer.observation_targets(config, inputs["observations"])
        size = 5 if kind == "index" else 4
        assert whole.observation.shape == (small.BATCH, small.LENGTH, size)
        total, weight = losses.next_observation(whole.observation, targets, inputs["mask"])
        assert float(weight) == small.BATCH * (small.LENGTH - 1)
        assert float(total) > 0


def test_the_next_observation_is_predicted_from_the_action_taken():
    config = small.config("mlp", num_layers=1, observation_loss=1.0)
    inputs = small.window(config)
    before = small.predict(config, inputs)
    after = small.predict(config, inputs | {"actions": inputs["actions"].at[:, 5].add(1)})
    others = np.arange(small.LENGTH) != 5
    np.testing.assert_array_equal(after.observation[:, others], before.observation[:, others])
    assert not np.allclose(after.observation[:, 5], before.observation[:, 5], atol=1e-3)
    np.testing.assert_array_equal(after.action, before.action)


@pytest.mark.parametrize("head", heads.CONTINUOUS)
def test_continuous_actions_have_a_mean_and_a_gaussian_one_its_spread(head):
    config = small.config(
        "mlp", {"num_actions": None, "action_size": 2}, continuous_head=head, num_layers=1
    )
    predictions = small.predict(config, small.window(config))
    assert predictions.action.shape == (small.BATCH, small.LENGTH, 2)
    assert (predictions.log_std is None) == (head == heads.POINT)


def test_observations_and_returns_are_scaled_by_the_statistics_of_the_data():
    config = small.config("mlp", num_layers=1)
    scales = {"return_scale": 10.0, "observation_mean": (1.0,) * 4, "observation_std": (2.0,) * 4}
    scaled = dataclasses.replace(config, **scales)
    inputs = small.window(config)
    raw = inputs | {
        "returns_to_go": inputs["returns_to_go"] * 10,
        "observations": inputs["observations"] * 2 + 1,
    }
    close(small.predict(scaled, raw).action, small.predict(config, inputs).action)


def test_every_place_of_dropout_has_a_mask_of_its_own(monkeypatch):
    config = small.config("mlp", num_layers=2, dropout=0.5)
    params, masks = small.params(config), []

    def drop(x, noise, rate, *, place, over_time):
        del rate, over_time
        masks.append((place, *np.asarray(jax.random.key_data(noise)).ravel().tolist()))
        return x

    monkeypatch.setattr(dropout, "drop", drop)
    window = small.window(config)
    rows = jax.random.split(jax.random.key(0), len(window["mask"]))
    model = decision_transformer.DecisionTransformer(config)
    model.apply({"params": params}, **window, noise=rows)
    # The tokens, and two branches of each block.
    assert len(set(masks)) == len(masks) == 5


@pytest.mark.slow
def test_rematerialized_blocks_give_the_same_gradient():
    config = small.config("mlp", num_layers=1, dropout=0.2)
    inputs = small.window(config)

    def gradient(config):
        def loss(params):
            noise = jax.random.split(jax.random.key(0), len(inputs["mask"]))
            predicted = decision_transformer.DecisionTransformer(config).apply(
                {"params": params}, **inputs, noise=noise
            )
            return losses.cross_entropy(predicted.action, inputs["actions"], inputs["mask"])[0]

        return jax.jit(jax.grad(loss))(small.params(config))

    again = gradient(small.with_model(config, rematerialize=True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-5), again, gradient(config))


@pytest.mark.parametrize("mixer", [pytest.param("attention", marks=pytest.mark.slow), "mlp"])
def test_activations_in_bfloat16_predict_nearly_the_same(mixer):
    config = small.config(mixer, num_layers=1)
    inputs = small.window(config)
    wanted = small.predict(config, inputs).action
    got = small.predict(small.with_model(config, activations="bfloat16"), inputs).action
    assert got.dtype == jnp.float32
    # Eight bits of mantissa.
    np.testing.assert_allclose(got, wanted, atol=0.05 * float(jnp.abs(wanted).max()))
    assert not np.array_equal(got, wanted)


def test_parameters_are_counted():
    assert decision_transformer.num_parameters({"a": jnp.zeros((2, 3)), "b": [jnp.zeros(4)]}) == 10


def test_a_window_longer_than_the_context_is_refused():
    config = small.config("s4d", context_length=small.LENGTH - 1)
    with pytest.raises(
        ValueError, match="the window has 12 steps but the model was built for context_length=11"
    ):
        small.predict(config, small.window(config))


@pytest.mark.slow
@pytest.mark.parametrize(("mixer", "layout"), small.MIXERS_AND_LAYOUTS)
def test_a_thousand_steps_equal_the_whole_row(mixer, layout):
    length = 1000
    config = small.config(mixer, {"horizon": length}, tokens=layout, context_length=length)
    inputs = small.window(config, length=length)
    for start in (0, 300, 301, 640):
        inputs["resets"] = inputs["resets"].at[:, start].set(True)
    inputs["mask"] = inputs["mask"].at[1, 900:].set(False)
    got, wanted = run_steps(config, inputs).action, small.predict(config, inputs).action
    close(
        jnp.where(inputs["mask"][..., None], got, 0.0),
        jnp.where(inputs["mask"][..., None], wanted, 0.0),
        mixer,
    )


def test_without_norms_there_are_none_before_the_heads_either():
    names = {
        norm: set(decision_transformer.shapes(small.config("mlp", num_layers=1, norm=norm)))
        for norm in ("pre", "none")
    }
    assert names["pre"] - names["none"] == {"norm"}


def test_targets_of_squared_error_are_one_hot():
    actions = jnp.array([[0, 2]])
    by_class, by_error = (
        decision_transformer.action_targets(small.config("mlp", action_loss=loss), actions)
        for loss in ("cross_entropy", "squared_error")
    )
    np.testing.assert_array_equal(by_class, actions)
    np.testing.assert_array_equal(by_error, [[[1, 0, 0], [0, 0, 1]]])
