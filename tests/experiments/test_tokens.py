"""Tokens: its plan, its judge, and a quick run from end to end."""

import pytest

from experiments import suites, tokens
from jax_s4rl.agents import tasks
from tests.experiments import asked, runs


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


@pytest.mark.slow
@pytest.mark.parametrize("part", tokens.SUITE.parts)
def test_both_layouts_get_the_same_data_updates_and_rates(loaded, part):
    planned = tokens.SUITE.parts[part].plan(suites.Options())
    assert len({cell.digest for cell in planned}) == len(planned)
    found = {"interleaved": [], "concatenated": []}
    for cell in planned:
        chosen = cell.settings
        rates = chosen.optimization.learning_rate if part == "tuning" else None
        what = (cell.method, cell.dataset, cell.data_seed, chosen.num_updates, chosen.batch_size, rates)
        found[chosen.model.tokens].append(what)
    assert found["interleaved"] == found["concatenated"]
    assert {cell.method for cell in planned} == set(tokens.MIXERS)


def test_only_the_mixers_that_are_asked_for_are_planned(loaded):
    planned = tokens.plan("cartpole", suites.Options(mixers=("lstm", "s4d")))
    assert [(cell.method, cell.variant) for cell in planned] == [("s4d", "interleaved"), ("s4d", "concatenated")]


def test_the_judge_says_what_an_action_takes(monkeypatch, loaded):
    asked.acting(monkeypatch, runs.TASK)
    (cell, _) = tokens.plan("cartpole", suites.Options(mixers=("s4d",)))
    found = tokens.judge(cell, runs.TASK, asked.trained())
    assert found["milliseconds_per_call"] == pytest.approx(1e3 * 0.2 / 60)
    assert found["episodes_at_once"] > 2 * 62
    assert set(tokens.SETUPS["cartpole"].targets) <= set(found["asked"])


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = runs.look_twice(tokens.SUITE, tmp_path, monkeypatch)
    layouts = ["interleaved", "concatenated"]
    assert [(row["method"], row["tokens"]) for row in rows[3:]] == [
        (mixer, layout) for mixer in ("attention", "s4d") for layout in layouts
    ]
    assert all(row["metrics"]["updates_per_second"] > 0 for row in rows[3:])
