"""CartPole: its trials, its metrics, and a quick run from end to end."""

import numpy as np
import pytest

from experiments import cartpole, runner, tuning
from jax_s4rl.agents import tasks
from tests.agents import runs
from tests.experiments import fakes, small_data


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


@pytest.mark.slow
@pytest.mark.parametrize("part", cartpole.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = cartpole.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.dataset, trial.method, trial.variant) for trial in planned}) == len(planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for trial in cartpole.EXPERIMENT.parts["tuning"](runner.Options()):
        assert trial.data_seed == tuning.DATA_SEED
        point = tuning.Point(
            trial.settings.optimization.learning_rate, trial.settings.model.dropout
        )
        grids.setdefault(trial.method, []).append(
            (point, trial.settings.num_updates, trial.settings.batch_size)
        )
    assert set(grids) == set(runner.MIXERS)
    assert all(
        grid == [(point, cartpole.UPDATES, 64) for point in tuning.GRID] for grid in grids.values()
    )


def test_clones_have_no_returns_and_the_best_tenth_is_kept_for_one_of_them(loaded):
    planned = {
        (trial.method, trial.variant): trial
        for trial in cartpole.dataset_trials("mixed", runner.Options())
    }
    assert planned["bc", "s4d"].settings.model.returns == "none"
    assert planned["bc", "s4d"].keep == runner.ALL
    assert planned["percent_bc", "attention"].settings.model.returns == "none"
    assert planned["percent_bc", "attention"].keep == runner.BEST_TENTH
    assert planned["s5", ""].settings.model.returns == "inside"
    assert planned["mlp", ""].settings.model.mixer.name == "mlp"


def test_conditioned_models_have_a_sweep(monkeypatch, loaded):
    fakes.acting(monkeypatch, runs.TASK)
    (trial, *_) = cartpole.dataset_trials("mixed", runner.Options(mixers=("s4d",)))
    found = trial.score(runs.TASK, fakes.trained())
    assert set(cartpole.TARGETS) <= set(found["asked"])
    assert np.isfinite(found["achieved_greedy"]).all()
    assert "asked" not in trial.score(runs.TASK, fakes.trained("none"))


def test_only_the_further_attention_knows_the_step_of_the_episode(loaded):
    planned = {
        (trial.method, trial.variant): trial.settings
        for trial in cartpole.dataset_trials("mixed", runner.Options())
    }
    clocks = {
        name
        for name, settings in planned.items()
        if name[0] != "cql" and settings.model.time_embedding != "none"
    }
    assert clocks == {("attention", cartpole.TIME_TABLE)}
    assert planned["attention", ""].model.mixer.positions == "rotary"


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "load", small_data.random_play)
    rows = fakes.look_twice(cartpole.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "optimal", "best_in_data", "lookup", "s4d", "percent_bc", "cql"]
    assert [row["method"] for row in rows] == methods
    assert all(0 < row["metrics"]["return_greedy"] <= 500 for row in rows[4:])


def test_the_control_has_no_memory_and_the_settings_of_attention(loaded):
    point = cartpole.CHOSEN.of("attention", runner.Options())
    for trial in cartpole.controls_trials(runner.Options()):
        assert (trial.method, trial.settings.model.mixer.name) == ("mlp", "mlp")
        assert point.of(trial.settings) == trial.settings
