"""Ranges of initial steps: the plan, the rules, and a quick run from end to end."""

import pytest

from experiments import memory, step_ranges, suites
from jax_s4rl.agents import tasks
from tests.experiments import asked, runs
from tests.experiments.test_memory import make_cartpole


@pytest.fixture(scope="module")
def pole():
    return make_cartpole()


@pytest.fixture
def loaded(monkeypatch, pole):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: pole)


@pytest.mark.slow
@pytest.mark.parametrize("part", step_ranges.TASKS)
def test_cells_of_a_mixer_differ_by_the_range_alone(loaded, part):
    planned = step_ranges.plan(part, suites.Options())
    assert len({cell.digest for cell in planned}) == len(planned)
    assert [cell.method for cell in planned[-2:]] == ["mlp", "attention"]
    for mixer in step_ranges.STATE_SPACES:
        own = [cell for cell in planned if cell.method == mixer]
        first = own[0]
        assert first.variant == step_ranges.FIXED
        assert first.settings.model.mixer.step_range == (1e-3, 1e-1)
        assert len({cell.settings.model.mixer.step_range for cell in own}) == len(own) >= 3
        for cell in own[1:]:
            assert step_ranges.with_range(cell, step_ranges.FIXED).digest == first.digest


def test_rules_follow_the_context():
    follows = step_ranges.RANGES["1/(3 L) to 100/(3 L)"]
    assert follows(4) == (1 / 12, 1.0)
    assert follows(100) == (1 / 300, 1 / 3)
    assert step_ranges.RANGES["1/L to 1"](100) == (0.01, 1.0)


def test_a_range_is_not_tried_twice_nor_where_it_forgets_all():
    tried = {tokens: [name for name in step_ranges.RANGES if step_ranges.is_tried(name, tokens)] for tokens in (4, 10)}
    assert tried[4] == list(step_ranges.RANGES)
    assert tried[10] == [name for name in step_ranges.RANGES if name != step_ranges.LONG_STEPS]
    assert not step_ranges.is_tried(step_ranges.LONG_STEPS, 101)


def test_lines_name_the_range(loaded, monkeypatch, pole):
    asked.acting(monkeypatch, pole)
    cell = step_ranges.plan("cartpole_4", suites.Options(mixers=("s4d",)))[0]
    found = step_ranges.judge(cell, pole, asked.trained())
    assert (found["step_range"], found["tokens"]) == ([1e-3, 1e-1], 4)
    assert found["return_greedy"] > 0
    control = step_ranges.plan("cartpole_4", suites.Options())[-1]
    assert "step_range" not in step_ranges.judge(control, pole, asked.trained())


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = runs.look_twice(step_ranges.SUITE, tmp_path, monkeypatch)
    ranges = [row["metrics"]["variant"] for row in rows if row["method"] == "s4d"]
    assert ranges == list(step_ranges.RANGES)
    assert {row["dataset"] for row in rows} == {memory.CARTPOLE}
