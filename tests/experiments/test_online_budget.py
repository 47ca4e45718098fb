"""The online budget: trials of the tuning grids, curves of made rows, and a quick run."""

import numpy as np
import pytest

from experiments import cartpole, online_budget, runner, tuning
from jax_s4rl.agents import tasks
from tests.agents import runs
from tests.experiments import fakes, small_data


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


def test_the_grid_is_that_of_the_experiment(loaded):
    options = runner.Options(mixers=("attention",))
    ours = online_budget.grid_trials("cartpole", options)
    theirs = cartpole.EXPERIMENT.parts["tuning"](options)
    assert [trial.settings for trial in ours] == [trial.settings for trial in theirs]
    assert [tuning.parse(trial.variant) for trial in ours] == list(tuning.GRID)
    few = online_budget.grid_trials("cartpole", runner.Options(mixers=("attention",), quick=True))
    assert len(few) == 2
    assert online_budget.EXPERIMENT.seeds("key_door", runner.Options(seeds=5)) == range(2)


def test_every_episode_is_kept(monkeypatch, loaded):
    calls = fakes.acting(monkeypatch, runs.TASK)
    (trial, *_) = online_budget.grid_trials("cartpole", runner.Options(mixers=("attention",)))
    found = trial.score(runs.TASK, fakes.trained())
    assert len(found["returns"]) == 250
    assert found["return_sampled"] == pytest.approx(np.mean(found["returns"]))
    assert not calls[0][1].any()


def row(method, point, seed, returns):
    metrics = {"variant": point.variant, "returns": returns}
    return {"dataset": "some", "method": method, "seed": seed, "metrics": metrics}


def test_policies_are_points_and_seeds_and_as_many_for_all():
    low, high = tuning.GRID[:2]
    rows = [row("s4d", low, seed, [1.0, 1.0]) for seed in (0, 1)]
    rows += [row("s4d", high, 0, [5.0]), row("s4d", high, 0, [3.0])]
    rows += [row("attention", low, 0, [2.0]), row("attention", high, 0, [2.0])]
    rows += [{"dataset": "some", "method": "random", "metrics": {"return": 0.0}}]
    found = online_budget.curves(rows, num_evaluations=2, num_repeats=6_000)
    assert found.keys() == {("some", "s4d"), ("some", "attention")}
    np.testing.assert_array_equal(found["some", "attention"].mean, 2.0)
    # Two of three policies are drawn: the better one is among them twice in three times.
    assert found["some", "s4d"].mean[-1] == pytest.approx((1 + 3 + 3) / 3, abs=0.1)
    assert online_budget.curves([]) == {}


def test_references_are_those_of_the_parts(loaded):
    found = online_budget.references(runner.Options(parts=("key_door",)))
    assert {row.dataset for row in found} == {"key_door/random-1000"}


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "load", small_data.load)
    rows = fakes.look_twice(online_budget.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "optimal", "best_in_data", "s4d", "s4d"]
    assert [row["method"] for row in rows] == methods
    assert all(len(row["metrics"]["returns"]) == 50 for row in rows[3:])
