"""Trajectory Transformer: trials, scores, times of plans, and a quick run from end to end."""

import dataclasses

import numpy as np
import pytest

from experiments import runner, trajectory_transformer
from jax_s4rl.agents import planner, tasks
from jax_s4rl.agents import trajectory_transformer as agent
from jax_s4rl.models import presets
from tests.experiments import fakes, small_data, test_random_walk

FEW = runner.Options(mixers=("attention", "s4d"))
WALKS = trajectory_transformer.WALKS


@pytest.fixture(scope="module")
def task():
    return test_random_walk.make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


@pytest.mark.parametrize("part", trajectory_transformer.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = trajectory_transformer.EXPERIMENT.parts[part](FEW)
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


def test_mixers_differ_by_the_mixer_alone_and_have_as_many_parameters(loaded, task):
    attention, s4d = (
        trajectory_transformer.trial(mixer, WALKS, FEW).settings for mixer in FEW.mixers
    )
    model = dataclasses.replace(
        s4d.model,
        mixer=attention.model.mixer,
        positions=attention.model.positions,
        mlp_ratio=attention.model.mlp_ratio,
    )
    assert dataclasses.replace(s4d, model=model) == attention
    counts = [
        presets.count(agent.tokenize(each, task)[0])
        - (each.model.context_length * 4 * 64 if each.model.positions == "learned" else 0)
        for each in (attention, s4d)
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.02)


def test_a_variant_changes_the_plan_and_a_batch_keeps_its_transitions(loaded):
    plain = trajectory_transformer.trial("attention", WALKS, FEW).settings
    changes = trajectory_transformer.VARIANTS[WALKS]["history"]
    history = trajectory_transformer.trial("attention", WALKS, FEW, "history", **changes).settings
    assert (plain.plan.memory, history.plan.memory) == (planner.TRANSITION, planner.ROW)
    sizes = [each.batch_size * each.model.context_length for each in (plain, history)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
    changes = trajectory_transformer.VARIANTS[WALKS]["imitation"]
    imitation = trajectory_transformer.trial("s4d", WALKS, FEW, "imitation", **changes).settings
    assert imitation.plan.search.rank_by == "likelihood"


def test_scores_are_shares(task):
    cartpole = small_data.load("cartpole/random")
    assert trajectory_transformer.score(
        dataclasses.replace(cartpole, dataset="cartpole/mixed"), 250.0
    ) == pytest.approx(250 / cartpole.optimal_return)
    best = trajectory_transformer.best_controller(task)
    assert trajectory_transformer.score(task, best) == 1
    assert trajectory_transformer.score(task, task.random_return) == 0


def test_the_best_controller_has_the_best_tenth_in_order(task):
    returns = task.record.episode_returns
    wanted = max(returns[first : first + 4].mean() for first in range(0, 40, 4))
    assert trajectory_transformer.best_controller(task) == pytest.approx(wanted)


def test_walks_of_others_are_scored_too(loaded, task, monkeypatch):
    calls = fakes.acting(monkeypatch, task)
    found = trajectory_transformer.walk_metrics(task, fakes.trained(), 2)
    assert found["score_greedy"] == found["optimal_share_greedy"]
    assert len(calls[0][0]) == 2 * 19
    assert not [name for name in found if name.endswith("_sampled")]


def test_references_have_the_scores_of_models(loaded, monkeypatch):
    rows = trajectory_transformer.references(runner.Options(quick=True))
    scores = {row.method: row.metrics["score_greedy"] for row in rows}
    assert scores["optimal"] == 1
    assert 0 < scores["random"] < scores["blind"] < 1


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = fakes.look_twice(trajectory_transformer.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "blind", "lookup", "optimal", "attention", "s4d"]
    assert [row["method"] for row in rows] == methods
    assert all(0 <= row["metrics"]["score_greedy"] <= 1 for row in rows)
    for row in rows[4:]:
        assert row["context_length"] == 2
        assert row["metrics"]["distinct_beams"] >= 1


@pytest.mark.slow
def test_plans_are_timed_at_every_horizon(task):
    trial = fakes.narrow(trajectory_transformer.trial("s4d", WALKS, FEW).shorten())
    (trained,) = trial.train(task, [0])
    found = trajectory_transformer.plan_metrics(task, trained, (1, 3))
    assert {"ms_per_plan_at_1", "ms_per_plan_at_3"} <= found.keys()
    assert found["seconds"] > 0
    assert np.isfinite(found["ms_per_plan_at_3"])
