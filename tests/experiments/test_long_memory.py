"""Long memory: trials, what is measured in longer episodes, and a quick run from end to end."""

import collections
import dataclasses

import numpy as np
import pytest

from experiments import long_memory, runner, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.collection import catalog
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import presets
from tests.experiments import fakes, small_data

FEW = runner.Options(mixers=("attention", "s4d"))


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: small_data.load(dataset))


def test_every_length_has_data_and_a_budget():
    assert list(long_memory.BUDGETS) == list(catalog.T_MAZES)
    recipes = catalog.all_recipes()
    for pair in long_memory.pairs().values():
        hidden, shown = (recipes[dataset] for dataset in pair)
        assert hidden.parts == shown.parts
        differing = hidden.env_kwargs.items() ^ shown.env_kwargs.items()
        assert {name for name, _ in differing} == {"cue"}


def test_long_chains_are_left_out():
    assert long_memory.planned_at((100, 300)) == [
        ("t_maze", 100),
        ("t_maze", 300),
        ("memory_chain", 100),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("part", long_memory.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = long_memory.EXPERIMENT.parts[part](FEW)
    assert planned
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


@pytest.mark.slow
def test_every_model_gets_the_same_data_updates_and_grid(loaded):
    grids = collections.defaultdict(list)
    for trial in long_memory.EXPERIMENT.parts["tuning"](runner.Options()):
        settings = trial.settings
        assert trial.data_seed == tuning.DATA_SEED
        assert settings.model.mixer.step_range is None, "the steps should follow the context"
        assert (settings.optimization.weight_decay, settings.model.dropout) == (0, 0)
        rate = settings.optimization.learning_rate
        grids[trial.method, trial.dataset].append((rate, settings.num_updates, settings.batch_size))
    budget = long_memory.BUDGETS[long_memory.TUNED_AT[0]]
    assert all(
        grid == [(rate, budget.updates, budget.batch) for rate in long_memory.RATES]
        for grid in grids.values()
    )
    methods = {method for method, _ in grids}
    assert methods == {*long_memory.MIXERS, "attention, time table"}


def test_tuned_rates_are_those_of_the_model_and_the_length(loaded, monkeypatch):
    asked = []

    def choose(chosen, name, options):
        asked.append(name)
        return tuning.Point(7e-4)

    monkeypatch.setattr(tuning.Chosen, "of", choose)
    planned = [
        long_memory.trial("attention", "t_maze", 30, FEW),
        long_memory.trial("attention", "t_maze", 1_000, FEW, has_table=True),
        long_memory.trial("attention", "memory_chain", 100, FEW, kind=long_memory.SHOWN),
    ]
    assert asked == [
        ("t_maze/100/random", "attention"),
        ("t_maze/300/random", "attention, time table"),
        ("t_maze/100/random", "attention"),
    ]
    assert all(trial.settings.optimization.learning_rate == 7e-4 for trial in planned)
    assert [trial.dataset for trial in planned] == [
        "t_maze/30/random",
        "t_maze/1000/random",
        "memory_chain/100/shown",
    ]


def test_attention_knows_the_time_in_one_of_two_ways(loaded):
    rotary = long_memory.trial("attention", "t_maze", 10, FEW)
    table = long_memory.trial("attention", "t_maze", 10, FEW, has_table=True)
    assert (rotary.method, rotary.variant) == ("attention", "")
    assert (table.method, table.variant) == ("attention", "time table")
    models = rotary.settings.model, table.settings.model
    assert [model.mixer.positions for model in models] == ["rotary", "none"]
    assert [model.time_embedding for model in models] == ["none", "learned"]


def test_rows_are_whole_episodes_and_other_mixers_have_as_many_parameters(loaded):
    counts = {}
    for mixer in ("attention", "s4d"):
        trial = long_memory.trial(mixer, "memory_chain", 10, FEW)
        assert (trial.settings.regime, trial.settings.model.context_length) == ("episodes", 11)
        task = trial.load()
        config = decision_transformer.configure(trial.settings, task)
        counts[mixer] = presets.count(config)
    assert counts["s4d"] == pytest.approx(counts["attention"], rel=0.02)


def test_the_longest_episodes_are_judged_less_often():
    options = runner.Options()
    judged = {length: long_memory.judged(length, options) for length in long_memory.BUDGETS}
    assert judged == {10: 1_000, 30: 1_000, 100: 1_000, 300: 333, 1_000: 100, 3_000: 100}
    assert long_memory.judged(10, runner.Options(episodes=50)) == 200


@pytest.mark.slow
def test_only_models_that_can_go_on_are_tested_at_longer_lengths(loaded):
    planned = long_memory.EXPERIMENT.parts["lengths"](FEW)
    tested = {
        (trial.dataset, trial.method, trial.variant): [length for length, _ in tests]
        for trial in planned
        if (tests := dict(trial.evaluation).get("longer"))
    }
    assert tested == {
        ("t_maze/100/random", "attention", ""): [300, 1_000],
        ("t_maze/100/random", "s4d", ""): [300, 1_000, 3_000],
        ("memory_chain/100/random", "attention", ""): [300, 1_000],
        ("memory_chain/100/random", "s4d", ""): [300, 1_000, 3_000],
    }


@pytest.mark.slow
def test_windows_lie_below_and_above_the_length_with_equal_steps_in_a_batch(loaded):
    planned = long_memory.contexts_trials(runner.Options(mixers=("s4d",)))
    found = [
        (trial.settings.model.context_length, trial.settings.batch_size)
        for trial in planned
        if trial.dataset.startswith("t_maze")
    ]
    assert found == [(10, 320), (30, 106), (100, 32), (200, 32)]
    assert {trial.settings.regime for trial in planned} == {"windows"}


@pytest.fixture
def acting(monkeypatch):
    """Models whose greedy episodes are the recorded successes, the others all recorded ones."""
    calls = []

    def act(trained, task, targets, *, greedy, seed):
        calls.append((trained, task.env_kwargs["length"], task.max_steps, len(targets)))
        best = int(task.record.episode_returns.argmax())
        numbers = np.where(greedy, best, np.arange(len(greedy)) % task.record.num_episodes)
        record = task.record.select(numbers)
        return rollout.Rollout(record, targets, greedy, 0.1, 0.2, 60)

    monkeypatch.setattr(long_memory.target_returns, "act", act)
    return calls


@pytest.mark.parametrize("family", long_memory.FAMILIES)
def test_successes_are_counted(loaded, acting, family):
    trial = long_memory.trial("s4d", family, 10, runner.Options(mixers=("s4d",)))
    task = trial.load()
    found = trial.score(task, fakes.trained(context_length=task.max_steps))
    assert (found["success_greedy"], found["return_greedy"], found["length"]) == (1, 1, 10)
    assert found["success_sampled"] == (task.record.episode_returns > 0).mean()
    assert ("turned_sampled" in found) == (family == "t_maze")
    assert found["seconds"] == pytest.approx(0.3)


def test_hesitating_is_no_turn(loaded):
    record = small_data.load("t_maze/10/random").record
    cut = dataclasses.replace(record, terminations=np.zeros_like(record.terminations))
    assert long_memory.ended_by_themselves(record).all()
    assert not long_memory.ended_by_themselves(cut).any()


def test_longer_tests_get_a_wider_cache_for_attention_alone(loaded, acting):
    for mixer, widened in (("attention", 51), ("s4d", 11)):
        acting.clear()
        task = small_data.load("memory_chain/10/random")
        trained = decision_transformer_of(mixer, task)
        found = long_memory.metrics(task, trained, episodes=4, longer=((50, 2),))
        assert [call[1:] for call in acting] == [(10, 11, 8), (50, 51, 4)]
        assert acting[1][0].config.model.context_length == widened
        assert {"success_at_50_greedy", "success_at_50_sampled"} <= found.keys()
        assert found["seconds"] == pytest.approx(0.6)


def decision_transformer_of(mixer, task):
    """A trained model without parameters, whose configuration is real."""
    trial = long_memory.trial(mixer, "memory_chain", 10, FEW)
    config = decision_transformer.configure(trial.settings, task)
    return decision_transformer.Trained(config, "carry", 0, {}, None, 0.0)


def test_windows_are_also_acted_with_a_carried_state(loaded, acting):
    task = small_data.load("t_maze/10/random")
    found = long_memory.metrics(task, fakes.trained(context_length=4), episodes=4)
    assert [trained.memory for trained, *_ in acting] == ["restart", "carry"]
    assert found["success_carried_greedy"] == 1


def test_references_have_the_metrics_of_models(loaded, monkeypatch):
    rows = long_memory.references(runner.Options(quick=True))
    by_name = {(row.method, row.dataset): row.metrics for row in rows}
    chain = "memory_chain/10/random"
    assert by_name["random", chain]["success_greedy"] == 0.5
    assert by_name["optimal", "t_maze/10/random"]["success_sampled"] == 1
    recorded = small_data.load(chain).record.episode_returns
    assert by_name["behavior", chain]["success_sampled"] == pytest.approx((recorded > 0).mean())


@pytest.mark.slow
def test_a_model_goes_on_where_its_training_ended(loaded):
    """Attention and S4D, trained for a moment on short episodes, act in longer ones."""
    for mixer in ("attention", "s4d"):
        trial = fakes.narrow(long_memory.trial(mixer, "t_maze", 10, FEW).shorten())
        trial = dataclasses.replace(trial, evaluation=(("episodes", 2), ("longer", ((15, 2),))))
        task = trial.load()
        (trained,) = trial.train(task, [0])
        found = trial.score(task, trained)
        assert 0 <= found["success_at_15_greedy"] <= 1
        assert found["turned_at_15_sampled"] >= found["success_at_15_sampled"]


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = fakes.look_twice(long_memory.EXPERIMENT, tmp_path, monkeypatch)
    references = 2 * ["random", "optimal", "best_in_data", "behavior"]
    models = 2 * ["s4d"]
    assert [row["method"] for row in rows] == [*references, *models]
