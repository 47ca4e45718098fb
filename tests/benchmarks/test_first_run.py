"""Quick looks: every experiment is looked at, from nothing, and a failure says why."""

import importlib.util
import subprocess
import types

import pytest

from benchmarks import first_run
from experiments.report import catalog
from jax_s4rl.evaluation import result_rows


def test_every_experiment_of_the_report_is_looked_at():
    tasks = {task.file for task in catalog.tasks(catalog.read()) if task.rows.scored}
    assert set(first_run.EXPERIMENTS) >= tasks | {"tokens", "checkpoints", catalog.SPEED}


def test_every_script_is_there():
    for name in first_run.EXPERIMENTS:
        package = first_run.PACKAGES.get(name, "experiments")
        assert importlib.util.find_spec(f"{package}.{name}")


def test_a_look_starts_from_nothing_and_counts_its_lines(tmp_path, monkeypatch):
    started = []
    line = result_rows.make_row(experiment="walks", method="s4d", metrics={}, seconds={})
    monkeypatch.setattr(result_rows, "make_row", lambda **fields: fields)

    def run(command, *, cwd, env, **_):
        started.append((command[1:], env))
        for _ in range(2):
            result_rows.append_row(cwd / "runs" / "walks-quick.jsonl", line)
        return types.SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    row = first_run.look("walks", tmp_path)
    ((command, env),) = started
    assert command == ["-m", "experiments.walks", "--quick"]
    for variable in ("JAX_S4RL_DATA", "JAX_COMPILATION_CACHE_DIR"):
        assert env[variable] == str(tmp_path / variable)
    assert (row["metrics"]["look"], row["metrics"]["lines"]) == ("walks", 2)
    assert row["seconds"]["look"] >= 0


def test_a_look_that_fails_says_what_was_said(tmp_path, monkeypatch):
    ended = types.SimpleNamespace(returncode=3, stdout="no such thing")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(RuntimeError, match="ended with status 3; its output:\nno such thing"):
        first_run.look("walks", tmp_path)
