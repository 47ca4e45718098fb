"""Scores keep their strata, comparisons need enough runs and both intervals, and numbers are easy to read."""

import math

import pytest

from experiments.reporting import scores
from jax_s4rl.evaluation import intervals
from tests.experiments.reporting import made_up


def strata(middle, count=5):
    return {("d", 0): made_up.spread(middle, count=count)}


def test_runs_are_kept_apart_by_what_they_learned_from():
    rows = [made_up.row("e", "d", "s4d", seed, data_seed=data, x=1.0) for data in (0, 7) for seed in (0, 1)]
    assert scores.strata([*rows, made_up.row("e", "d", "s4d", 2)], "x", -1) == {
        ("d", 0): [-1.0, -1.0],
        ("d", 7): [-1.0, -1.0],
    }


@pytest.mark.parametrize(
    ("middle", "count", "outcome"),
    [
        (0.9, 5, scores.AHEAD),
        (0.1, 5, scores.BEHIND),
        (0.5, 5, scores.LEVEL),
        (0.9, 4, scores.FEW),
        (0.9, 1, scores.FEW),
    ],
)
def test_outcomes(middle, count, outcome):
    found = scores.compare(strata(middle, count), strata(0.5))
    assert found is not None
    assert found.outcome == outcome


def test_only_what_both_learned_from_is_compared():
    assert scores.compare({("a", 0): [1.0]}, {("b", 0): [1.0]}) is None
    found = scores.compare(strata(0.9) | {("only here", 0): [5.0]}, strata(0.5))
    assert found is not None
    assert found.runs == (5, 5)


def test_chances_and_gains_are_taken_over_tasks():
    pairs = [(strata(0.9), strata(0.5)), (strata(0.5), strata(0.5))]
    chance, gain = scores.improvement(pairs), scores.gain(pairs)
    assert chance is not None
    assert gain is not None
    assert chance.value == pytest.approx(0.75)
    assert gain.value == pytest.approx(0.2)
    assert scores.improvement([]) is None
    assert scores.gain([]) is None


def test_a_middle_is_the_same_with_and_without_its_interval():
    values = {("a", 0): [0.0, 1.0, 2.0, 9.0, 10.0], ("b", 0): [1.0]}
    found = scores.middle(values)
    assert found is not None
    assert math.isclose(found.value, scores.middle_value(values))
    assert scores.middle({}) is None


def test_numbers_of_an_interval_have_as_many_decimals():
    assert scores.show(intervals.Interval(19.1, 0.132, 30), signed=True) == "+19.1 [+0.1, +30.0]"
    assert scores.show(intervals.Interval(0.5, math.nan, math.nan), "%") == "50.0"
    assert scores.number(math.nan) == "-"
