"""Presets: the paper's shape, and models with another mixer and as many parameters."""

import dataclasses

import pytest

from jax_s4rl.models import configs, decision_transformer, presets, trajectory_transformer
from jax_s4rl.modules import mixers
from tests.models import small, small_trajectory

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


@pytest.mark.parametrize(
    "name", small.marked([(name,) for name in mixers.NAMES], [("attention",), ("mlp",), ("lstm",)])
)
def test_parameters_counted_in_one_block_are_those_of_the_whole_model(name):
    for changes in (
        {"num_layers": 2, "mlp_ratio": 1.5, "context_length": 7, "time_embedding": "none"},
        {"num_layers": 3, "mlp_ratio": 0, "returns": "none", "norm": "none"},
    ):
        options = {"positions": "learned"} if name == "attention" else {}
        changed = small.config(small.mixer_config(name, **options), **changes)
        whole = decision_transformer.num_parameters(decision_transformer.shapes(changed))
        assert presets.count(changed) == whole


@pytest.mark.parametrize("changes", [{"mlp_ratio": 1.5}, {"mlp_ratio": 0, "positions": "learned"}])
def test_parameters_of_a_trajectory_transformer_are_counted_in_one_block(changes):
    changed = small_trajectory.config("mlp", num_layers=3, **changes)
    whole = decision_transformer.num_parameters(trajectory_transformer.shapes(changed))
    assert presets.count(changed) == whole


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
