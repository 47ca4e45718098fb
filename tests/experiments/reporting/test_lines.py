"""Lines are sorted by what they are, none is lost, and the settings of today count."""

import pytest

from experiments.reporting import lines
from tests.experiments.reporting import made_up


def test_every_line_is_somewhere():
    rows = [
        made_up.row("e", "d", "random", success=0.1),
        made_up.row("e", "d", "s4d", 0),
        made_up.row("e", "d", "s4d", 0, variant="tuning: learning rate 0.1", data_seed=1000),
    ]
    found = lines.sort(rows)
    assert (found.references, found.scored, found.tuning) == (rows[:1], rows[1:2], rows[2:])
    assert found.superseded == []


def test_a_cell_that_was_trained_again_with_other_settings_supersedes_the_earlier_one():
    old = [made_up.row("e", "d", "s4d", seed, cell="old") for seed in (0, 1)]
    new = [made_up.row("e", "d", "s4d", seed, cell="new") for seed in (0, 1)]
    other = [made_up.row("e", "d", "s4d", 0, cell="other", variant="uniform batches")]
    found = lines.sort([*old, *other, *new])
    assert found.scored == [*other, *new]
    assert found.superseded == old


def test_a_seed_that_was_run_twice_counts_once():
    rows = [made_up.row("e", "d", "s4d", 0, success=value) for value in (0.1, 0.2)]
    found = lines.sort(rows)
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
    found = lines.arms(rows, str)
    assert [(arm.method, arm.setting.data, len(arm.rows)) for arm in found] == [
        ("attention", "a", 1),
        ("s4d", "a", 2),
        ("s4d", "a", 1),
        ("s4d", "a", 1),
        ("s4d", "b", 1),
    ]
    assert [arm.name for arm in found][3] == "s4d, uniform batches"
    assert found[3].setting.name == "a, uniform batches"


def test_names_tell_contexts_and_tokens_apart_where_there_are_several():
    rows = [
        made_up.row("e", "a", "s4d", 0, context=20, variant="whole"),
        made_up.row("e", "a", "s4d", 0, context=50, variant="whole"),
        made_up.row("e", "a", "s4d", 0, context=32),
        made_up.row("e", "a", "cql", 0) | {"tokens": None, "context_length": None},
        made_up.row("e", "b", "s4d", 0, tokens="interleaved"),
        made_up.row("e", "b", "s4d", 0, tokens="concatenated"),
    ]
    found = lines.arms(rows, str)
    apart = lines.apart(found)
    assert [lines.join(arm.setting.name, apart[arm.setting]) for arm in found] == [
        "a, whole, context 20",
        "a, whole, context 50",
        "a",
        "a",
        "b, interleaved",
        "b, concatenated",
    ]


def test_recordings_of_a_data_set():
    rows = [made_up.row("e", "d", "s4d", seed, data_seed=data) for data, seed in ((0, 0), (3, 0), (3, 1))]
    assert {key: len(own) for key, own in lines.recordings(rows)["d"].items()} == {("d", 0): 1, ("d", 3): 2}
    assert lines.in_common(rows, rows[1:2]) == (rows[1:], rows[1:2])


def test_seeds_of_a_cell_share_one_compilation():
    rows = [made_up.row("e", "d", "s4d", seed) for seed in range(5)]
    assert lines.minutes(rows) == pytest.approx(1 + 5 * 3)
