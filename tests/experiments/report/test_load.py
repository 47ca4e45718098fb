"""Rows are normalized, sorted by purpose and grouped; none is lost."""

import pytest

from experiments import runner, tuning
from experiments.report import catalog, document, load
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


def test_arms_differ_in_what_a_reader_sees():
    rows = [
        made_up.row("e", "a", "s4d", 0),
        made_up.row("e", "b", "s4d", 0),
        made_up.row("e", "a", "s4d", 1, data_seed=3),
        made_up.row("e", "a", "s4d", 0, tokens="interleaved"),
        made_up.row("e", "a", "s4d", 0, variant="uniform batches"),
        made_up.row("e", "a", "attention", 0),
    ]
    found = load.group(rows, str)
    assert [(group.method, group.data, len(group.rows)) for group in found] == [
        ("attention", "a", 1),
        ("s4d", "a", 2),
        ("s4d", "a", 1),
        ("s4d", "a", 1),
        ("s4d", "b", 1),
    ]
    assert [group.name for group in found][3] == "s4d, uniform batches"
    assert found[3].setting == ("a", "uniform batches", "concatenated", 32)


def test_names_tell_contexts_and_tokens_apart_where_there_are_several():
    rows = [
        made_up.row("e", "a", "s4d", 0, context=20, variant="whole"),
        made_up.row("e", "a", "s4d", 0, context=50, variant="whole"),
        made_up.row("e", "a", "s4d", 0, context=32),
        made_up.row("e", "a", "cql", 0) | {"tokens": None, "context_length": None},
        made_up.row("e", "b", "s4d", 0, tokens="interleaved"),
        made_up.row("e", "b", "s4d", 0, tokens="concatenated"),
    ]
    found = load.group(rows, str)
    apart = load.distinguish(found)
    assert [document.join(group.data, group.variant, apart[group.setting]) for group in found] == [
        "a, whole, context 20",
        "a, whole, context 50",
        "a",
        "a",
        "b, interleaved",
        "b, concatenated",
    ]


def test_recordings_of_a_data_set():
    rows = [
        made_up.row("e", "d", "s4d", seed, data_seed=data)
        for data, seed in ((0, 0), (3, 0), (3, 1))
    ]
    assert {key: len(own) for key, own in load.recordings(rows)["d"].items()} == {
        ("d", 0): 1,
        ("d", 3): 2,
    }
    assert load.in_common(rows, rows[1:2]) == (rows[1:], rows[1:2])


def test_seeds_of_a_cell_share_one_compilation():
    rows = [made_up.row("e", "d", "s4d", seed) for seed in range(5)]
    assert load.minutes(rows) == pytest.approx(1 + 5 * 3)


def swept(**metrics):
    return made_up.row("cartpole", "d", "s4d", 0, asked=[1.0, 2.0, 3.0], **metrics)


def test_control_is_that_of_means_over_supported_targets():
    row = swept(supported=[True, True, False], achieved_greedy=[1.0, 3.0, 0.0], slope_greedy=0.5)
    found = load.with_control(row)["metrics"]
    assert found["slope_greedy"] == pytest.approx(2.0)
    assert found["rank_correlation_greedy"] == pytest.approx(1.0)
    assert "slope_sampled" not in found
    assert row["metrics"]["slope_greedy"] == 0.5


def test_without_two_supported_targets_nothing_is_said_of_control():
    row = swept(supported=[True, False, False], achieved_sampled=[1.0, 3.0, 0.0], slope_sampled=0.5)
    assert "slope_sampled" not in load.with_control(row)["metrics"]
    row = swept(
        supported=[True, True, False],
        achieved_sampled=[1.0, None, 0.0],
        rank_correlation_sampled=0.5,
    )
    assert "rank_correlation_sampled" not in load.with_control(row)["metrics"]
    assert load.with_control(made_up.row("cartpole", "d", "cql", 0))["metrics"]["cell"] == "abc"


def test_the_door_given_the_key():
    shares = {"success_greedy": 0.0, "key_greedy": 0.0, "success_sampled": 0.2, "key_sampled": 0.8}
    found = load.of_key_to_door(
        made_up.row("key_to_door", "d", "bc", 0, target_0_greedy=1.0, **shares)
    )["metrics"]
    assert found["door_given_key_sampled"] == pytest.approx(0.25)
    assert not {"door_given_key_greedy", "target_0_greedy"} & set(found)


def test_what_the_three_sweeping_experiments_show_is_computed_again(tmp_path):
    for about in (catalog.CARTPOLE, catalog.PENDULUM, catalog.KEY_DOOR):
        row = swept(supported=[True, True, True], achieved_greedy=[2.0, 4.0, 6.0], slope_greedy=0.5)
        made_up.write(tmp_path, about.name, [row])
        (found,) = about.read(tmp_path).rows.scored
        assert found["metrics"]["slope_greedy"] == pytest.approx(2.0)


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
