"""Hindsight credit: trials, metrics of a map that knows all or nothing, and a quick run."""

import dataclasses

import numpy as np
import pytest

from experiments import hindsight_credit as experiment
from experiments import runner
from experiments.report import credit
from jax_s4rl.agents import decision_transformer, hindsight_credit, tasks
from jax_s4rl.evaluation import umbrella
from jax_s4rl.modules import tokens
from jax_s4rl.training import loop
from tests.agents import runs
from tests.experiments import fakes, small_data

FEW = runner.Options(mixers=("attention", "s4d"), episodes=50)


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


def knowing(monkeypatch, credit_of):
    """Models whose credit is a function of the episodes."""

    def of_record(trained, clone, record):
        credit = credit_of(record)
        return hindsight_credit.CreditMap(credit, credit, credit[:, None], credit[:, None])

    monkeypatch.setattr(hindsight_credit, "of_record", of_record)


def score(dataset, episodes=40):
    model = dataclasses.replace(fakes.trained(), log=loop.TrainingLog([1], [0.5], [0.1], 2.0))
    return experiment.metrics(small_data.load(dataset), model, clone=model, episodes=episodes)


@pytest.mark.parametrize("part", experiment.PARTS)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = experiment.EXPERIMENT.parts[part](FEW)
    assert [trial.method for trial in planned] == ["attention", "s4d"]
    every = experiment.EXPERIMENT.parts[part](runner.Options())
    assert len(every) == (2 if part == "umbrella" else 5)
    assert len({trial.digest for trial in planned}) == len(planned)
    (dataset,) = {trial.dataset for trial in planned}
    assert all(
        trial.settings.model.context_length == experiment.STEPS[dataset] for trial in planned
    )


def test_the_clone_has_the_settings_of_the_model_and_no_returns(loaded, monkeypatch):
    trial = experiment.trial("s4d", experiment.KEY_TO_DOOR, FEW)
    asked = []

    def train(settings, task, *, seeds):
        asked.append((settings, seeds))
        return iter([fakes.trained()])

    monkeypatch.setattr(decision_transformer, "train", train)
    changed = dataclasses.replace(trial, metrics=lambda *_, **found: found)
    assert changed.score(runs.TASK, fakes.trained(seed=3)).keys() == {"clone", "episodes"}
    ((settings, seeds),) = asked
    assert seeds == (3,)
    assert (settings.model.returns, settings.weighting) == (tokens.NONE, "uniform")
    again = dataclasses.replace(
        settings,
        weighting="balanced",
        model=dataclasses.replace(settings.model, returns=tokens.INSIDE),
    )
    assert again == trial.settings


def test_perfect_credit_of_the_umbrella(monkeypatch):
    knowing(monkeypatch, umbrella.umbrella_credit)
    found = score(experiment.SHORT)
    assert found["rank_correlation"] == pytest.approx(1)
    assert found["error"] == found["others"] == found["largest_mean_of_others"] == 0
    assert found.keys() >= set(credit.HINDSIGHT.further.values())
    assert found["steps"] == experiment.STEPS[experiment.SHORT]


def test_credit_of_the_wrong_actions(monkeypatch):
    knowing(monkeypatch, lambda record: 0.1 - umbrella.umbrella_credit(record))
    found = score(experiment.SHORT)
    assert found["rank_correlation"] == pytest.approx(-1)
    assert (found["others"], found["largest_mean_of_others"]) == pytest.approx((0.1, 0.1))


def test_perfect_credit_in_key_to_door(monkeypatch):
    task = small_data.load(experiment.KEY_TO_DOOR)
    knowing(monkeypatch, lambda record: experiment.of_key_to_door(task, record)[0])
    found = score(experiment.KEY_TO_DOOR, episodes=100)
    assert found["rank_correlation"] == pytest.approx(1)
    assert found["rank_correlation_of_successes"] == pytest.approx(1)
    assert found["largest_of_others"] < experiment.ROUNDING


def test_clones_differ_by_what_they_learn_from(loaded, monkeypatch):
    planned = experiment.cloning_trials(FEW)
    every = [(trial.dataset, trial.method, trial.variant, trial.keep) for trial in planned]
    assert len({trial.digest for trial in planned}) == len(set(every)) == 12
    assert {trial.method for trial in planned} == set(credit.CLONES)
    assert ("key_to_door/dt/random-10000", "percent_bc", "s4d", runner.SUCCESSES) in every
    weighted = [trial for trial in planned if trial.method == experiment.WEIGHTED]
    for trial in weighted:
        assert trial.settings == experiment.trial(trial.variant, trial.dataset, FEW).settings
    trained = {seed: fakes.trained(seed=seed) for seed in (4, 5)}
    monkeypatch.setattr(
        hindsight_credit, "train_clone", lambda settings, task, *, seed: trained[seed]
    )
    assert list(weighted[0].train(runs.TASK, (5, 4))) == [trained[5], trained[4]]


@pytest.mark.parametrize("dataset", experiment.CLONED)
def test_clones_are_scored_by_what_decides(dataset, monkeypatch):
    task = small_data.load(dataset)
    fakes.acting(monkeypatch, task)
    found = experiment.acting_metrics(task, fakes.trained(returns=tokens.NONE), episodes=20)
    few = task.record.select(np.arange(20) % task.record.num_episodes)
    wanted = (
        few.episode_returns > 0
        if dataset == experiment.KEY_TO_DOOR
        else umbrella.umbrella_first_actions(few)
    )
    assert found["score_greedy"] == wanted.mean()
    assert 0 <= found["score_sampled"] <= 1


def test_data_that_tell_nothing_are_refused_before_the_training(loaded):
    trial = experiment.trial("s4d", experiment.SHORT, FEW)
    silent = dataclasses.replace(runs.TASK.record, rewards=np.zeros_like(runs.TASK.record.rewards))
    with pytest.raises(ValueError, match="all have the return 0"):
        trial.train(dataclasses.replace(runs.TASK, record=silent), (0,))


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "load", small_data.load)
    monkeypatch.setattr(experiment, "JUDGED", 1)
    rows = fakes.look_twice(experiment.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == ["exact", "no credit", "s4d"]
    assert all(-1 <= row["metrics"]["rank_correlation"] <= 1 for row in rows)
