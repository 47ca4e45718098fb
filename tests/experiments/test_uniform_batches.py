"""Uniform batches: the stages of the search from made rows, and a quick run."""

import json

import pytest

from experiments import key_to_door, runner, tuning, uniform_batches
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import result_rows
from tests.experiments import fakes
from tests.experiments.test_key_to_door import make_task

FIRST = uniform_batches.GRID[0]


@pytest.fixture(scope="module")
def doors():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, doors):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: doors)
    monkeypatch.setattr(key_to_door, "choose_data_seeds", lambda count, dataset="": [0] * count)
    monkeypatch.setattr(runner, "results_file", lambda name: runner.Path("none.jsonl"))


def options_with(path, scores):
    """Options that read tuning rows of attention, one for each point."""
    empty = dict.fromkeys(result_rows.FIELDS) | {"seconds": {}, "experiment": uniform_batches.NAME}
    with path.open("w") as file:
        for point, score in scores.items():
            metrics = {"variant": point.variant, key_to_door.TUNED_BY: score}
            row = {"method": "attention", "dataset": key_to_door.SMALL, "metrics": metrics}
            file.write(json.dumps(empty | row) + "\n")
    return runner.Options(out=path, mixers=("attention",), quick=True)


def test_rate_dropout_decay_and_updates_follow_the_tuning(loaded, tmp_path):
    best = FIRST._replace(rate=3e-3, decay=1.0)
    known = {point: 0.9 if point == best else 0.2 for point in uniform_batches.GRID}
    options = options_with(tmp_path / "grid.jsonl", known)
    (outward,) = uniform_batches.edges_trials(options)
    assert tuning.parse(outward.variant) == best._replace(rate=1e-2)
    (longer,) = uniform_batches.updates_trials(options, factor=2)
    assert longer.settings.num_updates == 3_000
    assert longer.settings.optimization.weight_decay == 1.0
    assert longer.data_seed == tuning.DATA_SEED

    # More updates leave the stage of the edges as it was.
    known[best._replace(updates=3_000)] = 0.95
    options = options_with(tmp_path / "more.jsonl", known)
    assert [each.digest for each in uniform_batches.edges_trials(options)] == [outward.digest]
    found = uniform_batches.small_trials(options)
    assert {trial.settings.num_updates for trial in found} == {3_000}
    assert dict(found[0].evaluation)["episodes"] == 4 * options.episodes
    assert dict(found[0].notes) == {"rate_at_edge": True, "still_rising": True}
    (large,) = uniform_batches.large_trials(options)
    assert large.settings.num_updates == uniform_batches.LARGE_UPDATES
    assert large.settings.weighting == "uniform"
    assert large.settings.optimization.weight_decay == 1.0


def test_the_model_without_memory_gets_the_same_grid(loaded):
    found = uniform_batches.tuning_trials(runner.Options(mixers=("s4d",)))
    methods = [trial.method for trial in found]
    assert methods == 8 * ["s4d"] + 8 * ["mlp"]
    variants = [trial.variant for trial in found]
    assert variants[:8] == variants[8:]


def test_nothing_is_tried_outward_before_there_are_rows(loaded):
    assert uniform_batches.edges_trials(runner.Options()) == []
    assert uniform_batches.chosen("attention", runner.Options()) == FIRST


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = fakes.look_twice(uniform_batches.EXPERIMENT, tmp_path, monkeypatch)
    assert {row["method"] for row in rows} >= {"s4d"}
