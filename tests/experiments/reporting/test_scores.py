"""Scores keep their strata, comparisons need enough runs and both intervals, and numbers are easy to read."""

import math

import pytest

from experiments.reporting import scores
from jax_s4rl.evaluation import bootstrap
from tests.experiments.reporting import made_up


def strata(middle, count=5):
    return {"d": made_up.spread(middle, count=count)}


def test_training_seeds_are_the_runs_of_one_recording():
    rows = [made_up.row("e", data, "s4d", seed, x=float(seed)) for data in ("a", "b") for seed in (0, 1)]
    assert scores.strata([*rows, made_up.row("e", "a", "s4d", 2)], "x", -1) == {"a": [0.0, -1.0], "b": [0.0, -1.0]}


def test_recordings_are_the_runs_where_there_are_several_of_a_data_set():
    seeds = {0: [1.0, 3.0], 4: [5.0], 9: [8.0]}
    rows = [
        made_up.row("e", "d", "s4d", seed, data_seed=data, x=value)
        for data, values in seeds.items()
        for seed, value in enumerate(values)
    ]
    found = scores.strata([*rows, made_up.row("e", "other", "s4d", 0, x=9.0)], "x")
    assert found == {"d": [2.0, 5.0, 8.0], "other": [9.0]}


def test_fewer_than_five_recordings_are_too_few_however_many_seeds_they_have():
    rows = [
        made_up.row("e", "d", "s4d", seed, data_seed=data, x=0.9 + seed / 100) for data in range(4) for seed in range(5)
    ]
    found = scores.compare(scores.strata(rows, "x"), strata(0.5))
    assert found is not None
    assert (found.runs, found.outcome) == ((4, 5), scores.FEW)


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


def test_recording_by_recording_a_small_lead_is_seen():
    """Recordings differ by much more than the two methods do."""
    recordings = [0.1, 0.9, 0.3, 0.7, 0.5]
    ahead = {"d": [value + 0.02 for value in recordings]}
    apart = scores.compare(ahead, {"d": recordings})
    paired = scores.compare(ahead, {"d": recordings}, are_paired=True)
    assert apart is not None
    assert paired is not None
    assert apart.outcome == scores.LEVEL
    assert (paired.outcome, paired.runs) == (scores.AHEAD, (5, 5))
    assert paired.difference == pytest.approx((0.02, 0.02, 0.02))
    assert paired.improvement.value == 1.0


def test_only_what_both_learned_from_is_compared():
    assert scores.compare({"a": [1.0]}, {"b": [1.0]}) is None
    found = scores.compare(strata(0.9) | {"only here": [5.0]}, strata(0.5))
    assert found is not None
    assert found.runs == (5, 5)


def test_chances_and_gains_are_taken_over_tasks():
    won, even = (strata(0.9), strata(0.5)), (strata(0.5), strata(0.5))
    pairs = {"one": [won, even]}
    chance, gain = scores.improvement(pairs), scores.gain(pairs)
    assert chance is not None
    assert gain is not None
    assert chance.value == pytest.approx(0.75)
    assert gain.value == pytest.approx(0.2)
    assert scores.improvement({}) is None
    assert scores.gain({"one": []}) is None


def test_an_environment_of_many_tasks_weighs_as_much_as_any_other():
    won, even = (strata(0.9), strata(0.5)), (strata(0.5), strata(0.5))
    pairs = {"one": [won], "many": [even] * 23}
    chance, gain = scores.improvement(pairs), scores.gain(pairs)
    assert chance is not None
    assert gain is not None
    assert chance.value == pytest.approx(0.75)
    assert gain.value == pytest.approx(0.2)


def test_a_middle_is_the_same_with_and_without_its_interval():
    values = {"a": [0.0, 1.0, 2.0, 9.0, 10.0], "b": [1.0]}
    found = scores.middle(values)
    assert found is not None
    assert math.isclose(found.value, scores.middle_value(values))
    assert scores.middle({}) is None


def test_numbers_of_an_interval_have_as_many_decimals():
    assert scores.show(bootstrap.Interval(19.1, 0.132, 30), signed=True) == "+19.1 [+0.1, +30.0]"
    assert scores.show(bootstrap.Interval(0.5, math.nan, math.nan), "%") == "50.0"
    assert scores.number(math.nan) == "-"
