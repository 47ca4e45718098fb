"""Suites: which parts and seeds are run, where lines go, what is refused."""

import pytest

from experiments import cells, suites
from jax_s4rl import cache_folders
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.evaluation import result_rows
from tests.experiments import runs

CELLS = {name: cells.Cell(name, "tiny", decision_transformer.Settings(num_updates=50)) for name in ("attention", "s4d")}


@pytest.fixture
def ran(monkeypatch):
    """What was run: (method, seeds, path), one for each cell."""
    found = []

    def run(experiment, cells, seeds, judge, path, console, train):
        assert (judge, train) == (SUITE.judge, SUITE.train)
        found.extend((cell.method, list(seeds), path) for cell in cells)

    monkeypatch.setattr(cells, "run", run)
    monkeypatch.setattr(cache_folders, "enable_cache", lambda: None)
    monkeypatch.setattr(tasks, "load", lambda dataset: runs.TASK)
    return found


def plan(options):
    return [CELLS[name] for name in options.mixers if name in CELLS]


SUITE = suites.Suite(
    name="some",
    parts={"small": suites.Part(plan, most_seeds=2), "large": suites.Part(plan)},
    judge=lambda cell, task, trained: {"seconds": 0.0},
    references=lambda options: suites.bounds("tiny"),
    quick=("large",),
)


def test_all_parts_are_run_in_their_order_each_with_its_seeds(tmp_path, ran):
    path = tmp_path / "lines.jsonl"
    suites.run(SUITE, suites.Options(out=path, seeds=3))
    assert ran == [
        ("attention", [0, 1], path),
        ("s4d", [0, 1], path),
        ("attention", [0, 1, 2], path),
        ("s4d", [0, 1, 2], path),
    ]


def test_references_are_written_once(tmp_path, ran):
    for _ in range(2):
        suites.run(SUITE, suites.Options(out=tmp_path / "lines.jsonl"))
    rows = list(result_rows.read_rows(tmp_path / "lines.jsonl"))
    assert [(row["method"], row["metrics"]["return"]) for row in rows] == [
        ("random", runs.TASK.random_return),
        ("optimal", runs.TASK.optimal_return),
        ("best_in_data", runs.TASK.record.episode_returns.max()),
    ]


def test_a_quick_look_is_small_and_kept_apart(tmp_path, ran, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suites.run(SUITE, suites.Options(quick=True))
    assert [(method, seeds, str(path)) for method, seeds, path in ran] == [
        ("attention", [0], "runs/some-quick.jsonl"),
        ("s4d", [0], "runs/some-quick.jsonl"),
    ]
    assert suites.Options(quick=True).updates(300) < suites.Options().updates(300) == 300


def test_a_dry_run_lists_and_writes_nothing(tmp_path, ran, capsys):
    suites.run(SUITE, suites.Options(out=tmp_path / "lines.jsonl", dry=True, seeds=3))
    assert not ran
    assert not list(tmp_path.iterdir())
    shown = capsys.readouterr().out
    assert "tiny, attention: 2 of 2 seeds, 100 updates of 64" in shown
    assert "300 updates" in shown


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"parts": ("medium",)}, "got parts medium; choose from small, large"),
        ({"mixers": ("s9",)}, "s9"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_run(ran, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        suites.run(SUITE, suites.Options(**options))
    assert not ran


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seeds": 0}, "got seeds=0; ask for 1 or more"),
        ({"episodes": 20}, "got episodes=20; ask for 50 or more"),
        ({"quick": True, "parts": ("small",)}, "--quick chooses parts, mixers, seeds and episodes by itself"),
        ({"quick": True, "seeds": 3}, "--quick chooses"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_training(options, told):
    with pytest.raises(ValueError, match=told):
        suites.run(SUITE, suites.Options(**options))
