"""Online runs: digests of what fixes them, and rows that are not measured twice."""

import dataclasses
from pathlib import Path

import pytest

from experiments import online
from jax_s4rl.evaluation import result_rows


@dataclasses.dataclass(frozen=True)
class Settings:
    num_updates: int = 3
    rate: float = 0.5


def run(seed=0, measure=None, **changes):
    settings = Settings(**changes)
    return online.Run("walk/3", "some", settings, seed, measure or (lambda run: {}))


def test_settings_are_in_the_digest_and_seeds_are_not():
    assert run(seed=0).digest == run(seed=1).digest
    assert run(rate=0.1).digest != run().digest
    assert dataclasses.replace(run(), env="walk/4").digest != run().digest


def test_rows_are_not_measured_twice(tmp_path):
    measured = []

    def measure(run):
        measured.append(run.seed)
        return {"score": 0.25, "seconds": 2.0, "parameters": 7}

    out = tmp_path / "rows.jsonl"
    online.run_missing("walks", [run(0, measure)], out, "score")
    online.run_missing("walks", [run(seed, measure) for seed in (0, 1)], out, "score")
    assert measured == [0, 1]
    rows = list(result_rows.read_rows(out))
    assert [row["seed"] for row in rows] == [0, 1]
    assert rows[0]["metrics"] == {"cell": run().digest, "variant": "", "score": 0.25}
    assert (rows[0]["updates"], rows[0]["seconds"]["train"]) == (3, 2.0)
    assert rows[0]["parameters"] == 7


def test_rows_of_a_quick_look_are_kept_apart():
    assert online.out_file("walks", None, quick=True) == Path("runs/walks-quick.jsonl")
    assert online.out_file("walks", Path("own"), quick=True) == Path("own")
    assert online.out_file("walks", None, quick=False).parts[-2:] == ("results", "walks.jsonl")


def test_parts_are_checked_and_a_quick_look_replaces_options(tmp_path, monkeypatch):
    assert online.chosen_parts(online.Options(), ["a", "b"]) == ("a", "b")
    assert online.chosen_parts(online.Options(parts=("b",)), ["a", "b"]) == ("b",)
    with pytest.raises(ValueError, match="got parts c; choose from a, b"):
        online.chosen_parts(online.Options(parts=("c",)), ["a", "b"])
    with pytest.raises(ValueError, match="got seeds=0"):
        online.chosen_parts(online.Options(seeds=0), ["a", "b"])
    monkeypatch.chdir(tmp_path)

    def planned(options):
        measure = lambda run: {"score_sampled": 0.5, "seconds": 1.0, "parameters": 7}  # noqa: E731
        return [run(seed, measure) for seed in range(options.seeds)]

    online.run_script("walks", online.Options(quick=True), {"seeds": 2}, planned)
    assert len(list(result_rows.read_rows(tmp_path / "runs" / "walks-quick.jsonl"))) == 2
