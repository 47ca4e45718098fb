"""Pendulum: its plan, its judge, and a quick run from end to end."""

import dataclasses

import numpy as np
import pytest

from experiments import cells, pendulum, suites, tuning
from jax_s4rl.agents import tasks
from tests.experiments import asked, runs

RECORD = dataclasses.replace(runs.RECORD, actions=np.zeros((runs.RECORD.num_steps, 1), np.float32))
TASK = dataclasses.replace(runs.TASK, record=RECORD, num_actions=None)


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: TASK)


@pytest.mark.parametrize("part", pendulum.SUITE.parts)
def test_every_cell_of_a_part_is_another(loaded, part):
    planned = pendulum.SUITE.parts[part].plan(suites.Options(mixers=("attention", "s4d")))
    assert len({cell.digest for cell in planned}) == len(planned)
    assert len({(cell.method, cell.variant) for cell in planned}) == len(planned)
    assert all(cell.settings.model.continuous_head == "point" for cell in planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for cell in pendulum.plan_tuning(suites.Options()):
        assert cell.data_seed == tuning.DATA_SEED
        point = tuning.Point(cell.settings.optimization.learning_rate, cell.settings.model.dropout)
        grids.setdefault(cell.method, []).append((point, cell.settings.num_updates, cell.settings.batch_size))
    assert set(grids) == set(suites.MIXERS)
    assert all(grid == [(point, pendulum.UPDATES, 64) for point in tuning.GRID] for grid in grids.values())


def test_clones_are_told_no_return_and_the_best_tenth_is_kept_for_one_of_them(loaded):
    planned = {(cell.method, cell.variant): cell for cell in pendulum.plan("replay", suites.Options())}
    assert planned["bc", "s4d"].settings.model.returns == "none"
    assert planned["bc", "s4d"].keep == cells.ALL
    assert planned["percent_bc", "attention"].keep == cells.BEST_TENTH
    assert planned["mlp", ""].settings.model.mixer.name == "mlp"


def test_the_judge_knows_greedy_actions_alone(monkeypatch, loaded):
    calls = asked.acting(monkeypatch, TASK)
    (cell, *_) = pendulum.plan("replay", suites.Options(mixers=("s4d",)))
    found = pendulum.judge(cell, TASK, asked.trained())
    assert calls[0][1].all()
    assert set(pendulum.TARGETS) <= set(found["asked"])
    assert np.isfinite(found["achieved_greedy"]).all()
    assert not [name for name in found if name.endswith("_sampled")]


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = runs.look_twice(pendulum.SUITE, tmp_path, monkeypatch)
    methods = ["random", "optimal", "best_in_data", "attention", "s4d", "bc", "percent_bc"]
    assert [row["method"] for row in rows] == methods
    assert all(row["metrics"]["return_greedy"] < 0 for row in rows[3:])
