"""The paper's size: stages of the search from made rows, fair baselines, and a quick run."""

import json

import pytest

from experiments import headline_tasks, paper_size, runner, step_ranges, tuning
from jax_s4rl.agents import cql, tasks
from jax_s4rl.evaluation import result_rows
from tests.agents import runs
from tests.experiments import fakes

NAME = "random_walk"
TASK = headline_tasks.TASKS[NAME]
MIXERS = ("attention", "s4d")


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)
    monkeypatch.setattr(runner, "results_file", lambda name: runner.Path("none.jsonl"))


@pytest.fixture
def tuned(tmp_path, loaded):
    """Writes tuning rows by mixer and point, and returns the options that read them."""

    def write(scores):
        empty = dict.fromkeys(result_rows.FIELDS) | {"seconds": {}}
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        with path.open("w") as file:
            for (mixer, point), score in scores.items():
                metrics = {"variant": point.variant, TASK.tuned_by: score}
                row = {"method": mixer, "dataset": TASK.dataset, "metrics": metrics}
                file.write(json.dumps(empty | row | {"experiment": paper_size.NAME}) + "\n")
        return runner.Options(out=path, mixers=MIXERS, quick=True)

    return write


LOW, MIDDLE, HIGH = paper_size.GRID


def grid(attention=MIDDLE, s4d=MIDDLE):
    best = {"attention": attention, "s4d": s4d}
    return {
        (mixer, point): 0.6 if point == best[mixer] else 0.2
        for mixer in MIXERS
        for point in paper_size.GRID
    }


def points(trials):
    return [(trial.method, tuning.parse(trial.variant)) for trial in trials]


def test_every_task_has_all_stages_and_then_its_results():
    names = list(paper_size.EXPERIMENT.parts)
    assert len(names) == 7 * len(headline_tasks.TASKS)
    own = [name for name in names if name.startswith("cartpole")]
    assert own == [
        "cartpole-tuning",
        "cartpole-edges",
        "cartpole-edges-2",
        "cartpole-axes",
        "cartpole-updates",
        "cartpole-updates-2",
        "cartpole",
    ]
    assert paper_size.EXPERIMENT.seeds("cartpole-axes", runner.Options(seeds=5)) == range(1)


def test_dropout_and_ranges_of_steps_are_tried_at_the_best_rate(tuned):
    found = paper_size.search(NAME, tuned(grid(s4d=LOW))).axes()
    assert points(found) == [
        ("attention", MIDDLE._replace(dropout=0.1)),
        ("s4d", LOW._replace(dropout=0.1)),
        ("s4d", LOW._replace(steps=step_ranges.FIXED)),
        ("s4d", LOW._replace(steps="1/L to 1")),
    ]
    assert found[0].settings.model.dropout == 0.1
    # Three tokens for each of ten steps.
    assert found[3].settings.model.mixer.step_range == (1 / 30, 1.0)
    assert found[1].settings.model.mixer.step_range is None
    assert {trial.data_seed for trial in found} == {tuning.DATA_SEED}


def test_results_have_the_chosen_point_and_the_same_updates_for_all(tuned):
    best = LOW._replace(steps="1/L to 1")
    scores = grid() | {("s4d", best): 0.9}
    scores |= {("attention", MIDDLE._replace(updates=2_000)): 0.9}
    scores |= {("s4d", best._replace(updates=2_000)): 0.9}
    trials = paper_size.task_trials(NAME, tuned(scores))
    planned = {(trial.method, trial.variant): trial.settings for trial in trials}
    layouts = ("concatenated", "interleaved")
    assert planned.keys() == {(mixer, layout) for mixer in MIXERS for layout in layouts}
    assert {settings.num_updates for settings in planned.values()} == {2_000}
    rates = {key: settings.optimization.learning_rate for key, settings in planned.items()}
    assert (rates["attention", "interleaved"], rates["s4d", "concatenated"]) == (1e-3, 3e-4)
    # The range follows the number of tokens.
    ranges = [planned["s4d", layout].model.mixer.step_range for layout in layouts]
    assert ranges == [(1 / 10, 1.0), (1 / 30, 1.0)]
    # What the search has left open stands in the rows, outside of the digest.
    notes = {trial.method: dict(trial.notes) for trial in trials}
    assert notes == {
        "attention": {"rate_at_edge": False, "still_rising": True},
        "s4d": {"rate_at_edge": False, "still_rising": False},
    }


def test_before_tuning_the_first_point_holds(tuned):
    own = paper_size.search(NAME, tuned({}))
    assert own.chosen((TASK.dataset, "s4d")) == LOW
    assert own.enough() == 1_000
    options = runner.Options(updates=70, mixers=MIXERS)
    assert paper_size.search(NAME, options).enough() == 70


def test_the_model_without_memory_has_one_token_per_step_alone(loaded):
    options = runner.Options(mixers=("lstm",))
    found = [
        (trial.method, trial.variant, trial.settings.model.tokens)
        for trial in paper_size.task_trials("cartpole", options)
        if trial.method in ("lstm", "mlp")
    ]
    assert sorted(found) == [
        ("lstm", "concatenated", "concatenated"),
        ("lstm", "interleaved", "interleaved"),
        ("mlp", "concatenated", "concatenated"),
    ]
    tuned = paper_size.search("cartpole", options).first()
    layouts = {trial.method: trial.settings.model.tokens for trial in tuned}
    assert layouts == {"lstm": "interleaved", "mlp": "concatenated"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random_walk", "cartpole", "key_door"])
def test_every_trial_of_a_task_is_another(loaded, name):
    for part in (f"{name}-tuning", f"{name}-axes", name):
        planned = paper_size.EXPERIMENT.parts[part](runner.Options(mixers=MIXERS))
        assert len({trial.digest for trial in planned}) == len(planned)
        names = {(trial.method, trial.variant, trial.data_seed) for trial in planned}
        assert len(names) == len(planned)


def test_q_learning_has_the_batches_and_the_time_of_the_others(loaded):
    for name, weighting, time in (
        ("key_to_door_10k", "balanced", "learned"),
        ("cartpole", "length", "none"),
    ):
        for trial in paper_size.q_trials(name, 0, runner.Options()):
            assert isinstance(trial.settings, cql.Settings)
            assert trial.settings.weighting == weighting
            assert trial.settings.network.time_embedding == time
    variants = [trial.variant for trial in paper_size.q_trials(NAME, 0, runner.Options())]
    assert variants[1] == "conservatism 1, uniform batches, time embedding, rewards x 10"
    assert len(set(variants)) == 4
    assert paper_size.q_trials("pendulum", 0, runner.Options()) == []


def test_references_are_those_of_the_parts(loaded):
    found = paper_size.references(runner.Options(parts=("cartpole-axes", "pendulum")))
    assert {row.dataset for row in found} == {"cartpole/mixed", "pendulum/medium"}


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = fakes.look_twice(paper_size.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == [
        "random",
        "blind",
        "lookup",
        "optimal",
        "s4d",
        "s4d",
    ]
    assert {row["tokens"] for row in rows[4:]} == {"concatenated", "interleaved"}
