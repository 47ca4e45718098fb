"""Configurations: what cannot be built is refused in a sentence, and what is saved comes back."""

import dataclasses
import json

import pytest

from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from jax_s4rl.training import config_io
from tests.models import small


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mixer": mixers.MixerConfig("s5d")}, "there is no mixer 's5d'"),
        (
            {"mixer": mixers.MixerConfig("attention", num_heads=3)},
            "width 8 cannot be split into 3 heads",
        ),
        ({"tokens": "woven"}, "tokens is 'woven'; choose one of interleaved, concatenated"),
        ({"returns": "above"}, "returns is 'above'; choose one of inside, outside, none"),
        (
            {"time_embedding": "rotary"},
            "time_embedding is 'rotary'; choose one of learned, sinusoidal, none",
        ),
        (
            {"time_embedding": "sinusoidal", "width": 7},
            "width is 7; a sinusoidal time embedding needs an even",
        ),
        ({"continuous_head": "beta"}, "continuous_head is 'beta'; choose one of point, gaussian"),
        (
            {"action_loss": "hinge"},
            "action_loss is 'hinge'; choose one of cross_entropy, squared_error",
        ),
        ({"action_bound": "clip"}, "action_bound is 'clip'; choose one of none, tanh"),
        ({"activations": "float64"}, "activations is 'float64'; choose one of float32, bfloat16"),
        ({"norm": "middle"}, "norm is 'middle'"),
        ({"context_length": 0}, "context_length is 0; it has to be at least 1"),
        (
            {"return_loss": 1.0},
            "the tokens already contain the return-to-go; choose returns='outside'",
        ),
        (
            {"observation_loss": -1.0},
            "observation_loss is -1.0; the weight of a loss is at least 0",
        ),
    ],
)
def test_choices_that_cannot_be_built_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        small.model_config(**changes)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"action_size": 2}, "give exactly one of them"),
        ({"num_actions": None}, "give exactly one of them"),
        ({"horizon": None}, "horizon is None, but a learned time embedding needs it"),
        (
            {"observation_mean": (0.0,)},
            "observation_mean has 1 numbers but this kind of observation has 4",
        ),
        (
            {"observation_kind": "one_hot", "observation_std": (1.0,) * 4},
            "observation_std has 4 numbers but this kind of observation has 0",
        ),
        (
            {"observation_kind": "sound"},
            "observation_kind is 'sound'; choose one of vector, one_hot, index, image",
        ),
        ({"observation_shape": (2, 3)}, r"kind 'vector' has 1 axes but its shape is \(2, 3\)"),
        (
            {"observation_shape": (), "observation_kind": "index"},
            "num_observations is None; give their number",
        ),
        ({"return_scale": 0.0}, "return_scale is 0.0; it divides returns and has to be positive"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts, sentence):
    with pytest.raises(ValueError, match=sentence):
        small.config("s4d", facts)


def test_next_images_are_not_predicted():
    facts = {"observation_kind": "image", "observation_shape": (8, 8, 3)}
    with pytest.raises(
        ValueError, match="next observations can be predicted only if they are vectors"
    ):
        small.config("s4d", facts, observation_loss=1.0)


def test_a_configuration_comes_back_from_its_file():
    facts = {"observation_mean": (0.5,) * 4, "observation_std": (2.0,) * 4}
    config = small.config(small.mixer_config("s5", step_range=(1e-2, 0.2)), facts, mlp_ratio=2.5)
    assert config_io.from_json(json.loads(json.dumps(config_io.to_json(config)))) == config


def test_every_field_has_its_sentence():
    # tyro shows them; the sentence follows the field in the source.
    import inspect

    for kind in (configs.ModelConfig, configs.DecisionTransformerConfig):
        lines = inspect.getsource(kind).splitlines()
        for field in dataclasses.fields(kind):
            place = next(
                n for n, line in enumerate(lines) if line.startswith(f"    {field.name}: ")
            )
            assert lines[place + 1].startswith('    """'), field.name
