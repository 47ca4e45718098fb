"""Hidden state: its pairs, its trials, its metrics, and a quick run from end to end."""

import itertools

import numpy as np
import pytest

from experiments import hidden_state, lookup, runner, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.collection import catalog
from tests.agents import runs
from tests.experiments import fakes, small_data

FEW = runner.Options(mixers=("attention", "s4d"))


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)
    monkeypatch.setattr(runner, "results_file", lambda name: runner.Path("none.jsonl"))


@pytest.mark.parametrize("name", hidden_state.SETTINGS)
def test_task_and_twin_have_the_same_behavior_and_other_observations(name):
    recipes = catalog.all_recipes()
    hidden, shown = (recipes[dataset] for dataset in hidden_state.SETTINGS[name].pair)
    assert hidden.parts == shown.parts
    assert (hidden.env_id, hidden.env_kwargs) != (shown.env_id, shown.env_kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("part", hidden_state.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = hidden_state.EXPERIMENT.parts[part](FEW)
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


@pytest.mark.slow
def test_every_mixer_gets_the_same_grid_on_task_and_twin(loaded):
    grids = {}
    options = runner.Options()
    planned = [hidden_state.search(name, options).first() for name in hidden_state.SETTINGS]
    for trial in itertools.chain(*planned):
        assert trial.data_seed == tuning.DATA_SEED
        point = tuning.Point(trial.settings.optimization.learning_rate)
        assert trial.settings.model.mixer.step_range is None
        assert dict(trial.evaluation)["episodes"] == 250
        grids.setdefault((trial.dataset, trial.method), []).append(point)
    assert len(grids) == 2 * len(hidden_state.SETTINGS) * len(hidden_state.MIXERS)
    assert all(tuple(grid) == hidden_state.GRID for grid in grids.values())


@pytest.mark.parametrize("part", ["pendulum", "pendulum-tuning"])
def test_references_need_the_data_of_their_part_alone(loaded, monkeypatch, part):
    monkeypatch.setattr(lookup, "returns", lambda task, episodes, seed: np.full(episodes, 0.5))
    found = hidden_state.references(runner.Options(parts=(part,)))
    assert {row.dataset for row in found} == set(hidden_state.SETTINGS["pendulum"].pair)


def test_task_and_twin_have_rates_of_their_own_and_the_same_updates(loaded, monkeypatch):
    pair = hidden_state.SETTINGS["cartpole"].pair
    best = {pair.hidden: tuning.Point(1e-2), pair.shown: tuning.Point(1e-3)}

    def scores(rows, model, options):
        own = dict.fromkeys(hidden_state.GRID, 0.0) | {best[model[0]]: 1.0}
        return own | {best[model[0]]._replace(updates=2_000): 1.0 + 20 * (model[0] == pair.shown)}

    monkeypatch.setattr(tuning.Search, "scores", scores)
    planned = hidden_state.task_trials("cartpole", runner.Options(quick=True, mixers=("lstm",)))
    found = [trial.settings for trial in planned]
    assert [settings.optimization.learning_rate for settings in found] == [1e-2, 1e-3]
    assert [settings.num_updates for settings in found] == [2_000, 2_000]
    assert [dict(trial.notes)["still_rising"] for trial in planned] == [False, True]


def test_clones_are_around_one_mixer_and_know_no_returns(loaded):
    planned = hidden_state.task_trials("key_to_door", runner.Options(mixers=("attention",)))
    clones = [trial for trial in planned if trial.method in ("bc", "percent_bc")]
    assert [trial.variant for trial in clones] == 4 * ["s4d"]
    assert [trial.keep for trial in clones] == 2 * [runner.ALL, runner.SUCCESSES]
    assert all(trial.settings.model.returns == "none" for trial in clones)
    assert all(trial.settings.weighting == "uniform" for trial in clones if trial.method == "bc")


def test_q_learning_has_the_batches_of_the_others_and_nobody_is_told_the_time(loaded):
    weightings = {"cartpole": "length", "minigrid_memory": "uniform", "key_to_door": "balanced"}
    for name, weighting in weightings.items():
        planned = hidden_state.task_trials(name, runner.Options(mixers=("attention",)))
        found = [trial for trial in planned if trial.method == "cql"]
        assert len(found) == 2 * 4
        assert {trial.settings.weighting for trial in found} == {weighting}
        assert {trial.settings.network.time_embedding for trial in found} == {"none"}
    planned = hidden_state.task_trials("pendulum", runner.Options(mixers=("attention",)))
    assert "cql" not in {trial.method for trial in planned}


@pytest.mark.parametrize(("name", "kinds"), [("cartpole", 2), ("pendulum", 1)])
def test_returns_are_measured_for_every_kind_of_action(loaded, monkeypatch, name, kinds):
    calls = fakes.acting(monkeypatch, runs.TASK)
    (trial, _) = hidden_state.task_trials(name, runner.Options(quick=True, mixers=("s4d",)))
    found = trial.score(runs.TASK, fakes.trained())
    ((targets, greedy, _),) = calls
    assert len(targets) == kinds * 1_000
    assert greedy.sum() == 1_000
    assert set(targets.tolist()) == {np.float32(found["target"])}
    returns = [name for name in found if name.startswith("return_")]
    assert len(returns) == kinds
    assert found["score"] == found[returns[-1]]


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(
        tasks, "load", lambda dataset, seed=0: small_data.load(dataset, num_episodes=300)
    )
    rows = fakes.look_twice(hidden_state.EXPERIMENT, tmp_path, monkeypatch)
    references = [*(2 * ["random", "optimal", "best_in_data"]), "lookup", "lookup"]
    assert [row["method"] for row in rows] == [*references, "s4d", "s4d"]
    assert [row["dataset"].split("/")[1] for row in rows[8:]] == ["hidden", "shown"]
    assert all(0 <= row["metrics"]["return_sampled"] <= 1 for row in rows)
