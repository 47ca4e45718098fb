"""Key and door: its trials, its metrics on recorded episodes, and a quick run from end to end."""

import dataclasses

import numpy as np
import pytest

from experiments import key_door, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from tests.experiments import fakes


@pytest.fixture(scope="module")
def task():
    with registry.make(key_door.ENV_ID) as env:
        behavior = behaviors.uniform(env.action_space)
        record = recording.record_episodes(
            lambda: registry.make(key_door.ENV_ID), behavior, 60, seed=0
        )
    return tasks.Task(key_door.ENV_ID, {}, "key_door/random-1000", record, 6, 200, 0.56, 11.0)


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


@pytest.mark.slow
@pytest.mark.parametrize("part", key_door.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = key_door.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for trial in key_door.EXPERIMENT.parts["tuning"](runner.Options()):
        assert trial.data_seed == tuning.DATA_SEED
        point = tuning.Point(
            trial.settings.optimization.learning_rate, trial.settings.model.dropout
        )
        grids.setdefault(trial.method, []).append(
            (point, trial.settings.num_updates, trial.settings.batch_size)
        )
    assert set(grids) == set(runner.MIXERS)
    assert all(
        grid == [(point, key_door.UPDATES, 16) for point in tuning.GRID] for grid in grids.values()
    )


def test_clones_see_all_episodes_or_the_best_tenth_where_there_is_one(loaded):
    planned = {
        (trial.method, trial.variant): trial
        for trial in key_door.dataset_trials("mixed", runner.Options())
    }
    assert (planned["bc", "s4d"].keep, planned["percent_bc", "s4d"].keep) == (
        runner.ALL,
        runner.BEST_TENTH,
    )
    assert (
        planned["bc", "s4d"].settings.weighting
        == planned["percent_bc", "s4d"].settings.weighting
        == "uniform"
    )
    assert planned["s4d", ""].settings.weighting == "balanced"
    methods = [
        trial.method for trial in key_door.dataset_trials(key_door.ONE_RETURN, runner.Options())
    ]
    assert methods == [*runner.MIXERS, "bc", "bc"]


def test_a_short_context_has_as_many_steps_in_a_batch(loaded):
    (short, *_) = key_door.short_trials(runner.Options())
    (whole, *_) = key_door.dataset_trials("mixed", runner.Options())
    sizes = [
        trial.settings.batch_size * trial.settings.model.context_length for trial in (short, whole)
    ]
    assert sizes == [3_200, 3_200]
    assert (short.settings.regime, whole.settings.regime) == ("windows", "episodes")


@pytest.mark.slow
def test_the_rates_of_key_and_door_are_metrics(monkeypatch, task):
    fakes.acting(monkeypatch, task)
    (trial, *_) = key_door.short_trials(runner.Options())
    found = trial.score(task, fakes.trained())
    record, scored = task.record, np.arange(50)
    # Played in the order of the record: first the mean of the best tenth, then the best one.
    assert found["target"] == target_returns.best(task) > target_returns.tenth(task)
    assert found["steps_greedy"] > 150
    assert 0 < found["second_room_greedy"] <= found["key_greedy"] < 0.8
    assert found["apples_greedy"] <= record.episode_returns[scored].max()
    assert found["success_sampled"] <= found["second_room_sampled"]
    assert 0 < found["steps_to_key_greedy"] <= 200
    assert -1 <= found["key_lift_greedy"] <= 1
    assert found["copied_greedy"] == 1.0
    assert len(found["keys_sampled"]) == len(found["asked"])
    assert "key_lift_greedy" not in trial.score(task, fakes.trained("none"))


def test_a_copy_does_all_that_a_recorded_episode_did(task):
    record, changed = task.record, task.record.actions.copy()
    changed[record.episode_starts[1] + 3] += 1
    acted = dataclasses.replace(record, actions=changed)
    assert key_door.copies(acted, record).tolist() == [True, False] + [True] * (
        record.num_episodes - 2
    )


@pytest.mark.slow
def test_there_is_no_key_lift_where_all_recorded_returns_are_the_same(monkeypatch, task):
    same = dataclasses.replace(task, record=task.record.select(np.array([0, 0])))
    fakes.acting(monkeypatch, same)
    (trial, *_) = key_door.short_trials(runner.Options())
    found = trial.score(same, fakes.trained())
    assert "key_greedy" in found
    assert "key_lift_greedy" not in found


@pytest.mark.slow
def test_the_key_lift_compares_as_many_episodes_of_both_ends(monkeypatch, task):
    happened = key_door.events(task.record)
    with_key, without = np.flatnonzero(happened.has_key), np.flatnonzero(~happened.has_key)
    plan = key_door.return_sweep.choose_targets(np.array([0.0, 5.0]), count=2, extra=(11.0,))
    # Ten with a high target, of which the first two count; two with 0; one target without data.
    order = np.concatenate([with_key[:2], without[:8], without[:2], with_key[:1]])
    targets = np.array([5.0] * 10 + [0.0] * 2 + [11.0], np.float32)
    record = task.record.select(order)
    acted = key_door.rollout.Rollout(record, targets, np.ones(13, bool), 0.0, 0.0, 1)
    found = key_door.lift(key_door.events(record), acted, plan, "greedy")
    assert found == {"key_lift_greedy": 1.0, "keys_greedy": [0.0, 0.2, 1.0]}


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = fakes.look_twice(key_door.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "optimal", "best_in_data", "lookup", "s4d", "cql"]
    assert [row["method"] for row in rows] == methods
    assert all(0 <= row["metrics"]["key_sampled"] <= 1 for row in rows[4:])


def test_the_control_has_no_memory_and_the_settings_of_attention(loaded):
    point = key_door.CHOSEN.of("attention", runner.Options())
    for trial in key_door.controls_trials(runner.Options()):
        assert (trial.method, trial.settings.model.mixer.name) == ("mlp", "mlp")
        assert point.of(trial.settings) == trial.settings
