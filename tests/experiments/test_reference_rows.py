"""Rows without training: what is known of a task, written once."""

import io

import pytest
import rich.console

from experiments import reference_rows
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import result_rows
from tests.agents import runs

QUIET = rich.console.Console(file=io.StringIO())


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda *_, **__: runs.TASK)
    return runs.TASK


def test_the_bounds_are_those_of_task_and_record(task):
    found = {one.method: one.metrics["return"] for one in reference_rows.bounds("some")}
    assert found["best_in_data"] == task.record.episode_returns.max()
    assert found.keys() == {"random", "optimal", "best_in_data"}


def test_a_row_is_written_once(task, tmp_path):
    out = tmp_path / "rows.jsonl"
    references = [reference_rows.Reference("random", "some", {"return": 0.5})]
    more = [*references, reference_rows.Reference("optimal", "some", {"return": 1.0})]
    for given in (references, more, more):
        reference_rows.write("tiny", given, out, None, QUIET)
    rows = list(result_rows.read_rows(out))
    assert [(row["method"], row["metrics"]["return"]) for row in rows] == [
        ("random", 0.5),
        ("optimal", 1.0),
    ]
    assert {row["env"] for row in rows} == {task.env_id}


def test_what_waits_is_computed_once_its_row_is_missing(task, tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"return": 2.0}

    waiting = reference_rows.Later("lookup", "some", compute)
    half = waiting.change(lambda found: {"return": found["return"] / 2})
    assert not calls
    out = tmp_path / "rows.jsonl"
    for _ in range(2):
        reference_rows.write("tiny", [half], out, None, QUIET)
    assert [row["metrics"]["return"] for row in result_rows.read_rows(out)] == [1.0]
    assert len(calls) == 1
    assert reference_rows.Reference("random", "some", {"return": 2.0}).change(dict).metrics == {
        "return": 2.0
    }
