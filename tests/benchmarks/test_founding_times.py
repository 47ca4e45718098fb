"""Times of the founding report: models that are timed, contents of a row, and no second timing."""

import contextlib
import types

import pytest

from benchmarks import founding_times, timing, workers
from experiments import founding_report
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import result_rows
from tests.agents import runs

THEIRS, OURS = founding_times.COLUMNS


@pytest.fixture(name="timed")
def fake_workers(monkeypatch):
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
    return found


@pytest.mark.slow
def test_the_four_models_of_a_task_get_a_row_and_none_twice(tmp_path, timed):
    options = founding_times.Options(tasks=("umbrella",), out=tmp_path / "rows.jsonl")
    founding_times.run(options)
    founding_times.run(options)
    assert timed == [
        ("task_worker", "founding_times", "umbrella", model) for model in founding_times.MODELS
    ]
    rows = list(result_rows.read_rows(options.out))
    assert [(row["metrics"]["variant"], row["method"]) for row in rows] == [
        (column, mixer) for column in (THEIRS, OURS) for mixer in ("attention", "s4")
    ]
    assert {row["dataset"] for row in rows} == {founding_report.UMBRELLAS[8].dataset}
    assert rows[0]["seconds"] == {"compile": 1.5, "update_minimum": 0.25, "update_median": 0.5}


def test_columns_are_those_of_the_experiment():
    theirs, ours = (
        founding_times.configure("umbrella", f"{column}, s4", runs.TASK)
        for column in founding_times.COLUMNS
    )
    assert (theirs.model.num_layers, ours.model.num_layers) == (1, 3)
    assert theirs.updates_per_dispatch == founding_times.UPDATES_PER_CALL
    assert theirs.num_updates % theirs.updates_per_dispatch == 0


def test_other_tasks_and_no_turns_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got tasks chess; choose from graph, umbrella"):
        founding_times.run(founding_times.Options(tasks=("chess",), out=tmp_path / "rows"))
    with pytest.raises(ValueError, match="got repeats=0; ask for 1 turn or more"):
        founding_times.run(founding_times.Options(repeats=0, out=tmp_path / "rows"))
