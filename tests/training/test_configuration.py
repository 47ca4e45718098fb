"""Configurations: what is saved comes back, and differences have names."""

import dataclasses
import json

import numpy as np
import pytest

from jax_s4rl.modules import mixers
from jax_s4rl.training import configuration, optimizer

CONFIG = optimizer.OptimizerConfig(learning_rate=0.25, betas=(0.5, 0.75))


def test_what_is_saved_comes_back():
    saved = {"optimization": CONFIG, "seeds": (0, 1), "dataset": None, "nested": {"type": "x", "deep": (("a", 1.5),)}}
    assert configuration.from_json(json.loads(json.dumps(configuration.to_json(saved)))) == saved


def test_differing_fields_are_named():
    saved, given = ({"optimization": configuration.to_json(config)} for config in (CONFIG, CONFIG))
    configuration.check_same(saved, given, where="runs/x")
    given["optimization"] |= {"clip": 2.0, "betas": [0.5, 0.5]}
    given["seeds"] = [0]
    sentence = (
        r"runs/x was made with another configuration: optimization.clip is 1.0 there, 2.0 was given, "
        r"optimization.betas is \[0.5, 0.75\] there, \[0.5, 0.5\] was given, seeds is nothing there, \[0\] was given"
    )
    with pytest.raises(ValueError, match=sentence):
        configuration.check_same(saved, given, where="runs/x")


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
        configuration.to_json(value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({configuration.TYPE: "os.path.join"}, "there is no configuration os.path.join"),
        ({configuration.TYPE: "jax_s4rl.training.optimizer.Gone"}, "there is no configuration jax_s4rl.training.opt"),
        ({configuration.TYPE: "jax_s4rl.training.optimizer.make"}, "there is no configuration jax_s4rl.training.opt"),
        ({"momentum": 1}, r"differ from today's: missing \[\], unknown \['momentum'\]; use the version"),
    ],
)
def test_only_configurations_of_the_project_are_made(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        configuration.from_json(configuration.to_json(CONFIG) | change)


def test_what_an_older_version_saved_is_loaded():
    config = mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE)
    saved = configuration.to_json(config)
    for added in ("method", "chunk", "precision"):
        del saved[added]
    assert configuration.from_json(saved) == config
    assert configuration.identity(config) == saved
    configuration.check_same(saved, configuration.to_json(config), where="runs/x")
    chosen = dataclasses.replace(config, chunk=16)
    assert configuration.identity(chosen) == saved | {"chunk": 16}
    with pytest.raises(ValueError, match="chunk is nothing there, 16 was given"):
        configuration.check_same(saved, configuration.to_json(chosen), where="runs/x")
    del saved["step_range"]
    with pytest.raises(ValueError, match=r"missing \['step_range'\]"):
        configuration.from_json(saved)
