"""Chosen trials: rows of lost commits only, all seeds, in an order that nobody chose."""

import dataclasses
import re
from pathlib import Path

import pytest

from experiments import reproductions, runner
from jax_s4rl.agents import decision_transformer
from jax_s4rl.models import configs

LOST = sorted(reproductions.LOST)[0]


def row(trial, seed, commit=LOST, seconds=1.0):
    return {
        "metrics": {"cell": trial.digest},
        "seed": seed,
        "commit": commit,
        "seconds": {"train": seconds},
    }


@pytest.fixture
def planned():
    settings = decision_transformer.Settings(model=configs.ModelConfig())
    return [
        runner.Trial("s4d", "made_up", settings, variant=name, metrics=lambda *_: {})
        for name in "abcd"
    ]


def test_trials_of_lost_commits_come_in_the_order_of_their_digests(planned):
    lost, kept, mixed, long = planned
    rows = [
        row(lost, 1),
        row(lost, 0),
        row(kept, 0, "0" * 12),
        row(mixed, 0),
        row(mixed, 1, "0" * 12),
    ]
    rows += [
        row(long, 0, seconds=1e6),
        {"metrics": {}, "seed": None, "commit": LOST, "seconds": {}},
    ]
    options = reproductions.Options(cells=5)
    assert reproductions.choose(planned, rows, options) == [(lost, [0, 1])]
    both = reproductions.choose(planned, rows, dataclasses.replace(options, longest=1e9))
    assert [trial for trial, _ in both] == sorted((lost, long), key=lambda trial: trial.digest)
    assert reproductions.choose(planned, rows, dataclasses.replace(options, cells=0)) == []


def test_an_unknown_experiment_is_refused_before_anything_is_trained():
    with pytest.raises(
        ValueError, match=r"got experiments nowhere; choose from random_walk, umbrella"
    ):
        reproductions.main(reproductions.Options(experiments=("nowhere",)))


def test_the_chosen_trials_are_run(monkeypatch, planned, tmp_path):
    calls = []
    experiment = runner.Experiment("made_up", {"all": lambda _: planned}, lambda _: [], ())
    rows = [row(trial, 3) for trial in planned]
    monkeypatch.setattr(reproductions, "EXPERIMENTS", {"made_up": experiment})
    monkeypatch.setattr(reproductions.cache_folders, "enable_compilation_cache", lambda: None)
    monkeypatch.setattr(reproductions.result_rows, "read_rows", lambda _: rows)
    monkeypatch.setattr(runner, "run_trials", lambda *given: calls.append(given))
    out = tmp_path / "rows.jsonl"
    reproductions.main(reproductions.Options(("made_up",), cells=1, out=out))
    ((name, (trial,), seeds, path, _),) = calls
    assert (name, seeds, path) == ("made_up", [3], out)
    assert trial.digest == min(each.digest for each in planned)


def test_the_results_readme_names_the_same_commits():
    text = (Path(reproductions.__file__).parent / "results" / "README.md").read_text()
    assert set(re.findall(r"`([0-9a-f]{12})`", text)) == {
        *reproductions.LOST,
        reproductions.TAKEN_UP_BY,
    }
