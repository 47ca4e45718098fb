"""Checkpoints are those of one training, the last is what it ends with, and rules choose what they say."""

import dataclasses
import types

import jax
import numpy as np
import pytest
import rich.console

from experiments import asking, cartpole, cells, checkpoints, key_door, suites
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.evaluation import rollout
from tests.experiments import runs

QUIET = rich.console.Console(quiet=True)
SETTINGS = dataclasses.replace(runs.SETTINGS, num_updates=20)


def make_cell(number=4):
    told = (("checkpoints", number), ("episodes", 2))
    return cells.Cell("attention", "tiny", SETTINGS, evaluation=told)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(
        decision_transformer, "prepare", lambda settings, task, num_seeds=1, _=None: runs.make_program(num_seeds)
    )


def test_checkpoints_are_those_of_one_training(tiny):
    watched = list(checkpoints.train(make_cell(), runs.TASK, (0, 1), QUIET))
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

    monkeypatch.setattr(cells, "act", act)
    monkeypatch.setattr(asking, "best", lambda task: 9.0)
    losses = (0.4, 0.3, 0.1, 0.2)
    kept = tuple(checkpoints.Checkpoint(step, loss, step) for step, loss in zip((5, 10, 15, 20), losses, strict=True))
    trained = checkpoints.Watched(runs.MODEL, "", 0, 20, None, 0.0, kept)  # pyright: ignore[reportArgumentType]
    metrics = checkpoints.judge(make_cell(), runs.TASK, trained)
    assert metrics["reached_greedy"] == [3.0, 9.0, 4.0, 5.0]
    assert metrics["tried_sampled"] == [0.5, 1.0, 3.5, 3.0]
    chosen = {name: metrics[f"{name}_greedy"] for name in ("return", "lowest_loss", "tried_out", "maximum")}
    assert chosen == {"return": 5.0, "lowest_loss": 4.0, "tried_out": 4.0, "maximum": 9.0}
    assert (metrics["return_step_sampled"], metrics["maximum_step_sampled"]) == (20, 10)
    assert metrics["seconds"] == pytest.approx(8 * 1.5)


def test_trainings_are_those_of_the_experiments(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)
    for part in checkpoints.SUITE.parts.values():
        planned = part.plan(suites.Options(mixers=("attention",)))
        assert [dict(cell.evaluation)["checkpoints"] for cell in planned] == [checkpoints.NUMBER]
        (cell,) = planned
        script = {"cartpole/medium": cartpole, "key_door/random-1000": key_door}[cell.dataset]
        theirs = script.make_cell("attention", script.TUNED_ON, suites.Options())
        assert (cell.dataset, cell.settings) == (theirs.dataset, theirs.settings)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = runs.look_twice(checkpoints.SUITE, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == ["random", "optimal", "best_in_data", "attention", "s4d"]
    assert rows[-1]["metrics"]["steps"] == [25, 50]
