"""Scores keep their strata, outcomes follow their rule, ratios compare like with like."""

import dataclasses
import math

import pytest

from experiments.report import document, scores
from experiments.report.tasks import Point, Question, Side
from jax_s4rl.evaluation import bootstrap
from tests.experiments.report import made_up

TASK = made_up.task()


def runs(*values, data="some/a", method="s4d", **more):
    return made_up.runs("some", data, method, values, "return", **more)


def held(*rows, task=TASK):
    references = []
    for data in ("some/a", "some/b", "some/c"):
        references += made_up.bounds("some", data, "return", 0.0, 100.0)
    return task.holding([*references, *rows])


def compare(task, kind="greedy"):
    setting = task.settings[0]
    first, second = (scores.of_setting(task, setting, name) for name in ("s4d", "attention"))
    return scores.compare(task, first, second, kind)


def test_training_seeds_are_the_runs_of_one_recording():
    rows = [made_up.row("e", "a", "s4d", seed, x=float(seed)) for seed in (0, 1)]
    assert scores.runs([*rows, made_up.row("e", "a", "s4d", 2)], "x") == [0.0, 1.0]


def test_recordings_are_the_runs_where_there_are_several_of_a_data_set():
    seeds = {4: [5.0], 0: [1.0, 3.0], 9: [8.0]}
    rows = [
        made_up.row("e", "d", "s4d", seed, data_seed=data, x=value)
        for data, values in seeds.items()
        for seed, value in enumerate(values)
    ]
    assert scores.runs(rows, "x") == [2.0, 5.0, 8.0]


def difference(value, low, high, runs=(5, 5)):
    interval = bootstrap.Interval(value, low, high)
    return scores.Difference(interval, interval, runs, ((), ()))


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ((0.05, 0.001, 0.2), scores.BETTER),
        ((0.049, 0.001, 0.2), scores.UNDECIDED),
        ((0.1, 0.0, 0.2), scores.UNDECIDED),
        ((-0.05, -0.2, -0.001), scores.WORSE),
        ((-0.03, -0.049, -0.02), scores.EQUAL),
        ((0.03, 0.02, 0.049), scores.EQUAL),
        ((0.03, 0.02, 0.05), scores.UNDECIDED),
        ((0.5, math.nan, math.nan), scores.FEW),
    ],
)
def test_outcomes(ends, outcome):
    assert difference(*ends).outcome == outcome


def test_fewer_than_five_runs_of_either_have_no_outcome():
    assert difference(0.5, 0.4, 0.6, (4, 9)).outcome == scores.FEW
    assert difference(0.5, 0.4, 0.6, (9, 4)).outcome == scores.FEW


def test_points_of_a_setting_weigh_alike_on_the_scale_of_their_data():
    rows = [*runs(*made_up.spread(60)), *runs(*made_up.spread(40), method="attention")]
    rows += [
        *runs(*made_up.spread(50), data="some/b"),
        *runs(*made_up.spread(50), data="some/b", method="attention"),
    ]
    found = compare(held(*rows))
    assert found is not None
    assert found.gain.value == pytest.approx(0.1)
    assert found.runs == (5, 5)
    assert found.outcome == scores.BETTER
    # Without the ends of the scale there is no comparison.
    assert compare(TASK.holding(rows)) is None


def test_only_data_sets_that_both_have_are_compared():
    rows = [*runs(*made_up.spread(60)), *runs(*made_up.spread(50), method="attention")]
    found = compare(held(*rows, *runs(*made_up.spread(0), data="some/b")))
    assert found is not None
    assert found.gain.value == pytest.approx(0.1)
    assert compare(held(*runs(1.0))) is None


def test_recording_by_recording_a_small_lead_is_seen():
    """Recordings differ by much more than the two methods do."""
    recorded = {3: 10.0, 1: 90.0, 0: 30.0, 4: 70.0, 2: 50.0}
    rows = []
    for data_seed, value in recorded.items():
        rows += runs(value + 6, data_seed=data_seed)
        rows = [*runs(value, method="attention", data_seed=data_seed), *rows]
    rows += runs(1_000.0, data_seed=7)
    found = compare(held(*rows))
    assert found is not None
    assert found.gain == pytest.approx((0.06, 0.06, 0.06))
    assert (found.outcome, found.runs) == (scores.BETTER, (5, 5))
    # As runs of one recording, each with a seed of its own.
    apart = compare(
        held(
            *(
                row | {"seed": seed, "metrics": row["metrics"] | {"data_seed": 0}}
                for seed, row in enumerate(rows)
            )
        )
    )
    assert apart is not None
    assert apart.outcome == scores.UNDECIDED


def test_a_contrast_is_the_difference_of_two_mean_gains():
    def of(value):
        pair = tuple(made_up.spread(value)), tuple(made_up.spread(0.0))
        interval = bootstrap.Interval(value, value, value)
        return scores.Difference(interval, interval, (5, 5), ((pair[0],), (pair[1],)))

    found = scores.contrast([of(0.4), of(0.2), of(0.6)], [of(0.1)])
    assert found.value == pytest.approx(0.3)
    assert 0.25 < found.low < 0.3 < found.high < 0.35


