"""Options that cannot be are refused before data are made or read, in Python and on commands."""

import dataclasses
import math
import re
import types

import numpy as np
import pytest

from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import decision_transformer, loading, policy_folder, ranges, run_directory
from jax_s4rl.cli import evaluate, export, film, train
from tests.agents import runs

NAN, INF = math.nan, math.inf
COUNTS = (0, -5)
# Values that each numeric setting refuses.
SETTINGS = {
    "num_updates": COUNTS,
    "updates_per_dispatch": COUNTS,
    "batch_size": COUNTS,
    "num_micro_batches": (*COUNTS, 3),
    "optimization.learning_rate": (NAN, INF, 0.0, -1.0),
    "optimization.state_space_learning_rate": (NAN, INF, 0.0, -1.0),
    "optimization.weight_decay": (NAN, INF, -0.1),
    "optimization.warmup_updates": (-1,),
    "optimization.warmup_limit": (NAN, INF, -0.1),
    "optimization.final_fraction": (NAN, INF, -0.1, 1.5),
    "optimization.clip": (NAN, INF, 0.0),
    "optimization.epsilon": (NAN, INF, 0.0),
    "optimization.betas": ((0.9, 1.0), (NAN, 0.9), (-0.1, 0.9)),
    "model.context_length": COUNTS,
    "model.width": COUNTS,
    "model.num_layers": COUNTS,
    "model.mlp_ratio": (NAN, INF, -1.0),
    "model.dropout": (NAN, INF, 1.5, 1.0, -0.1),
    "model.observation_loss": (NAN, INF, -1.0),
    "model.return_loss": (NAN, INF, -1.0),
    "model.mixer.state_size": (0, -2, 3),
    "model.mixer.expand": COUNTS,
    "model.mixer.head_size": (*COUNTS, 7),
    "model.mixer.channel_states": COUNTS,
    "model.mixer.num_blocks": (*COUNTS, 5),
    "model.mixer.step_range": ((0.0, 0.1), (NAN, 0.1), (0.1, INF), (0.2, 0.1)),
    "model.mixer.ring": ((NAN, 1.0), (-0.1, 1.0), (0.5, 1.5), (0.9, 0.1)),
    "model.mixer.largest_angle": (NAN, INF, 0.0),
    "model.mixer.num_heads": (*COUNTS, 7),
    "model.mixer.window": COUNTS,
    "model.mixer.chunk": COUNTS,
}
# The mixer that takes an option, if it is not the usual one.
MIXERS = {"num_blocks": "s5", "ring": "lru", "largest_angle": "lru"}
MIXERS |= {"num_heads": "attention", "window": "attention"}
MIXERS |= {"expand": "mamba2", "head_size": "mamba2", "channel_states": "mamba"}
PAIRS = [(name, value) for name, values in SETTINGS.items() for value in values]


