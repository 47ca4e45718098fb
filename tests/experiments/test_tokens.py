"""Tokens: its trials, its metrics, and a quick run from end to end."""

import pytest

from experiments import runner, tokens
from jax_s4rl.agents import tasks
from tests.agents import runs
from tests.experiments import fakes


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


@pytest.mark.slow
@pytest.mark.parametrize("part", tokens.EXPERIMENT.parts)
def test_both_layouts_get_the_same_data_updates_and_rates(loaded, part):
    planned = tokens.EXPERIMENT.parts[part](runner.Options())
    assert len({trial.digest for trial in planned}) == len(planned)
    found = {"interleaved": [], "concatenated": []}
    for trial in planned:
        chosen = trial.settings
        rates = chosen.optimization.learning_rate if part == "tuning" else None
        what = (
            trial.method,
            trial.dataset,
            trial.data_seed,
            chosen.num_updates,
            chosen.batch_size,
            rates,
        )
        found[chosen.model.tokens].append(what)
    assert found["interleaved"] == found["concatenated"]
    assert {trial.method for trial in planned} == set(tokens.MIXERS)


def test_only_the_mixers_of_the_options_have_trials(loaded):
    planned = tokens.task_trials("cartpole", runner.Options(mixers=("lstm", "s4d")))
    assert [(trial.method, trial.variant) for trial in planned] == [
        ("s4d", "interleaved"),
        ("s4d", "concatenated"),
    ]


def test_the_time_of_an_action_is_a_metric(monkeypatch, loaded):
    fakes.acting(monkeypatch, runs.TASK)
    (trial, _) = tokens.task_trials("cartpole", runner.Options(mixers=("s4d",)))
    found = trial.score(runs.TASK, fakes.trained())
    assert found["milliseconds_per_call"] == pytest.approx(1e3 * 0.2 / 60)
    assert found["episodes_at_once"] > 2 * 62
    assert set(tokens.TARGETS["cartpole"]) <= set(found["asked"])


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = fakes.look_twice(tokens.EXPERIMENT, tmp_path, monkeypatch)
    layouts = ["interleaved", "concatenated"]
    assert [(row["method"], row["tokens"]) for row in rows[3:]] == [
        ("s4d", layout) for layout in layouts
    ]
    assert all(row["metrics"]["updates_per_second"] > 0 for row in rows[3:])
