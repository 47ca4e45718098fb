"""Rows are normalized, sorted by purpose and grouped; none is lost."""

import pytest

from experiments import runner, tuning
from experiments.report import load
from jax_s4rl.modules import tokens
from tests.experiments.report import made_up


def test_every_line_is_somewhere():
    rows = [
        made_up.row("e", "d", "random", success=0.1),
        made_up.row("e", "d", "s4d", 0),
        made_up.row("e", "d", "s4d", 0, variant="tuning: learning rate 0.1", data_seed=1000),
    ]
    found = load.sort(rows)
    assert (found.references, found.scored, found.tuning) == (rows[:1], rows[1:2], rows[2:])
    assert found.superseded == []


def test_a_cell_that_was_trained_again_with_other_settings_supersedes_the_earlier_one():
    old = [made_up.row("e", "d", "s4d", seed, cell="old") for seed in (0, 1)]
    new = [made_up.row("e", "d", "s4d", seed, cell="new") for seed in (0, 1)]
    other = [made_up.row("e", "d", "s4d", 0, cell="other", variant="uniform batches")]
    found = load.sort([*old, *other, *new])
    assert found.scored == [*other, *new]
    assert found.superseded == old


def test_a_seed_that_was_run_twice_counts_once():
    rows = [made_up.row("e", "d", "s4d", 0, success=value) for value in (0.1, 0.2)]
    found = load.sort(rows)
    assert (found.scored, found.superseded) == (rows[1:], rows[:1])


def test_groups_differ_in_what_a_reader_sees():
    rows = [
        made_up.row("e", "a", "s4d", 0),
        made_up.row("e", "b", "s4d", 0),
        made_up.row("e", "a", "s4d", 1, data_seed=3),
        made_up.row("e", "a", "s4d", 0, tokens="interleaved"),
        made_up.row("e", "a", "s4d", 0, variant="uniform batches"),
        made_up.row("e", "a", "attention", 0),
    ]
    found = load.group(rows)
    assert [(group.method, group.dataset, len(group.rows)) for group in found] == [
        ("s4d", "a", 2),
        ("s4d", "b", 1),
        ("s4d", "a", 1),
        ("s4d", "a", 1),
        ("attention", "a", 1),
    ]
    assert found[3][:4] == ("a", "uniform batches", "concatenated", 32)


def test_runs_of_the_same_recordings():
    rows = [
        made_up.row("e", "d", "s4d", seed, data_seed=data)
        for data, seed in ((0, 0), (3, 0), (3, 1))
    ]
    assert load.in_common(rows, rows[1:2]) == (rows[1:], rows[1:2])


def test_seeds_of_a_cell_share_one_compilation():
    rows = [made_up.row("e", "d", "s4d", seed) for seed in range(5)]
    assert load.minutes(rows) == pytest.approx(1 + 5 * 3)


def test_a_row_for_each_wait_and_memory():
    row = made_up.row(
        "key_to_door",
        "d",
        "attention",
        0,
        variant="tested with longer waits, rotary positions",
        success_at_90_sampled=0.5,
        success_at_4000_sampled=0.25,
        success_whole_at_90_sampled=0.75,
    )
    found = [
        (each["method"], each["dataset"], each["metrics"]["success_sampled"])
        for each in load.of_waits(row)
    ]
    assert found == [
        ("attention, rotary positions", "wait 90", 0.5),
        ("attention, rotary positions", "wait 4000", 0.25),
        ("attention, rotary positions, whole history", "wait 90", 0.75),
    ]
    assert load.of_waits(made_up.row("key_to_door", "d", "s4d", 0)) == []


def test_a_row_for_each_longer_test():
    metrics = {"success_at_300_greedy": 1.0, "success_at_300_sampled": 0.5, "length": 100}
    row = made_up.row("long_memory", "t_maze/100/random", "s4d", 0, **metrics)
    (found,) = load.of_longer_tests(row)
    assert found["dataset"] == "t_maze 300"
    assert found["metrics"]["success_sampled"] == 0.5
    assert found["metrics"]["length"] == 300
    assert load.of_longer_tests(load.with_metrics(row, variant="context 10")) == []


def test_the_table_of_time_steps_is_a_method_of_its_own():
    row = made_up.row("long_memory", "d", "attention", 0, variant="time table")
    (found,) = load.of_long_memory(row)
    assert (found["method"], load.variant(found)) == ("attention, time table", "")
    plain = made_up.row("long_memory", "d", "attention", 0)
    assert load.of_long_memory(plain) == [plain]


@pytest.mark.parametrize(
    ("dataset", "hidden", "side"),
    [
        ("cartpole/mixed", "masked_cartpole/mixed", "shown"),
        ("masked_cartpole/mixed", "masked_cartpole/mixed", "hidden"),
        ("t_maze/100/shown", "t_maze/100/random", "shown"),
        ("t_maze/100/random", "t_maze/100/random", "hidden"),
    ],
)
def test_a_twin_has_the_name_of_its_task(dataset, hidden, side):
    (found,) = load.of_twins(made_up.row("e", dataset, "s4d", 0))
    assert (found["dataset"], load.variant(found)) == (hidden, side)
    assert load.of_twins(made_up.row("e", dataset, "s4d", 0, variant="context 10")) == []


def test_models_of_the_papers_size_have_the_score_of_their_task():
    row = made_up.row("e", "key_to_door/d", "s4d", 0, success_greedy=0.5, return_greedy=9.0)
    assert load.of_paper_size(row)[0]["metrics"]["score_greedy"] == 0.5
    row = made_up.row("e", "key_door/d", "random", **{"return": 9.0}, success_greedy=0.5)
    assert load.of_paper_size(row)[0]["metrics"]["score"] == 9.0


def test_the_model_without_memory_stands_beside_models_with_three_tokens():
    rows = [
        made_up.row("e", "cartpole/mixed", method, 0, variant=load.ONE_TOKEN, return_greedy=1.0)
        for method in ("mlp", "s4d")
    ]
    found = [load.variant(load.of_paper_size(row)[0]) for row in rows]
    assert found == [load.THREE_TOKENS, load.ONE_TOKEN]
    assert {load.ONE_TOKEN, load.THREE_TOKENS} == set(tokens.LAYOUTS)


def test_names_in_rows_are_those_of_the_scripts():
    assert load.MIXERS == runner.MIXERS
    assert runner.Options().episodes == load.EPISODES
    assert load.TUNING == tuning.TITLE


def test_the_last_time_of_a_trial_counts():
    rows = [made_up.timed("s4d", "concatenated", 32, value) for value in (1.0, 2.0)]
    (row,) = load.latest_times(
        [*rows[:1], made_up.timed("s4d", "interleaved", 32, 3.0), *rows[1:]]
    )[:1]
    assert row["seconds"]["median"] == 2e-3
