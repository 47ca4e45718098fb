"""Configurations: what is saved comes back, and differences have names."""

import dataclasses
import json

import numpy as np
import pytest

from jax_s4rl.agents import decision_transformer, run_directory
from jax_s4rl.modules import mixers
from jax_s4rl.training import config_io, optimizer

CONFIG = optimizer.OptimizerConfig(learning_rate=0.25, betas=(0.5, 0.75))


def test_what_is_saved_comes_back():
    saved = {
        "optimization": CONFIG,
        "seeds": (0, 1),
        "dataset": None,
        "nested": {"type": "x", "deep": (("a", 1.5),)},
    }
    assert config_io.from_json(json.loads(json.dumps(config_io.to_json(saved)))) == saved


def test_differing_fields_are_named():
    saved, given = ({"optimization": config_io.to_json(config)} for config in (CONFIG, CONFIG))
    config_io.check_same(saved, given, where="runs/x")
    given["optimization"] |= {"clip": 2.0, "betas": [0.5, 0.5]}
    given["seeds"] = [0]
    sentence = (
        r"runs/x was made with another configuration: optimization.clip is 1.0 there, 2.0 was "
        r"given, optimization.betas is \[0.5, 0.75\] there, \[0.5, 0.5\] was given, seeds is "
        r"nothing there, \[0\] was given"
    )
    with pytest.raises(ValueError, match=sentence):
        config_io.check_same(saved, given, where="runs/x")


@dataclasses.dataclass(frozen=True)
class Local:
    x: int = 0


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (float("nan"), "got nan, which JSON cannot hold"),
        ({"a": (np.zeros(2),)}, "got a ndarray in a configuration"),
        (Local(), "cannot be made again from a file; define it at the top of a module"),
    ],
)
def test_what_cannot_be_saved_is_refused(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        config_io.to_json(value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({config_io.TYPE: "os.path.join"}, "there is no configuration os.path.join"),
        (
            {config_io.TYPE: "jax_s4rl.training.optimizer.Gone"},
            "there is no configuration jax_s4rl.training.opt",
        ),
        (
            {config_io.TYPE: "jax_s4rl.training.optimizer.make"},
            "there is no configuration jax_s4rl.training.opt",
        ),
        (
            {"momentum": 1},
            r"differ from today's: missing \[\], unknown \['momentum'\]; use the version",
        ),
    ],
)
def test_only_configurations_of_the_project_are_made(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        config_io.from_json(config_io.to_json(CONFIG) | change)


def test_what_an_older_version_saved_is_loaded():
    config = mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE)
    saved = config_io.to_json(config)
    for added in ("method", "chunk", "precision", "expand", "head_size", "channel_states"):
        del saved[added]
    assert config_io.from_json(saved) == config
    values = {name: value for name, value in saved.items() if name != config_io.TYPE}
    assert config_io.identity(config) == values
    config_io.check_same(saved, config_io.to_json(config), where="runs/x")
    chosen = dataclasses.replace(config, chunk=16)
    assert config_io.identity(chosen) == values | {"chunk": 16}
    with pytest.raises(ValueError, match="chunk is nothing there, 16 was given"):
        config_io.check_same(saved, config_io.to_json(chosen), where="runs/x")
    del saved["step_range"]
    with pytest.raises(ValueError, match=r"missing \['step_range'\]"):
        config_io.from_json(saved)


def test_version_0_1_kept_classes_elsewhere():
    before = {today: name for name, today in config_io.MOVED.items()}
    settings = decision_transformer.Settings(num_updates=7)
    saved = config_io.to_json(settings)
    saved[config_io.TYPE] = before[saved[config_io.TYPE]]
    assert config_io.from_json(saved) == settings
    config_io.check_same(saved, config_io.to_json(settings), where="runs/x")


def test_derived_fields_that_an_older_file_lacks_cannot_differ():
    world = run_directory.World("CartPole-v1", {}, 9, 0.0, 1.0, num_steps=7)
    saved = config_io.to_json(world)
    for name in ("num_steps", "num_episodes", "observation_space"):
        del saved[name]
    config_io.check_same({"world": saved}, {"world": config_io.to_json(world)}, where="runs/x")
    saved["num_steps"] = 8
    with pytest.raises(ValueError, match="num_steps is 8 there, 7 was given"):
        config_io.check_same(saved, config_io.to_json(world), where="runs/x")
