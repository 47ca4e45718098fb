"""Bars are judged by the runs at their points, and say by which numbers."""

import pytest

from experiments.report import bars, limits
from experiments.report.tasks import Bar
from tests.experiments.report import made_up


@pytest.mark.parametrize(
    ("points", "methods", "is_met", "wanted"),
    [
        (("a",), ("lstm",), limits.at_least(0.25), "**met** (LSTM 30.0 %)."),
        (("a",), ("lstm", "s4d"), limits.at_least(0.25), "**missed** (LSTM 30.0 %, S4D 20.0 %)."),
        (("a", "b"), ("lstm", "s4d"), limits.in_order, "**met**."),
        (("a", "b"), ("s4d", "lstm"), limits.in_order, "**missed** (missed at a and b)."),
        (("a",), ("s5",), limits.in_each(0.0), "**not measured**."),
        (("a", "c"), ("lstm", "s5"), limits.first_is_most, "**not measured**."),
    ],
)
def test_a_bar_is_met_missed_or_not_measured(points, methods, is_met, wanted):
    values = {
        "a": {"lstm": made_up.spread(0.3), "s4d": made_up.spread(0.2)},
        "b": {"lstm": made_up.spread(0.3), "s4d": made_up.spread(0.2)},
    }
    rows = [
        row
        for point, own in values.items()
        for method, sampled in own.items()
        for row in made_up.runs(
            "some", f"some/{point}", method, [2 * value for value in sampled], "return"
        )
    ]
    bar = Bar("a bar", points, methods, is_met)
    task = made_up.task(unit="%", bars=(bar,)).holding(rows)
    assert bars.sentences(task) == [f"Bar: a bar: {wanted}"]


def test_a_bar_that_was_missed_once_is_missed_wherever_else_nothing_ran():
    rows = made_up.runs("some", "some/a", "lstm", made_up.spread(0.4), "return")
    bar = Bar("a bar", ("a", "c"), ("lstm",), limits.at_least(0.5))
    (sentence,) = bars.sentences(made_up.task(bars=(bar,)).holding(rows))
    assert sentence == "Bar: a bar: **missed** (missed at a; not measured at c)."


def test_another_metric_than_the_score_has_no_unit():
    rows = [made_up.row("some", "some/a", "lstm", 0, others=0.25, return_sampled=0.5)]
    bar = Bar("a bar", ("a",), ("lstm",), limits.at_most(0.3), "others")
    (sentence,) = bars.sentences(made_up.task(unit="%", bars=(bar,)).holding(rows))
    assert sentence == "Bar: a bar: **met** (LSTM 0.25 in one run)."
