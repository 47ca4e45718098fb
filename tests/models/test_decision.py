"""The decision model: steps equal whole windows, later inputs change no earlier prediction, padding changes nothing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import decision
from jax_s4rl.modules import groups, mixers, tokens
from tests import filling

BATCH, LENGTH = 2, 24
# Float32 sums in another order through two blocks.
TOLERANCE = 1e-5
EVERY = pytest.mark.parametrize("mixer", mixers.NAMES)
LAYOUT = pytest.mark.parametrize("layout", tokens.LAYOUTS)


@functools.cache
def make(mixer, layout, **changes):
    options = {"num_actions": 3, "mixer": mixer, "tokens": layout, "context_length": LENGTH, "horizon": LENGTH}
    small = {"width": 8, "num_layers": 2, "num_heads": 2, "state_size": 4, "mlp_ratio": 2}
    config = decision.DecisionConfig(observation_size=4, **(options | small | changes))
    return decision.DecisionModel(config), groups.strip(filling.fill(functools.partial(decision.init, config), key(0)))


def key(seed):
    return jax.random.key(seed)


def window(num_actions=3):
    actions = jax.random.randint(key(3), (BATCH, LENGTH), 0, num_actions)
    return {
        "returns_to_go": jax.random.normal(key(1), (BATCH, LENGTH)),
        "observations": jax.random.normal(key(2), (BATCH, LENGTH, 4)),
        "actions": actions,
        "previous_actions": jnp.concatenate([jnp.full((BATCH, 1), -1), actions[:, :-1]], axis=1),
        "time_steps": jnp.broadcast_to(jnp.arange(LENGTH), (BATCH, LENGTH)),
        "mask": jnp.ones((BATCH, LENGTH), bool),
    }


@functools.cache
def compiled(model):
    return jax.jit(lambda params, inputs: model.apply({"params": params}, **inputs))


def predict(model, params, inputs):
    return compiled(model)(params, inputs)


def run_steps(model, params, inputs):
    apply = functools.partial(model.apply, {"params": params})

    def run(columns):
        constants, state = apply(method="prepare"), apply(BATCH, LENGTH, method="init_state")

        def body(state, step):
            y, state = apply(constants, state, *step, method="step")
            return state, y

        return jax.lax.scan(body, list(state), columns)[1]

    names = ("returns_to_go", "observations", "previous_actions", "time_steps")
    columns = [jnp.swapaxes(inputs[name], 0, 1) for name in names]
    reset = jnp.swapaxes(inputs["time_steps"] == 0, 0, 1)
    return jnp.swapaxes(jax.jit(run)((*columns, reset)), 0, 1)


@EVERY
@LAYOUT
def test_steps_equal_the_whole_window(mixer, layout):
    model, params = make(mixer, layout)
    whole = predict(model, params, window())
    np.testing.assert_allclose(run_steps(model, params, window()), whole, atol=TOLERANCE * float(jnp.abs(whole).max()))


@EVERY
@LAYOUT
def test_a_later_step_changes_no_earlier_prediction(mixer, layout):
    model, params = make(mixer, layout)
    inputs = window()
    changed = inputs | {
        "returns_to_go": inputs["returns_to_go"].at[:, 10:].add(1.0),
        "observations": inputs["observations"].at[:, 10:].add(1.0),
        # The action of step 9 is known from step 10 on.
        "actions": inputs["actions"].at[:, 9:].set(0),
        "previous_actions": inputs["previous_actions"].at[:, 10:].set(0),
    }
    before, after = predict(model, params, inputs), predict(model, params, changed)
    np.testing.assert_allclose(after[:, :10], before[:, :10], atol=TOLERANCE * float(jnp.abs(before).max()))
    assert not np.allclose(after[:, 10:], before[:, 10:], atol=1e-2)


@EVERY
@LAYOUT
def test_a_prediction_never_sees_its_own_action(mixer, layout):
    model, params = make(mixer, layout)
    inputs = window()
    before = predict(model, params, inputs)
    after = predict(model, params, inputs | {"actions": (inputs["actions"] + 1) % 3})
    if layout == tokens.CONCATENATED:
        # The only way in is through previous_actions, which were left alone.
        np.testing.assert_array_equal(after, before)
    else:
        # An FFT mixes time at rounding level, hence no exact equality.
        np.testing.assert_allclose(after[:, 0], before[:, 0], atol=TOLERANCE * float(jnp.abs(before).max()))
        assert not np.allclose(after[:, 1:], before[:, 1:], atol=1e-3)


@EVERY
@LAYOUT
def test_noise_at_padding_changes_no_prediction(mixer, layout):
    model, params = make(mixer, layout)
    inputs = window()
    mask = inputs["mask"].at[:, 15:].set(False)
    noisy = inputs | {"mask": mask, "observations": jnp.where(mask[..., None], inputs["observations"], 1e3)}
    clean = inputs | {"mask": mask}
    got, wanted = (predict(model, params, filled)[:, :15] for filled in (noisy, clean))
    np.testing.assert_allclose(got, wanted, atol=TOLERANCE * float(jnp.abs(wanted).max()))


@EVERY
@LAYOUT
def test_a_reset_separates_episodes_of_a_row(mixer, layout):
    model, params = make(mixer, layout)
    inputs = window()
    resets = jnp.zeros((BATCH, LENGTH), bool).at[:, 10].set(True)
    packed = predict(model, params, inputs | {"resets": resets})
    alone = predict(model, params, {name: value[:, 10:] for name, value in inputs.items()})
    np.testing.assert_allclose(packed[:, 10:], alone, atol=TOLERANCE * float(jnp.abs(alone).max()))


def test_continuous_actions_have_one_output_each():
    model, params = make("s4d", "interleaved", num_actions=None, action_size=2)
    inputs = window() | {name: jnp.ones((BATCH, LENGTH, 2)) for name in ("actions", "previous_actions")}
    assert predict(model, params, inputs).shape == (BATCH, LENGTH, 2)


def test_observations_and_returns_are_scaled_by_the_statistics_of_the_data():
    model, params = make("s4d", "concatenated")
    scaled = decision.DecisionModel(
        decision.DecisionConfig(
            **{
                **model.config.__dict__,
                "return_scale": 10.0,
                "observation_mean": (1.0,) * 4,
                "observation_std": (2.0,) * 4,
            }
        )
    )
    inputs = window()
    raw = inputs | {"returns_to_go": inputs["returns_to_go"] * 10, "observations": inputs["observations"] * 2 + 1}
    np.testing.assert_allclose(predict(scaled, params, raw), predict(model, params, inputs), atol=1e-5)


def test_parameters_are_counted():
    assert decision.num_parameters({"a": jnp.zeros((2, 3)), "b": [jnp.zeros(4)]}) == 10


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mixer": "s5d"}, "there is no mixer 's5d'"),
        ({"tokens": "woven"}, "tokens is 'woven'; choose one of interleaved, concatenated"),
        ({"num_actions": 2, "action_size": 2}, "give exactly one of them"),
        ({"num_actions": None}, "give exactly one of them"),
        ({"context_length": 0}, "context_length is 0"),
        ({"observation_mean": (0.0,)}, "observation_mean has 1 numbers but an observation has 4"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        decision.DecisionConfig(**({"observation_size": 4, "num_actions": 3} | changes))


def test_a_window_longer_than_the_context_is_refused():
    model, params = make("s4d", "concatenated", context_length=LENGTH - 1)
    with pytest.raises(ValueError, match="the window has 24 steps but the model was built for context_length=23"):
        predict(model, params, window())
