"""Presets: the paper's shape, and models with another mixer and as many parameters."""

import dataclasses

import pytest

from jax_s4rl.models import configs, presets
from jax_s4rl.modules import mixers
from tests.models import small

FACTS = {"observation_shape": (17,), "num_actions": 6, "horizon": 1000}


def config(name):
    return configs.DecisionTransformerConfig(**FACTS, model=presets.get(name))


def test_the_paper_has_three_blocks_of_minigpt():
    chosen = presets.get("paper")
    assert (chosen.mixer.name, chosen.mixer.num_heads, chosen.num_layers, chosen.width) == (
        "attention",
        1,
        3,
        128,
    )
    # In each block 12 width^2 of matrices, biases (2 + 1 + 4 + 1 widths, none for keys) and norms
    # (4 widths); then the final norm.
    blocks = 3 * (12 * 128**2 + 12 * 128) + 2 * 128
    # Linear return, observations; table of actions and of time; head.
    rest = 2 * 128 + 18 * 128 + 7 * 128 + 1000 * 128 + 129 * 6
    assert presets.count(config("paper")) == blocks + rest


@pytest.mark.slow
@pytest.mark.parametrize(
    "mixer", small.marked([(name,) for name in mixers.NAMES], [("s4d",), ("lstm",)])
)
def test_twins_have_the_same_number_of_parameters(mixer):
    wanted = config("paper")
    matched = presets.match_parameters(wanted, mixers.MixerConfig(mixer))
    assert matched.model.mixer.name == mixer
    assert presets.count(matched) == pytest.approx(presets.count(wanted), rel=0.002)
    same = dataclasses.replace(matched, model=dataclasses.replace(wanted.model))
    assert same == wanted


def test_the_lean_preset_has_no_feed_forward_part():
    lean, full = config("paper-lean"), config("paper")
    assert lean.model.mlp_ratio == 0
    assert (lean.model.width, lean.model.num_layers) == (full.model.width, full.model.num_layers)
    assert presets.count(lean) < presets.count(full)


def test_a_mixer_that_is_too_large_has_no_twin():
    with pytest.raises(
        ValueError,
        match=r"a lstm model of width 128 has at least .* more than the .* to be matched",
    ):
        presets.match_parameters(config("paper-lean"), mixers.MixerConfig("lstm"))


def test_an_unknown_preset_is_refused():
    with pytest.raises(
        ValueError, match="there is no preset 'papr'; choose one of paper, paper-lean"
    ):
        presets.get("papr")
