"""Checkpoints belong to one training and end with its result; each rule chooses one."""

import dataclasses
import types

import jax
import numpy as np
import pytest
import rich.console

from experiments import cartpole, checkpoints, key_door, runner, target_returns
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.evaluation import rollout
from tests.agents import runs
from tests.experiments import fakes

QUIET = rich.console.Console(quiet=True)
SETTINGS = dataclasses.replace(runs.SETTINGS, num_updates=20)


def make_trial(number=4):
    evaluation = (("checkpoints", number), ("episodes", 2))
    return checkpoints.WatchedTrial(
        "attention", "tiny", SETTINGS, evaluation=evaluation, metrics=checkpoints.metrics
    )


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(
        decision_transformer,
        "prepare",
        lambda settings, task, num_seeds=1, *_: runs.make_program(num_seeds),
    )


def test_checkpoints_are_those_of_one_training(tiny):
    watched = list(make_trial().train(runs.TASK, (0, 1), QUIET))
    plain = list(decision_transformer.train(SETTINGS, runs.TASK, seeds=(0, 1)))
    for own, alone in zip(watched, plain, strict=True):
        assert isinstance(own, checkpoints.Watched)
        # Of dispatches of two updates, the first at or after each fourth of the way.
        assert [each.step for each in own.checkpoints] == [6, 10, 16, 20]
        last = own.checkpoints[-1]
        assert jax.tree.all(jax.tree.map(np.array_equal, last.params, own.params))
        assert jax.tree.all(jax.tree.map(np.array_equal, own.params, alone.params))
        assert last.loss == pytest.approx(np.mean(alone.log.losses[8:]))
    first, other = (own.checkpoints[0].params["w"] for own in watched)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, watched[0].checkpoints[1].params["w"])


def test_rules_choose_what_they_say(monkeypatch):
    # By the step of a checkpoint: the score, and what trying out finds.
    returns = {5: (3.0, 1.0), 10: (9.0, 2.0), 15: (4.0, 7.0), 20: (5.0, 6.0)}

    def act(trained, task, targets, *, greedy, seed):
        is_trial = seed > 100_000 * checkpoints.APART
        found = np.where(greedy, 1.0, 0.5) * returns[trained.params][is_trial]
        record = types.SimpleNamespace(episode_returns=found)
        return rollout.Rollout(record, targets, greedy, 1.0, 0.5, 3.0)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(target_returns, "act", act)
    monkeypatch.setattr(target_returns, "best", lambda task: 9.0)
    losses = (0.4, 0.3, 0.1, 0.2)
    kept = tuple(
        checkpoints.Checkpoint(step, loss, step)
        for step, loss in zip((5, 10, 15, 20), losses, strict=True)
    )
    trained = checkpoints.Watched(runs.MODEL, "", 0, 20, None, 0.0, kept)  # pyright: ignore[reportArgumentType]
    metrics = make_trial().score(runs.TASK, trained)
    assert metrics["reached_greedy"] == [3.0, 9.0, 4.0, 5.0]
    assert metrics["tried_sampled"] == [0.5, 1.0, 3.5, 3.0]
    chosen = {
        name: metrics[f"{name}_greedy"]
        for name in ("return", "lowest_loss", "tried_out", "maximum")
    }
    assert chosen == {"return": 5.0, "lowest_loss": 4.0, "tried_out": 4.0, "maximum": 9.0}
    assert (metrics["return_step_sampled"], metrics["maximum_step_sampled"]) == (20, 10)
    assert metrics["seconds"] == pytest.approx(8 * 1.5)


def test_trainings_are_those_of_the_experiments(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)
    for part in checkpoints.EXPERIMENT.parts.values():
        planned = part(runner.Options(mixers=("attention",)))
        assert [dict(trial.evaluation)["checkpoints"] for trial in planned] == [checkpoints.NUMBER]
        (trial,) = planned
        script = {"cartpole/medium": cartpole, "key_door/random-1000": key_door}[trial.dataset]
        theirs = script.trial("attention", script.TUNED_ON, runner.Options())
        assert (trial.dataset, trial.settings) == (theirs.dataset, theirs.settings)
        assert isinstance(trial, checkpoints.WatchedTrial)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = fakes.look_twice(checkpoints.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == ["random", "optimal", "best_in_data", "s4d"]
    assert rows[-1]["metrics"]["steps"] == [10, 20]
