"""What is trained again: only lines of lost commits, whole cells, in an order that nobody chose."""

import dataclasses

import pytest

from experiments import cells, history, reproductions, suites
from jax_s4rl.agents import decision_transformer
from jax_s4rl.models import configs

LOST = sorted(history.LOST)[0]


def line(cell, seed, commit=LOST, seconds=1.0):
    return {"metrics": {"cell": cell.digest}, "seed": seed, "commit": commit, "seconds": {"train": seconds}}


@pytest.fixture
def planned():
    settings = decision_transformer.Settings(model=configs.ModelConfig())
    return [cells.Cell("s4d", "made_up", settings, variant=name) for name in "abcd"]


def test_cells_of_lost_commits_come_in_the_order_of_their_digests(planned):
    lost, kept, mixed, long = planned
    rows = [line(lost, 1), line(lost, 0), line(kept, 0, "0" * 12), line(mixed, 0), line(mixed, 1, "0" * 12)]
    rows += [line(long, 0, seconds=1e6), {"metrics": {}, "seed": None, "commit": LOST, "seconds": {}}]
    options = reproductions.Options(cells=5)
    assert reproductions.choose(planned, rows, options) == [(lost, [0, 1])]
    both = reproductions.choose(planned, rows, dataclasses.replace(options, longest=1e9))
    assert [cell for cell, _ in both] == sorted((lost, long), key=lambda cell: cell.digest)
    assert reproductions.choose(planned, rows, dataclasses.replace(options, cells=0)) == []


def test_an_unknown_experiment_is_refused_before_anything_is_trained():
    with pytest.raises(ValueError, match=r"got experiments nowhere; choose from random_walk, umbrella"):
        reproductions.main(reproductions.Options(experiments=("nowhere",)))


def test_what_is_missing_is_trained_as_its_experiment_does(monkeypatch, planned, tmp_path):
    told = []
    suite = suites.Suite("made_up", {"all": suites.Part(lambda _: planned)}, "judge", lambda _: [], (), "train")
    monkeypatch.setattr(reproductions, "SUITES", {"made_up": suite})
    monkeypatch.setattr(reproductions.cache_folders, "enable_cache", lambda: None)
    monkeypatch.setattr(reproductions.result_rows, "read_rows", lambda _: [line(cell, 3) for cell in planned])
    monkeypatch.setattr(reproductions.cells, "run", lambda *given: told.append(given))
    out = tmp_path / "lines.jsonl"
    reproductions.main(reproductions.Options(("made_up",), cells=1, out=out))
    ((name, (cell,), seeds, judge, path, _, train),) = told
    assert (name, seeds, judge, path, train) == ("made_up", [3], "judge", out, "train")
    assert cell.digest == min(each.digest for each in planned)