def test_differences_weigh_alike_in_their_mean():
    def of(*values):
        pairs = [(tuple(made_up.spread(value)), tuple(made_up.spread(0.0))) for value in values]
        first, second = zip(*pairs, strict=True)
        return difference(0.0, 0.0, 0.0)._replace(pair=(first, second))

    found = scores.pool([of(0.6, 0.6, 0.6), of(0.2)])
    assert found.value == pytest.approx(0.4)
    assert 0.35 < found.low < 0.4 < found.high < 0.45


def test_methods_ran_everywhere_and_the_variant_of_a_baseline_is_fixed():
    point = Point("both", ("some/a", "some/b"))
    rows = [
        *runs(2.0, method="cql", variant="conservatism 0.1"),
        *runs(2.0, method="cql", variant="conservatism 0.1", data="some/b"),
        *runs(1.0, method="cql", variant="conservatism 1"),
        *runs(1.0, method="cql", variant="conservatism 1", data="some/b"),
        *runs(9.0, method="percent_bc", variant="s4d"),
        *runs(9.0, method="percent_bc", variant="s4d", data="some/b"),
        *runs(3.0, method="percent_bc", variant="attention"),
        *runs(3.0, method="percent_bc", variant="attention", data="some/b"),
        *runs(4.0, method="bc", variant="unheard of"),
        *runs(4.0, method="bc", variant="unheard of", data="some/b"),
        *runs(8.0),
        *runs(8.0, data="some/b"),
        *runs(9.0, variant="dropout 0.1"),
        *runs(9.0, method="lstm"),
    ]
    found = scores.methods_at(held(*rows), point)
    values = {name: scores.score(TASK, own, "greedy") for name, own in found.items()}
    assert values == {"cql": 1.0, "percent_bc": 3.0, "bc": 4.0, "s4d": 8.0}
    assert "lstm" in scores.every_method(held(*rows), point)


def test_of_the_settings_of_the_control_the_better_one_counts():
    rows = [*runs(1.0, method="mlp"), *runs(3.0, method="mlp", variant=scores.CONTROL)]
    found = scores.methods_at(held(*rows), TASK.points[0])
    assert scores.score(TASK, found["mlp"], "greedy") == 3.0


def test_sides_of_a_question_share_data_context_and_method():
    question = Question(
        "name", "Title", "some", {"some/*": TASK}, Side("one", "1"), Side("other", "2*")
    )
    rows = [*runs(1.0, variant="1"), *runs(2.0, variant="2"), *runs(3.0, variant="2b")]
    rows += [*runs(1.0, variant="1", context=4), *runs(1.0, variant="1", method="s4")]
    held_question = dataclasses.replace(question, tasks={"some/*": held(*rows)})
    ((key, (_, (first, second))),) = scores.sides(held_question).items()
    assert key == ("some/a", 32, "s4d")
    assert (len(first[""]), len(second[""])) == (1, 2)


ONE, THREE = "concatenated", "interleaved"


def test_ratios_are_of_the_machine_that_was_timed_last():
    rows = [
        made_up.timed("attention", ONE, 32, 9.0) | {"machine": "other"},
        made_up.timed("s4d", ONE, 32, 9.0) | {"machine": "other"},
        made_up.timed("s4d", ONE, 64, 9.0) | {"machine": "other"},
        made_up.timed("attention", ONE, 64, 9.0) | {"machine": "other"},
        made_up.timed("attention", ONE, 32, 200.0),
        made_up.timed("s4d/matched", ONE, 32, 1.0),
        made_up.timed("s4d/matched", ONE, 32, 50.0),
        made_up.timed("s4d", ONE, 32, 20.0),
        made_up.timed("s4d", ONE, 64, 20.0),
        made_up.timed("attention", THREE, 32, 600.0),
        made_up.timed("attention", ONE, 32, 2.0, kind="acting"),
        made_up.timed("s4d", ONE, 32, 1.0, kind="acting"),
    ]
    found = {
        name: [ratio[:2] for ratio in scores.time_ratios(rows, name, "training")]
        for name in scores.CONTESTS
    }
    assert found == {
        "equal tokens and parameters": [(32, 4.0)],
        "equal tokens": [(32, 10.0)],
        "one token against three": [(32, 30.0)],
    }
    assert [each.value for each in scores.time_ratios(rows, "equal tokens", "acting")] == [2.0]


def test_times_at_tasks():
    rows = [
        made_up.row("speed", "d", who, None, seconds={"update_median": seconds})
        for who, seconds in (("attention", 8.0), ("s4", 2.0), ("lstm", 1.0))
    ]
    assert scores.task_ratios(rows, "update_median") == [scores.Ratio("d, s4", 4.0, None)]


def test_intervals_need_the_turns_of_both():
    ends = scores.ratio_interval([1.0, 1.2, 1.1, 1.0], [3.0, 3.5, 3.1, 2.9])
    assert ends is not None
    assert 2.5 < ends[0] < 3.0 / 1.05 < ends[1] < 3.5
    # Whatever slows both in a turn is in neither end.
    assert scores.ratio_interval([1.0, 5.0, 2.0], [2.0, 10.0, 4.0]) == (2.0, 2.0)
    assert scores.ratio_interval([1.0], []) is scores.ratio_interval([], []) is None
    assert document.show_ratio(2.0) == "2.00"
    assert document.show_ratio(2.0, (1.5, 2.5)) == "2.00 [1.50, 2.50]"
