"""Ranges of initial steps: the trials, the rules, and a quick run from end to end."""

import dataclasses

import pytest

from experiments import memory, runner, step_ranges
from jax_s4rl.agents import tasks
from tests.experiments import fakes
from tests.experiments.test_memory import make_cartpole


@pytest.fixture(scope="module")
def pole():
    return make_cartpole()


@pytest.fixture
def loaded(monkeypatch, pole):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: pole)


@pytest.mark.slow
@pytest.mark.parametrize("part", step_ranges.PARTS)
def test_trials_of_a_mixer_differ_by_the_range_alone(loaded, part):
    planned = step_ranges.part_trials(part, runner.Options())
    assert len({trial.digest for trial in planned}) == len(planned)
    assert [trial.method for trial in planned[-2:]] == ["mlp", "attention"]
    for mixer in step_ranges.STATE_SPACES:
        own = [trial for trial in planned if trial.method == mixer]
        first = own[0]
        assert first.variant == step_ranges.FIXED
        assert first.settings.model.mixer.step_range == (1e-3, 1e-1)
        assert len({trial.settings.model.mixer.step_range for trial in own}) == len(own) >= 3
        for trial in own[1:]:
            assert step_ranges.with_range(trial, step_ranges.FIXED).digest == first.digest


def test_rules_follow_the_context():
    follows = step_ranges.RANGES["1/(3 L) to 100/(3 L)"]
    assert follows(4) == (1 / 12, 1.0)
    assert follows(100) == (1 / 300, 1 / 3)
    assert step_ranges.RANGES["1/L to 1"](100) == (0.01, 1.0)


def test_a_range_is_not_tried_twice_nor_where_it_forgets_all():
    tried = {
        tokens: [name for name in step_ranges.RANGES if step_ranges.is_tried(name, tokens)]
        for tokens in (4, 10)
    }
    assert tried[4] == list(step_ranges.RANGES)
    assert tried[10] == [name for name in step_ranges.RANGES if name != step_ranges.LONG_STEPS]
    assert not step_ranges.is_tried(step_ranges.LONG_STEPS, 101)


def trained_as(trial):
    model = trial.settings.model
    shape = {"context_length": model.context_length, "tokens": model.tokens}
    trained = fakes.trained(**shape)
    config = dataclasses.replace(trained.config.model, mixer=model.mixer)
    trained.config.model = config
    return trained


def test_rows_name_the_range(loaded, monkeypatch, pole):
    fakes.acting(monkeypatch, pole)
    trial = step_ranges.part_trials("cartpole_4", runner.Options(mixers=("s4d",)))[0]
    found = trial.score(pole, trained_as(trial))
    assert (found["step_range"], found["tokens"]) == ([1e-3, 1e-1], 4)
    assert found["return_greedy"] > 0
    control = step_ranges.part_trials("cartpole_4", runner.Options())[-1]
    assert "step_range" not in control.score(pole, trained_as(control))


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = fakes.look_twice(step_ranges.EXPERIMENT, tmp_path, monkeypatch)
    ranges = [row["metrics"]["variant"] for row in rows if row["method"] == "s4d"]
    assert ranges == list(step_ranges.RANGES)
    assert {row["dataset"] for row in rows} == {memory.CARTPOLE}
