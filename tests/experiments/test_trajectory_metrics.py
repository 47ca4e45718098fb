"""Scores of plans: shares of walks and of returns, and the times of plans."""

import dataclasses

import numpy as np
import pytest

from experiments import runner, trajectory_metrics, trajectory_transformer
from jax_s4rl.agents import tasks
from tests.experiments import fakes, small_data, test_random_walk

FEW = runner.Options(mixers=("attention", "s4d"))
WALKS = trajectory_transformer.WALKS


@pytest.fixture(scope="module")
def task():
    return test_random_walk.make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


def test_scores_are_shares(task):
    cartpole = small_data.load("cartpole/random")
    assert trajectory_metrics.score(
        dataclasses.replace(cartpole, dataset="cartpole/mixed"), 250.0
    ) == pytest.approx(250 / cartpole.optimal_return)
    best = trajectory_metrics.best_controller(task)
    assert trajectory_metrics.score(task, best) == 1
    assert trajectory_metrics.score(task, task.random_return) == 0


def test_the_best_controller_has_the_best_tenth_in_order(task):
    returns = task.record.episode_returns
    wanted = max(returns[first : first + 4].mean() for first in range(0, 40, 4))
    assert trajectory_metrics.best_controller(task) == pytest.approx(wanted)


def test_walks_of_others_are_scored_too(loaded, task, monkeypatch):
    calls = fakes.acting(monkeypatch, task)
    found = trajectory_metrics.walk_metrics(task, fakes.trained(), 2)
    assert found["score_greedy"] == found["optimal_share_greedy"]
    assert len(calls[0][0]) == 2 * 19
    assert not [name for name in found if name.endswith("_sampled")]


@pytest.mark.slow
def test_plans_are_timed_at_every_horizon(task):
    trial = fakes.narrow(trajectory_transformer.trial("s4d", WALKS, FEW).shorten())
    (trained,) = trial.train(task, [0])
    found = trajectory_metrics.plan_metrics(task, trained, (1, 3))
    assert {"ms_per_plan_at_1", "ms_per_plan_at_3"} <= found.keys()
    assert found["seconds"] > 0
    assert np.isfinite(found["ms_per_plan_at_3"])
