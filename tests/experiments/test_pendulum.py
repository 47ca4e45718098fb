"""Pendulum: its trials, its metrics, and a quick run from end to end."""

import dataclasses

import gymnasium
import numpy as np
import pytest

from experiments import pendulum, runner, tuning
from jax_s4rl.agents import tasks
from tests.agents import runs
from tests.experiments import fakes, small_data

RECORD = dataclasses.replace(runs.RECORD, actions=np.zeros((runs.RECORD.num_steps, 1), np.float32))
TASK = dataclasses.replace(
    runs.TASK,
    record=RECORD,
    num_actions=None,
    action_space=gymnasium.spaces.Box(-2, 2, (1,)),
)


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: TASK)


@pytest.mark.slow
@pytest.mark.parametrize("part", pendulum.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = pendulum.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.dataset, trial.method, trial.variant) for trial in planned}) == len(planned)
    assert all(trial.settings.model.continuous_head == "point" for trial in planned)


@pytest.mark.slow
def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for trial in pendulum.EXPERIMENT.parts["tuning"](runner.Options()):
        assert trial.data_seed == tuning.DATA_SEED
        point = tuning.Point(
            trial.settings.optimization.learning_rate, trial.settings.model.dropout
        )
        grids.setdefault(trial.method, []).append(
            (point, trial.settings.num_updates, trial.settings.batch_size)
        )
    assert set(grids) == set(runner.MIXERS)
    assert all(
        grid == [(point, pendulum.UPDATES, 64) for point in tuning.GRID] for grid in grids.values()
    )


def test_clones_have_no_returns_and_the_best_tenth_is_kept_for_one_of_them(loaded):
    planned = {
        (trial.method, trial.variant): trial
        for trial in pendulum.dataset_trials("replay", runner.Options())
    }
    assert planned["bc", "s4d"].settings.model.returns == "none"
    assert planned["bc", "s4d"].keep == runner.ALL
    assert planned["percent_bc", "attention"].keep == runner.BEST_TENTH
    assert planned["mlp", ""].settings.model.mixer.name == "mlp"


def test_there_are_greedy_actions_only(monkeypatch, loaded):
    calls = fakes.acting(monkeypatch, TASK)
    (trial, *_) = pendulum.dataset_trials("replay", runner.Options(mixers=("s4d",)))
    found = trial.score(TASK, fakes.trained())
    assert calls[0][1].all()
    assert set(pendulum.TARGETS) <= set(found["asked"])
    assert np.isfinite(found["achieved_greedy"]).all()
    assert not [name for name in found if name.endswith("_sampled")]


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "load", small_data.random_play)
    rows = fakes.look_twice(pendulum.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "optimal", "best_in_data", "lookup", "s4d"]
    assert [row["method"] for row in rows] == methods
    assert all(row["metrics"]["return_greedy"] < 0 for row in rows[4:])


def test_the_control_has_no_memory_and_the_settings_of_attention(loaded):
    point = pendulum.CHOSEN.of("attention", runner.Options())
    for trial in pendulum.controls_trials(runner.Options()):
        assert (trial.method, trial.settings.model.mixer.name) == ("mlp", "mlp")
        assert point.of(trial.settings) == trial.settings
