"""Umbrella: trials, metrics of models that know all or nothing, and a quick run."""

import dataclasses

import numpy as np
import pytest
from bsuite.experiments.umbrella_length import sweep

from experiments import runner, tuning, umbrella
from jax_s4rl.agents import cql, inspection, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import umbrella as umbrella_metrics
from tests.experiments import fakes

LENGTH = 5


def make_task(length=LENGTH, num_episodes=200):
    name = umbrella.dataset(length).removesuffix("/random")
    with registry.make(name) as env:
        record = recording.record_episodes(
            lambda: registry.make(name), behaviors.uniform(env.action_space), num_episodes, seed=0
        )
    return tasks.Task(name, {}, umbrella.dataset(length), record, 2, length, 0.0, 1.0)


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


@pytest.fixture
def trial(loaded):
    return umbrella.trial("s4d", LENGTH, runner.Options(episodes=40))


def knowing(monkeypatch, chance_of):
    """Models whose first action is right with the given chance for each return."""

    def first_actions(trained, observations, targets):
        needed, right = observations[:, umbrella_metrics.NEED] > 0, chance_of(targets)
        take = np.where(needed[:, None], right, 1 - right)
        return np.stack([1 - take, take], axis=-1)

    monkeypatch.setattr(inspection, "first_actions", first_actions)


def test_lengths_are_those_of_bsuite():
    assert [setting["chain_length"] for setting in sweep.SETTINGS] == list(umbrella.LENGTHS)


@pytest.mark.fast_cases(6)
@pytest.mark.parametrize("part", umbrella.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = umbrella.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for trial in umbrella.EXPERIMENT.parts["tuning"](runner.Options()):
        assert trial.data_seed == tuning.DATA_SEED
        assert trial.dataset == "umbrella_length/9/random"
        point = tuning.Point(
            trial.settings.optimization.learning_rate, trial.settings.model.dropout
        )
        grids.setdefault(trial.method, []).append(
            (point, trial.settings.num_updates, trial.settings.batch_size)
        )
    assert set(grids) == set(umbrella.MIXERS)
    assert all(
        grid == [(point, umbrella.UPDATES, 128) for point in tuning.GRID] for grid in grids.values()
    )


def test_how_much_of_an_episode_is_learned_from(loaded):
    options = runner.Options(mixers=("s4d",))

    def contexts(planned):
        assert {trial.settings.regime for trial in planned} == {"openings"}
        return [trial.settings.model.context_length for trial in planned]

    assert contexts(umbrella.lengths_trials(options)) == [10] * 23
    assert contexts(umbrella.first_trials(options)) == [1] * 23
    assert contexts(umbrella.whole_trials(options)) == list(umbrella.WHOLE_AT)


def test_first_steps_are_not_learned_by_heart(loaded):
    (first, *_), (opening, *_) = (
        plan(runner.Options()) for plan in (umbrella.first_trials, umbrella.lengths_trials)
    )
    found = {trial.variant: trial.settings for trial in (first, opening)}
    assert found[umbrella.FIRST].optimization.weight_decay == umbrella.BOUNDS["weight_decay"]
    assert found[umbrella.FIRST].model.dropout == umbrella.BOUNDS["dropout"]
    assert found[""].optimization.weight_decay == 0


def test_perfect_knowledge_reaches_the_closed_form_and_no_more(monkeypatch, trial, task):
    knowing(monkeypatch, lambda targets: umbrella_metrics.umbrella_closed_form(targets, LENGTH))
    found = trial.score(task, fakes.trained())
    assert found["target"] == task.record.episode_returns.max()
    assert found["first_action_sampled"] == pytest.approx(found["first_action_closed_form"])
    assert found["first_action_greedy"] == found["solved_greedy"] == found["return_greedy"] == 1
    assert found["regret_greedy"] == 0
    assert found["regret_sampled"] == pytest.approx(2 * (1 - found["first_action_closed_form"]))
    assert found["learned"] == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(
        found["first_action_of_asked_sampled"], found["closed_form_of_asked"]
    )
    assert dict(zip(found["asked"], found["supported"], strict=True))[1.0]
    assert max(found["asked"]) == LENGTH


def test_knowing_nothing_is_a_coin(monkeypatch, trial, task):
    knowing(monkeypatch, lambda targets: np.full(len(targets), 0.5))
    found = trial.score(task, fakes.trained())
    assert (found["first_action_sampled"], found["solved_sampled"], found["return_sampled"]) == (
        0.5,
        0,
        0,
    )
    assert found["learned"] == pytest.approx(0)


def test_starts_are_fresh_and_of_both_kinds(task):
    starts = umbrella.draw_starts(task, 40, seed=3)
    assert starts.shape == (40, 23)
    assert len(np.unique(starts, axis=0)) == 40
    assert 0.2 < starts[:, umbrella_metrics.NEED].mean() < 0.8
    np.testing.assert_array_equal(starts, umbrella.draw_starts(task, 40, seed=3))


def test_reference_lines_follow_from_their_shares(loaded):
    lines = umbrella.references(runner.Options(quick=True))
    assert [line.method for line in lines] == ["random", "closed_form", "optimal"]
    assert lines[0].metrics["regret_sampled"] == 1
    assert lines[1].metrics["solved_greedy"] == lines[2].metrics["return_sampled"] == 1


def test_the_best_tenth_is_what_one_clone_learns_from(loaded):
    planned = {
        (trial.method, trial.dataset): trial for trial in umbrella.clones_trials(runner.Options())
    }
    assert {trial.keep for (method, _), trial in planned.items() if method == "percent_bc"} == {
        runner.BEST_TENTH
    }
    told = {
        trial.settings.model.returns for (method, _), trial in planned.items() if method != "cql"
    }
    assert told == {"none"}


def test_q_learning_is_scored_by_its_first_actions(monkeypatch, task):
    fakes.acting(monkeypatch, task)
    trial = umbrella.cql_trial(LENGTH, runner.Options(episodes=100))
    model = cql.Trained(None, trial.settings, 0, {}, None, 0.0)  # pyright: ignore[reportArgumentType]
    found = trial.score(task, model)
    first = task.record.episode_starts[:100]
    right = (
        task.record.actions[first] == task.record.observations[first, umbrella_metrics.NEED]
    ).mean()
    assert found["first_action_greedy"] == pytest.approx(right)
    assert found["return_sampled"] == pytest.approx(2 * found["first_action_sampled"] - 1)
    assert found["length"] == LENGTH


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    small = {umbrella.dataset(length): make_task(length) for length in (1, *umbrella.QUICK_AT)}

    def load(dataset, seed=0):
        return dataclasses.replace(small[dataset])

    monkeypatch.setattr(tasks, "load", load)
    rows = fakes.look_twice(umbrella.EXPERIMENT, tmp_path, monkeypatch)
    references = ["random", "closed_form", "optimal"]
    assert [row["method"] for row in rows] == references + 2 * ["s4d"]
    assert all(0 <= row["metrics"]["first_action_sampled"] <= 1 for row in rows)


def test_the_control_has_no_memory_and_the_settings_of_attention(loaded):
    point = umbrella.CHOSEN.of("attention", runner.Options())
    for trial in umbrella.controls_trials(runner.Options()):
        assert (trial.method, trial.settings.model.mixer.name) == ("mlp", "mlp")
        assert point.of(trial.settings) == trial.settings