def numeric(settings, prefix=""):
    """Names of all fields that hold numbers."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from numeric(value, f"{prefix}{field.name}.")
        elif not isinstance(value, bool) and any(
            kind in str(field.type) for kind in ("int", "float")
        ):
            yield f"{prefix}{field.name}"


def test_every_numeric_setting_has_a_range():
    assert set(numeric(decision_transformer.Settings())) == set(SETTINGS)


@pytest.fixture
def no_data(monkeypatch):
    """Fails as soon as data are looked for."""

    def fail(*_, **__):
        raise AssertionError("data were looked for")

    for name in ("load", "read"):
        monkeypatch.setattr(loading, name, fail)
    monkeypatch.setattr(run_directory, "read", fail)
    monkeypatch.setattr(policy_folder, "read", fail)
    monkeypatch.setattr(policy_folder, "is_one", fail)


@pytest.mark.parametrize(("name", "value"), PAIRS, ids=str)
@pytest.mark.usefixtures("no_data")
def test_a_setting_out_of_its_range_is_refused_before_data(tmp_path, name, value):
    mixer = MIXERS.get(name.rpartition(".")[2], "s4d")
    words = [str(one) for one in (value if isinstance(value, tuple) else (value,))]
    flag = f"--{name.replace('_', '-')}"
    # An equals sign, because a negative number looks like a flag.
    given = [f"{flag}={words[0]}"] if len(words) == 1 else [flag, *words]
    with pytest.raises(SystemExit) as left:
        train.main(["--folder", str(tmp_path / "run"), "--mixer", mixer, *given])
    assert str(left.value).startswith("error: ")
    assert not (tmp_path / "run").exists()
    *path, field = name.split(".")
    optimization = decision_transformer.Settings().optimization
    changes = {field: value}
    if path == ["optimization"]:
        changes = {"optimization": dataclasses.replace(optimization, **changes)}
    if path == ["model", "mixer"]:
        return
    with pytest.raises(ValueError, match=f"{field}|rows"):
        agents.train("none.npz", mixer=mixer, **changes)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--seeds 0", "seeds is 0; give 1 or more"),
        ("--seeds -1", "seeds is -1; give 1 or more"),
        ("--checkpoint-every -5", "checkpoint_every is -5; give 1 or more"),
        ("--episodes 0", "got 0 episodes; give 1 or more"),
        ("--targets nan", r"got the target returns \(nan,\); give finite numbers"),
        ("--targets 1 inf", r"got the target returns \(1.0, inf\); give finite numbers"),
        ("--targets 1e39", r"got the target returns \(1e\+39,\); give finite numbers"),
        ("--hold-out nan", "hold_out is nan; give a share of at least 0"),
        ("--hold-out 1", "hold_out is 1.0; give a share of at least 0"),
        ("--hold-out -0.1", "hold_out is -0.1; give a share of at least 0"),
        ("--max-episode-steps 0", "max_episode_steps is 0; give 1 or more"),
        ("--regime half", "invalid choice|half"),
        ("--cluster.process-id 0 --cluster.num-processes 0", "give the first three together"),
        (
            "--cluster.coordinator h:1 --cluster.process-id 0 --cluster.num-processes 0",
            "process_id is 0 of 0 processes",
        ),
        (
            "--cluster.coordinator h:0 --cluster.process-id 0 --cluster.num-processes 1",
            "give its port too",
        ),
        (
            "--cluster.coordinator h:99999 --cluster.process-id 0 --cluster.num-processes 1",
            "give its port too",
        ),
    ],
)
@pytest.mark.usefixtures("no_data")
def test_an_option_of_training_is_refused_before_data(tmp_path, capsys, words, sentence):
    with pytest.raises(SystemExit) as left:
        train.main(["--folder", str(tmp_path / "run"), *words.split()])
    assert left.value.code
    assert re.search(sentence, f"{left.value} {capsys.readouterr().err}")


@pytest.mark.parametrize(
    ("main", "words", "sentence"),
    [
        (evaluate.main, "--episodes 0", "got 0 episodes; give 1 or more"),
        (evaluate.main, "--targets inf", "got the target returns"),
        (film.main, "--targets nan", "got the target returns"),
        (film.main, "--seed -1", "seed is -1; give a whole number from 0"),
        (film.main, "--number -1", "number is -1; give 0 or more"),
        (film.main, "--max-frames 1", "max_frames is 1; give 2 or more"),
        (export.main, "--number -1", "number is -1; give 0 or more"),
    ],
)
@pytest.mark.usefixtures("no_data")
def test_an_option_of_another_command_is_refused_before_a_run_is_read(
    tmp_path, main, words, sentence
):
    with pytest.raises(SystemExit, match=f"error: {sentence}"):
        main([str(tmp_path), *words.split()])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": 1.5}, "seeds is 1.5; give a whole number, 1 or more"),
        ({"seeds": True}, "seeds is True; give a whole number"),
        ({"batch_size": 2.5}, "batch_size is 2.5; give a whole number"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"hold_out": NAN}, "hold_out is nan"),
        ({"regime": "half"}, "regime is 'half'; choose one of windows"),
        ({"weighting": "half"}, "weighting is 'half'; choose one of length"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("no_data")
def test_an_argument_of_train_is_refused_before_data(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        ranges.check_training(
            dataclasses.replace(
                decision_transformer.Settings(),
                **{k: v for k, v in options.items() if hasattr(runs.SETTINGS, k)},
            ),
            options.get("seeds", 1),
            options.get("checkpoint_every", 1),
            options.get("hold_out", 0.0),
        )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"episodes": 0}, "got 0 episodes"),
        ({"target_return": NAN}, r"got the target returns \[nan\]"),
        ({"target_return": [1.0, INF]}, r"got the target returns \[1.0, inf\]"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"number": -1}, "number is -1"),
    ],
    ids=str,
)
def test_an_argument_of_evaluate_is_refused_before_it_acts(options, sentence):
    agent = types.SimpleNamespace(
        description=types.SimpleNamespace(world=types.SimpleNamespace(best_return=1.0))
    )
    with pytest.raises(ValueError, match=sentence):
        agents.evaluate(agent, **options)


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,), (2**32,)], ids=str)
def test_seeds_are_different_numbers(seeds):
    with pytest.raises(ValueError, match="seed"):
        ranges.check_seeds(seeds)
    ranges.check_seeds((0, 5, np.int64(7)))
