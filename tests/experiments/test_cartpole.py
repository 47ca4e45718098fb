"""CartPole: its plan, its judge, and a quick run from end to end."""

import numpy as np
import pytest

from experiments import cartpole, cells, suites, tuning
from jax_s4rl.agents import tasks
from tests.experiments import asked, runs


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


@pytest.mark.parametrize("part", cartpole.SUITE.parts)
def test_every_cell_of_a_part_is_another(loaded, part):
    planned = cartpole.SUITE.parts[part].plan(suites.Options(mixers=("attention", "s4d")))
    assert len({cell.digest for cell in planned}) == len(planned)
    assert len({(cell.method, cell.variant) for cell in planned}) == len(planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for cell in cartpole.plan_tuning(suites.Options()):
        assert cell.data_seed == tuning.DATA_SEED
        point = tuning.Point(cell.settings.optimization.learning_rate, cell.settings.model.dropout)
        grids.setdefault(cell.method, []).append((point, cell.settings.num_updates, cell.settings.batch_size))
    assert set(grids) == set(suites.MIXERS)
    assert all(grid == [(point, cartpole.UPDATES, 64) for point in tuning.GRID] for grid in grids.values())


def test_clones_are_told_no_return_and_the_best_tenth_is_kept_for_one_of_them(loaded):
    planned = {(cell.method, cell.variant): cell for cell in cartpole.plan("mixed", suites.Options())}
    assert planned["bc", "s4d"].settings.model.returns == "none"
    assert planned["bc", "s4d"].keep == cells.ALL
    assert planned["percent_bc", "attention"].settings.model.returns == "none"
    assert planned["percent_bc", "attention"].keep == cells.BEST_TENTH
    assert planned["s5", ""].settings.model.returns == "inside"
    assert planned["mlp", ""].settings.model.mixer.name == "mlp"


def test_the_judge_sweeps_those_that_listen(monkeypatch, loaded):
    asked.acting(monkeypatch, runs.TASK)
    (cell, *_) = cartpole.plan("mixed", suites.Options(mixers=("s4d",)))
    found = cartpole.judge(cell, runs.TASK, asked.trained())
    assert set(cartpole.TARGETS) <= set(found["asked"])
    assert np.isfinite(found["achieved_greedy"]).all()
    assert "asked" not in cartpole.judge(cell, runs.TASK, asked.trained("none"))


def test_only_the_attention_beside_knows_the_step_of_the_episode(loaded):
    planned = {(cell.method, cell.variant): cell.settings for cell in cartpole.plan("mixed", suites.Options())}
    clocks = {
        name for name, settings in planned.items() if name[0] != "cql" and settings.model.time_embedding != "none"
    }
    assert clocks == {("attention", cartpole.CLOCK)}
    assert planned["attention", ""].model.mixer.positions == "rotary"


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = runs.look_twice(cartpole.SUITE, tmp_path, monkeypatch)
    methods = ["random", "optimal", "best_in_data", "attention", "s4d", "bc", "percent_bc", "cql"]
    assert [row["method"] for row in rows] == methods
    assert all(0 < row["metrics"]["return_greedy"] <= 500 for row in rows[3:])
