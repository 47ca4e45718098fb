"""The options mirror the settings: names, defaults, descriptions and choices."""

import ast
import dataclasses
import inspect
import typing

import pytest

from jax_s4rl.agents import decision_transformer
from jax_s4rl.cli import _settings
from jax_s4rl.data import regimes, sampling
from jax_s4rl.models import configs
from jax_s4rl.modules import attention, block, dropout, heads, mixers, tokens
from jax_s4rl.training import distributed, optimizer

PAIRS = {
    _settings.Mixer: mixers.MixerConfig,
    _settings.Model: configs.ModelConfig,
    _settings.Optimization: optimizer.OptimizerConfig,
    _settings.Settings: decision_transformer.Settings,
    _settings.Cluster: distributed.Cluster,
}
CHOICES = {
    (_settings.Mixer, "name"): mixers.NAMES,
    (_settings.Mixer, "positions"): attention.POSITIONS,
    (_settings.Model, "returns"): tokens.RETURNS,
    (_settings.Model, "tokens"): tokens.LAYOUTS,
    (_settings.Model, "time_embedding"): tokens.TIME_EMBEDDINGS,
    (_settings.Model, "norm"): block.NORMS,
    (_settings.Model, "dropout_over_time"): dropout.KINDS,
    (_settings.Model, "continuous_head"): heads.CONTINUOUS,
    (_settings.Model, "action_loss"): heads.ACTION_LOSSES,
    (_settings.Model, "action_bound"): heads.ACTION_BOUNDS,
    (_settings.Settings, "regime"): regimes.REGIMES,
    (_settings.Settings, "weighting"): sampling.WEIGHTINGS,
}


def descriptions(cls):
    """The string below each field."""
    (node,) = ast.parse(inspect.getsource(cls)).body
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


@pytest.mark.parametrize("mirror", PAIRS)
def test_fields_and_descriptions_are_those_of_the_settings(mirror):
    original = PAIRS[mirror]
    names = [[field.name for field in dataclasses.fields(cls)] for cls in (mirror, original)]
    assert names[0] == names[1]
    assert descriptions(mirror) == descriptions(original)


@pytest.mark.parametrize("mirror", PAIRS)
def test_defaults_convert_both_ways(mirror):
    original = PAIRS[mirror]()
    assert _settings.convert(mirror(), original) == original
    assert _settings.convert(original, mirror()) == mirror()


@pytest.mark.parametrize(("mirror", "name"), CHOICES)
def test_choices_are_those_that_exist(mirror, name):
    hint = typing.get_type_hints(mirror)[name]
    assert typing.get_args(hint) == CHOICES[mirror, name]


def test_settings_that_do_not_fit_each_other_are_refused():
    model = dataclasses.replace(_settings.Model(), width=0)
    given = dataclasses.replace(_settings.Settings(), model=model)
    with pytest.raises(ValueError, match="width is 0"):
        _settings.convert(given, decision_transformer.Settings())
