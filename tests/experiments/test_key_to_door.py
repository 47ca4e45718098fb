"""Key-to-door: its plan, its judge on recorded episodes, and a quick run from end to end."""

import types

import numpy as np
import pytest

from experiments import cells, key_to_door, results, suites, tasks, tuning
from jax_s4rl.collection import random_policy, rollouts
from jax_s4rl.envs import making
from jax_s4rl.evaluation import rollout
from tests.experiments import runs


def make_task(num_episodes=300):
    kwargs = {"preset": "dt"}

    def make_env():
        return making.make("jax_s4rl/KeyToDoor-v0", **kwargs)

    with make_env() as env:
        record = rollouts.record_episodes(make_env, random_policy.uniform(env.action_space), num_episodes, seed=0)
    return tasks.Task("jax_s4rl/KeyToDoor-v0", kwargs, key_to_door.SMALL, record, 4, key_to_door.STEPS, 0.027, 1.0)


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)
    monkeypatch.setattr(key_to_door, "choose_data_seeds", lambda count: list(range(count)))


@pytest.mark.parametrize("part", key_to_door.SUITE.parts)
def test_every_cell_of_a_part_is_another(loaded, part):
    planned = key_to_door.SUITE.parts[part].plan(suites.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({cell.digest for cell in planned}) == len(planned)
    assert len({(cell.method, cell.variant, cell.data_seed) for cell in planned}) == len(planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    planned = key_to_door.plan_tuning(suites.Options())
    grids = {}
    for cell in planned:
        chosen = cell.settings
        point = (chosen.num_updates, chosen.batch_size, chosen.optimization.learning_rate, chosen.model.dropout)
        grids.setdefault(cell.method, set()).add(point)
    assert set(grids) == set(suites.MIXERS)
    assert len({frozenset(grid) for grid in grids.values()}) == 1
    assert len(grids["s4d"]) == 4


def test_the_settings_chosen_are_those_that_tuning_found():
    found = tuning.choose(results.read_rows(suites.path(key_to_door.SUITE.name)), key_to_door.TUNED_BY)
    assert key_to_door.CHOSEN | found == key_to_door.CHOSEN


def test_the_judge_sees_what_happened_to_the_key(monkeypatch, task):
    def act(trained, task, targets, *, greedy, seed, make_env=None):
        record = task.record.select(np.arange(len(targets)))
        return rollout.Rollout(record, targets, greedy, 0.1, 0.2, 60)

    monkeypatch.setattr(cells, "act", act)
    cell = types.SimpleNamespace(evaluation=(("episodes", 150),))
    found = key_to_door.judge(cell, task, types.SimpleNamespace(seed=0))
    returns = task.record.episode_returns
    assert found["success_greedy"] == returns[:150].mean()
    assert found["success_sampled"] == found["target_0_sampled"] == returns[150:].mean()
    assert found["successes_in_data"] == returns.sum() > 0
    assert 0 < found["key_cells_in_data"] <= returns.sum()
    assert found["success_sampled"] < found["key_sampled"] < 0.5
    assert found["seconds"] == pytest.approx(3 * 0.3)


def test_data_seeds_are_the_first_with_as_many_successes_as_published(monkeypatch):
    counts = [29, 33, 27, 28, 32]

    def load(dataset, seed):
        returns = np.arange(1000) < counts[seed]
        return types.SimpleNamespace(record=types.SimpleNamespace(episode_returns=returns.astype(float)))

    monkeypatch.setattr(tasks, "load", load)
    assert key_to_door.choose_data_seeds.__wrapped__(3) == [0, 3, 4]


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = runs.look_twice(key_to_door.SUITE, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == [
        "random",
        "optimal",
        "attention",
        "s4d",
        "percent_bc",
        "percent_bc",
        "bc",
    ]
    assert rows[0]["metrics"]["success_sampled"] == pytest.approx(0.027, abs=0.002)
