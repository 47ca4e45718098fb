"""Key-to-door: its plan, its judge on recorded episodes, and a quick run from end to end."""

import dataclasses
import types

import numpy as np
import pytest

from experiments import cells, key_to_door, suites, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.modules import tokens
from tests.experiments import asked, runs


def make_task(num_episodes=300):
    kwargs = {"preset": "dt"}

    def make_env():
        return registry.make("jax_s4rl/KeyToDoor-v0", **kwargs)

    with make_env() as env:
        record = recording.record_episodes(make_env, behaviors.uniform(env.action_space), num_episodes, seed=0)
    return tasks.Task("jax_s4rl/KeyToDoor-v0", kwargs, key_to_door.SMALL, record, 4, key_to_door.STEPS, 0.027, 1.0)


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)
    monkeypatch.setattr(key_to_door, "choose_data_seeds", lambda count, dataset="": list(range(count)))


@pytest.mark.parametrize("part", key_to_door.SUITE.parts)
def test_every_cell_of_a_part_is_another(loaded, part):
    planned = key_to_door.SUITE.parts[part].plan(suites.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({cell.digest for cell in planned}) == len(planned)
    assert len({(cell.dataset, cell.method, cell.variant, cell.data_seed) for cell in planned}) == len(planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    planned = key_to_door.plan_tuning(suites.Options())
    grids = {}
    for cell in planned:
        chosen = cell.settings
        point = (chosen.num_updates, chosen.batch_size, chosen.optimization.learning_rate, chosen.model.dropout)
        grids.setdefault(cell.method, set()).add(point)
    assert set(grids) == set(suites.MIXERS)
    assert len({frozenset(grid) for grid in grids.values()}) == 1
    assert len(grids["s4d"]) == len(tuning.GRID)


def test_the_rate_that_was_not_chosen_stands_beside(loaded, monkeypatch):
    chosen = {"attention": tuning.Point(1e-2), "s4d": tuning.Point(1e-3)}
    monkeypatch.setattr(tuning.Chosen, "of", lambda _, name, __: chosen[name])
    planned = key_to_door.plan_rates(suites.Options(mixers=("attention", "s4d"), quick=True))
    rates = [(cell.method, cell.variant, cell.settings.optimization.learning_rate) for cell in planned]
    assert rates == [
        ("attention", "balanced batches, learning rate 0.003", 0.003),
        ("s4d", "balanced batches, learning rate 0.003", 0.003),
        ("s4d", "balanced batches, learning rate 0.01", 0.01),
    ]


def test_what_needs_no_training_is_known_of_every_data_set(loaded):
    found = key_to_door.references(suites.Options())
    trained_on = {cell.dataset for part in key_to_door.SUITE.parts.values() for cell in part.plan(suites.Options())}
    for method in ("random", "optimal", "best_in_data"):
        assert {line.dataset for line in found if line.method == method} == trained_on
    lookup = next(line.metrics for line in found if line.method == "lookup")
    assert lookup["success_sampled"] == pytest.approx(np.mean(lookup["by_recording"]))
    assert len(lookup["by_recording"]) == key_to_door.NUM_DATA_SEEDS


def test_apples_change_the_data_and_what_percentile_cloning_keeps(loaded):
    planned = key_to_door.plan_low_var(suites.Options())
    assert {cell.dataset for cell in planned} == {key_to_door.LOW_VAR}
    assert {cell.method for cell in planned} == {*suites.MIXERS, "percent_bc", "bc", "cql"}
    assert {cell.keep for cell in planned if cell.method == "percent_bc"} == {cells.BEST_TENTH}


def test_what_s4_is_changed_by_is_one_thing_each(loaded):
    planned = key_to_door.plan_causes(suites.Options(quick=True))
    wanted = {"dropout 0.1", "state space rate as the rest", "born as fout", "born as legs"}
    assert {cell.variant for cell in planned} == {f"balanced batches, {name}" for name in wanted}
    assert {cell.method for cell in planned} == {"s4", "s4d"}


def test_uniform_batches_say_how_many_updates_were_made(loaded):
    planned = [*key_to_door.plan_uniform(suites.Options()), *key_to_door.plan_large_uniform(suites.Options())]
    assert {cell.settings.num_updates for cell in planned} == {600, 1_500, 4_500, 2_000}
    for cell in planned:
        assert cell.variant == f"uniform batches, {cell.settings.num_updates} updates"


def test_what_balanced_models_rest_on_is_asked(loaded):
    for plan in (key_to_door.plan_small, key_to_door.plan_large):
        for cell in plan(suites.Options()):
            assert ("explained" in dict(cell.evaluation)) == (cell.method in suites.MIXERS)


def test_a_critic_is_told_no_return_and_sees_episodes_as_they_come(loaded):
    for cell in key_to_door.plan_critic(suites.Options()):
        assert isinstance(cell.settings, decision_transformer.Settings)
        assert cell.settings.weighting == "uniform"
        assert (cell.settings.model.returns, cell.settings.model.return_loss) == (tokens.OUTSIDE, 10.0)


def test_what_is_tested_with_longer_waits_has_no_table_of_time_that_ends(loaded):
    planned = key_to_door.plan_distractor(suites.Options())
    assert {cell.method for cell in planned} == set(suites.MIXERS)
    for cell in planned:
        assert isinstance(cell.settings, decision_transformer.Settings)
        assert cell.settings.model.time_embedding != tokens.LEARNED
        assert decision_transformer.memory(cell.settings) == "carry"


def test_episodes_of_a_longer_wait_fit_into_the_context(loaded):
    planned = key_to_door.plan_own_distractor(suites.Options())
    contexts = {cell.dataset: cell.settings.model.context_length for cell in planned}
    assert contexts == {"key_to_door/dt_90/random-1000": 120, "key_to_door/dt_300/random-1000": 330}


def test_a_judge_does_what_its_cell_asks_for(monkeypatch, loaded, task):
    monkeypatch.setattr(key_to_door.door_judges, "success", lambda *_, controls: {"controls": controls, "seconds": 1.0})
    monkeypatch.setattr(
        key_to_door.door_judges, "after_longer_waits", lambda *more: ({str(n): 0.5, "seconds": 2.0} for n, _ in more[2])
    )
    monkeypatch.setattr(key_to_door.door_judges, "as_critic", lambda *_: {"critic": 1.0})
    monkeypatch.setattr(key_to_door.door_judges, "on_the_key", lambda *more: {"kinds": more[3]})
    cell = key_to_door.make_cell("s4d", key_to_door.SMALL, 300, suites.Options())
    told = dataclasses.replace(
        cell,
        evaluation=(
            *cell.evaluation,
            ("controls", False),
            ("longer", ((90, 5),)),
            ("critic", True),
            ("explained", "ab"),
        ),
    )
    judged = [key_to_door.judge(each, task, asked.trained()) for each in (cell, told)]
    assert judged[0] == {"controls": True, "seconds": 1.0}
    assert judged[1].pop("seconds") >= 3.0
    assert judged[1] == {"controls": False, "90": 0.5, "critic": 1.0, "kinds": "ab"}


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
        "best_in_data",
        "lookup",
        "attention",
        "s4d",
        "percent_bc",
        "percent_bc",
        "bc",
    ]
    assert rows[0]["metrics"]["success_sampled"] == pytest.approx(0.027, abs=0.002)
