"""Parameters counted in one block are those of the whole model."""

import dataclasses

import pytest

from jax_s4rl.models import configs, presets
from jax_s4rl.modules import mixers
from tests.experiments import counts


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("attention", "mlp", "lstm") else pytest.param(name, marks=pytest.mark.slow)
        for name in mixers.NAMES
    ],
)
def test_one_block_tells_the_parameters_of_all(name):
    model = dataclasses.replace(presets.get("paper"), mixer=mixers.MixerConfig(name), width=16)
    for changes in (
        {"num_layers": 2, "mlp_ratio": 1.5, "context_length": 7, "time_embedding": "none"},
        {"num_layers": 3, "mlp_ratio": 0, "returns": "none", "norm": "none"},
    ):
        if name == "attention":
            changes["mixer"] = mixers.MixerConfig(name, positions="learned")
        config = configs.DecisionTransformerConfig(
            observation_shape=(5,),
            num_actions=3,
            horizon=9,
            model=dataclasses.replace(model, **changes),
        )
        assert counts.count(config) == counts.exact(config)
