"""Key-to-door: its trials, its references on recorded episodes, and a quick run from end to end."""

import types

import numpy as np
import pytest

from experiments import key_to_door, runner, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.modules import tokens
from tests.experiments import fakes


def make_task(num_episodes=300):
    kwargs = {"preset": "dt"}

    def make_env():
        return registry.make("jax_s4rl/KeyToDoor-v0", **kwargs)

    with make_env() as env:
        record = recording.record_episodes(
            make_env, behaviors.uniform(env.action_space), num_episodes, seed=0
        )
    return tasks.Task(
        "jax_s4rl/KeyToDoor-v0", kwargs, key_to_door.SMALL, record, 4, key_to_door.STEPS, 0.027, 1.0
    )


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)
    monkeypatch.setattr(
        key_to_door, "choose_data_seeds", lambda count, dataset="": list(range(count))
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", key_to_door.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = key_to_door.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len(
        {(trial.dataset, trial.method, trial.variant, trial.data_seed) for trial in planned}
    ) == len(planned)


@pytest.mark.slow
def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    planned = key_to_door.EXPERIMENT.parts["tuning"](runner.Options())
    grids = {}
    for trial in planned:
        chosen = trial.settings
        point = (
            chosen.num_updates,
            chosen.batch_size,
            chosen.optimization.learning_rate,
            chosen.model.dropout,
        )
        grids.setdefault(trial.method, set()).add(point)
    assert set(grids) == set(runner.MIXERS)
    assert len({frozenset(grid) for grid in grids.values()}) == 1
    assert len(grids["s4d"]) == len(tuning.GRID)


def test_the_rate_that_was_not_chosen_has_trials(loaded, monkeypatch):
    chosen = {"attention": tuning.Point(1e-2), "s4d": tuning.Point(1e-3)}
    monkeypatch.setattr(tuning.Chosen, "of", lambda _, name, __: chosen[name])
    planned = key_to_door.rates_trials(runner.Options(mixers=("attention", "s4d"), quick=True))
    rates = [
        (trial.method, trial.variant, trial.settings.optimization.learning_rate)
        for trial in planned
    ]
    assert rates == [
        ("attention", "balanced batches, learning rate 0.003", 0.003),
        ("s4d", "balanced batches, learning rate 0.003", 0.003),
        ("s4d", "balanced batches, learning rate 0.01", 0.01),
    ]


@pytest.mark.slow
def test_what_needs_no_training_is_known_of_every_data_set(loaded):
    found = key_to_door.references(runner.Options())
    trained_on = {
        trial.dataset
        for part in key_to_door.EXPERIMENT.parts.values()
        for trial in part(runner.Options())
    }
    for method in ("random", "optimal", "best_in_data"):
        assert {line.dataset for line in found if line.method == method} == trained_on
    lookup = next(line.metrics for line in found if line.method == "lookup")
    assert lookup["success_sampled"] == pytest.approx(np.mean(lookup["by_recording"]))
    assert len(lookup["by_recording"]) == key_to_door.NUM_DATA_SEEDS


def test_apples_change_the_data_and_what_percentile_cloning_keeps(loaded):
    planned = key_to_door.low_var_trials(runner.Options())
    assert {trial.dataset for trial in planned} == {key_to_door.LOW_VAR}
    assert {trial.method for trial in planned} == {*runner.MIXERS, "percent_bc", "bc", "cql"}
    assert {trial.keep for trial in planned if trial.method == "percent_bc"} == {runner.BEST_TENTH}


def test_what_s4_is_changed_by_is_one_thing_each(loaded):
    planned = key_to_door.causes_trials(runner.Options(quick=True))
    wanted = {
        "dropout 0.1",
        "same learning rate for all",
        "initialization FouT",
        "initialization LegS",
    }
    assert {trial.variant for trial in planned} == {f"balanced batches, {name}" for name in wanted}
    assert {trial.method for trial in planned} == {"s4", "s4d"}


@pytest.mark.slow
def test_uniform_batches_say_how_many_updates_were_made(loaded):
    planned = [
        *key_to_door.uniform_trials(runner.Options()),
        *key_to_door.large_uniform_trials(runner.Options()),
    ]
    assert {trial.settings.num_updates for trial in planned} == {600, 1_500, 4_500, 2_000}
    for trial in planned:
        assert trial.variant == f"uniform batches, {trial.settings.num_updates} updates"


@pytest.mark.slow
def test_balanced_models_are_explained(loaded):
    for plan in (key_to_door.small_trials, key_to_door.large_trials):
        for trial in plan(runner.Options()):
            assert ("explained" in dict(trial.evaluation)) == (trial.method in runner.MIXERS)


def test_a_critic_has_no_returns_in_its_tokens_and_sees_episodes_as_they_come(loaded):
    for trial in key_to_door.critic_trials(runner.Options()):
        assert isinstance(trial.settings, decision_transformer.Settings)
        assert trial.settings.weighting == "uniform"
        assert (trial.settings.model.returns, trial.settings.model.return_loss) == (
            tokens.OUTSIDE,
            10.0,
        )


def test_what_is_tested_with_longer_waits_has_no_table_of_time_that_ends(loaded):
    planned = key_to_door.distractor_trials(runner.Options())
    assert {trial.method for trial in planned} == set(runner.MIXERS)
    for trial in planned:
        assert isinstance(trial.settings, decision_transformer.Settings)
        assert trial.settings.model.time_embedding != tokens.LEARNED
        assert decision_transformer.memory(trial.settings) == "carry"


def test_episodes_of_a_longer_wait_fit_into_the_context(loaded):
    planned = key_to_door.own_distractor_trials(runner.Options())
    contexts = {trial.dataset: trial.settings.model.context_length for trial in planned}
    assert contexts == {"key_to_door/dt_90/random-1000": 120, "key_to_door/dt_300/random-1000": 330}


def test_data_seeds_are_the_first_with_as_many_successes_as_published(monkeypatch):
    counts = [29, 33, 27, 28, 32]

    def load(dataset, seed):
        returns = np.arange(1000) < counts[seed]
        return types.SimpleNamespace(
            record=types.SimpleNamespace(episode_returns=returns.astype(float))
        )

    monkeypatch.setattr(tasks, "load", load)
    assert key_to_door.choose_data_seeds.__wrapped__(3) == [0, 3, 4]


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = fakes.look_twice(key_to_door.EXPERIMENT, tmp_path, monkeypatch)
    references = ["random", "optimal", "best_in_data", "lookup"]
    assert [row["method"] for row in rows] == [*references, "s4d"]
    assert rows[0]["metrics"]["success_sampled"] == pytest.approx(0.027, abs=0.002)
    assert 0 <= rows[-1]["metrics"]["action_on_key"] <= 1


def test_the_control_has_no_memory_and_the_settings_of_attention(loaded):
    point = key_to_door.CHOSEN.of("attention", runner.Options())
    for trial in (
        *key_to_door.controls_trials(runner.Options()),
        *key_to_door.other_controls_trials(runner.Options()),
    ):
        assert (trial.method, trial.settings.model.mixer.name) == ("mlp", "mlp")
        assert point.of(trial.settings) == trial.settings
