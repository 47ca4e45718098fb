"""The plan of a training says what will be trained, and trains nothing."""

import dataclasses
import json

import pytest

from jax_s4rl.agents import plan
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from tests.agents import runs

SETTINGS = dataclasses.replace(
    runs.SETTINGS,
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("mlp"), context_length=4, width=8, num_layers=1, mlp_ratio=1
    ),
)


@pytest.mark.slow
def test_a_plan_has_data_environment_model_memory_and_minutes():
    made = plan.make(runs.TASK, SETTINGS)
    assert json.loads(json.dumps(made)) == made
    assert made["data"] == {
        "name": "tiny",
        "episodes": 4,
        "steps": 13,
        "returns": [
            float(value(runs.RECORD.episode_returns)) for value in (min, lambda x: x.mean(), max)
        ],
        "lengths": [1, 3.25, 5],
    }
    assert made["environment"]["name"] == "CartPole-v1"
    assert made["model"]["tokens_per_row"] == 4
    assert made["model"]["seeds"] == 1
    assert made["training"]["minutes"] > 0
    assert made["training"]["mebibytes"] > 0
    shown = plan.lines(made)
    assert any("Box of shape (4,)" in line for line in shown)
    assert shown[-1] == "nothing was trained, nothing was written"
