"""Twins: gap and bias by hand, and which rows count."""

import pytest

from experiments import tuning, twins

PAIR = twins.Pair("world/hidden", "world/shown")


def row(dataset, method, seed, score, variant=""):
    metrics = {"variant": variant, "success": score}
    return {"dataset": dataset, "method": method, "seed": seed, "metrics": metrics}


ROWS = [
    row(PAIR.hidden, "s4d", 1, 0.7),
    row(PAIR.hidden, "s4d", 0, 0.9),
    row(PAIR.shown, "s4d", 0, 0.95),
    row(PAIR.shown, "s4d", 1, 1.0),
    row(PAIR.hidden, "mlp", 0, 0.5),
    row(PAIR.shown, "mlp", 0, 1.0),
    row(PAIR.shown, "lstm", 0, 0.8),
    row(PAIR.shown, "random", None, 0.1),
    row(PAIR.shown, "s4d", 0, 0.2, variant=f"{tuning.TITLE}learning rate 0.1, dropout 0"),
    row(PAIR.shown, "s4d", 0, 0.3, variant=f"time table, {tuning.TITLE}learning rate 0.1"),
    row(PAIR.shown, "attention", 0, 0.6, variant="time table"),
    row(PAIR.hidden, "attention", 0, 0.7, variant="time table"),
    row("other/shown", "s4d", 0, 0.4),
]


def test_the_gap_is_twin_minus_task_seed_by_seed():
    found = twins.observability_gaps(iter(ROWS), PAIR, "success")
    assert found == {
        ("s4d", ""): pytest.approx([0.05, 0.3]),
        ("mlp", ""): pytest.approx([0.5]),
        ("attention", "time table"): pytest.approx([-0.1]),
    }


def test_the_bias_is_the_distance_to_the_mixer_without_memory_on_the_twin():
    found = twins.memory_biases(iter(ROWS), PAIR, "success")
    assert found == {
        ("s4d", ""): pytest.approx([-0.05]),
        ("lstm", ""): pytest.approx([-0.2]),
        ("attention", "time table"): pytest.approx([-0.4]),
    }


def test_a_later_row_replaces_an_earlier_one():
    again = [*ROWS, row(PAIR.hidden, "mlp", 0, 0.6)]
    found = twins.observability_gaps(again, PAIR, "success")
    assert found["mlp", ""] == pytest.approx([0.4])


def test_nothing_is_known_without_the_other_half():
    alone = [row(PAIR.shown, "s4d", 0, 1.0)]
    assert twins.observability_gaps(alone, PAIR, "success") == {}
    assert twins.memory_biases(alone, PAIR, "success") == {}
