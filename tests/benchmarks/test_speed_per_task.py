"""Speed per task: what is timed, what stands in a line, what is not done twice."""

import contextlib
import dataclasses
import types

import numpy as np
import pytest

from benchmarks import speed_per_task, timing, workers
from experiments import (
    cartpole,
    key_door,
    key_to_door,
    memory,
    pendulum,
    random_walk,
    runner,
    umbrella,
)
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import result_rows
from tests.agents import runs

ROWS = runner.results_file("speed_per_task")


@pytest.fixture
def timed(monkeypatch):
    """Names of what was timed; no process is started."""
    found = []

    @contextlib.contextmanager
    def apart(*arguments):
        found.append(arguments)
        yield types.SimpleNamespace(facts={"parameters": 7, "compile": 1.5})

    monkeypatch.setattr(tasks, "load", lambda dataset: runs.TASK)
    monkeypatch.setattr(workers, "apart", apart)
    times = timing.Turns([0.5, 1.0, 1.5], [2.0, 2.0, 2.0])
    monkeypatch.setattr(
        workers, "take_turns", lambda running, repeats, settle: dict.fromkeys(running, times)
    )
    acted = {"act_1": [0.002, 0.002, 0.001], "environment": [0.001]}
    monkeypatch.setattr(
        speed_per_task,
        "time_acting",
        lambda task, chosen, batches, repeats: dict.fromkeys(chosen, acted),
    )
    return found


@pytest.mark.slow
def test_every_mixer_of_every_task_gets_a_line_and_none_twice(tmp_path, timed):
    options = speed_per_task.Options(
        tasks=("cartpole", "pendulum"), mixers=("attention", "s5"), out=tmp_path / "lines"
    )
    speed_per_task.run(options)
    speed_per_task.run(options)
    assert timed == [
        ("task_worker", "speed_per_task", name, mixer)
        for name in options.tasks
        for mixer in options.mixers
    ]
    rows = list(result_rows.read_rows(options.out))
    assert [(row["metrics"]["task"], row["method"]) for row in rows] == [
        arguments[2:] for arguments in timed
    ]
    assert rows[0]["seconds"] == {
        "compile": 1.5,
        "update_minimum": 0.1,
        "update_median": 0.2,
        "act_1_minimum": 0.001,
        "act_1_median": 0.002,
        "environment_minimum": 0.001,
        "environment_median": 0.001,
    }
    assert rows[0]["metrics"]["update_turns"] == [0.1, 0.2, 0.3]
    assert rows[0]["metrics"]["train_seconds"] == pytest.approx(0.2 * rows[0]["updates"])
    assert "200.0 ms an update, 80.0 s for 400; acting 1 at once 2.00 ms" in speed_per_task.line(
        rows[0]
    )


def test_the_mixers_that_have_no_line_are_timed(tmp_path, timed):
    for names in (("s4d",), ("attention", "s4d")):
        speed_per_task.run(
            speed_per_task.Options(tasks=("cartpole",), mixers=names, out=tmp_path / "lines")
        )
    assert [arguments[-1] for arguments in timed] == ["s4d", "attention"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tasks": ("chess",)}, "got tasks chess; choose from random_walk"),
        ({"mixers": ("s9",)}, "no mixer 's9'"),
    ],
)
def test_what_is_unknown_is_refused(tmp_path, timed, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        speed_per_task.run(speed_per_task.Options(out=tmp_path / "lines", **options))
    assert not timed


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["s4d", "attention"])
def test_tasks_are_trained_as_their_experiments_train_them(monkeypatch, mixer):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)
    options = runner.Options()
    trials = {
        "random_walk": random_walk.trial(mixer, random_walk.DEFAULT, random_walk.THOUSAND, options),
        "umbrella": umbrella.trial(mixer, umbrella.LENGTHS[-1], options),
        "memory": memory.memory_trial(mixer, 100, None, options),
        "cartpole": cartpole.trial(mixer, "mixed", options),
        "key_door": key_door.trial(mixer, "random-1000", options),
        "key_to_door": key_to_door.trial(mixer, key_to_door.SMALL, key_to_door.UPDATES, options),
        "pendulum": pendulum.trial(mixer, "replay", options),
    }
    for name, trial in trials.items():
        wanted = trial.settings
        found = speed_per_task.configure(name, mixer, runs.TASK)
        # What tuning chose to drop costs next to nothing.
        assert found.model == dataclasses.replace(wanted.model, dropout=found.model.dropout)
        for field in ("regime", "batch_size", "num_updates"):
            assert getattr(found, field) == getattr(wanted, field)
        assert speed_per_task.TASKS[name][0] == trial.dataset


@pytest.mark.slow
def test_acting_is_timed_for_every_mixer_and_batch():
    record = runs.RECORD
    shown = {
        "observations": np.zeros((record.num_steps, 4), np.float32),
        "final_observations": np.zeros((record.num_episodes, 4), np.float32),
    }
    task = dataclasses.replace(runs.TASK, record=dataclasses.replace(record, **shown))
    chosen = {"mlp": speed_per_task.configure("cartpole", "mlp", task)}
    (found,) = speed_per_task.time_acting(task, chosen, (1, 2), 2).values()
    assert set(found) == {"act_1", "act_2", "environment"}
    assert all(len(turns) == 2 and min(turns) > 0 for turns in found.values())


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        speed_per_task.run(speed_per_task.Options(quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / "speed_per_task-quick.jsonl"))
    assert [row["method"] for row in rows] == ["attention", "s4d"]
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())


def test_digests_of_committed_rows_stay_the_same(monkeypatch):
    # Of attention, whose settings need no data.
    digests = {row["metrics"]["cell"] for row in result_rows.read_rows(ROWS)}
    options = speed_per_task.Options()
    for name in speed_per_task.TASKS:
        settings = speed_per_task.configure(name, "attention", runs.TASK)
        assert speed_per_task.digest(options, settings) in digests
