"""Scores keep their strata, comparisons need enough runs, ratios compare like with like."""

import dataclasses
import math

import pytest

from experiments.report import catalog, claims, document, scores, verdicts
from tests.experiments.report import made_up


def strata(middle, count=5):
    return {"d": made_up.spread(middle, count=count)}


def test_training_seeds_are_the_runs_of_one_recording():
    rows = [
        made_up.row("e", data, "s4d", seed, x=float(seed)) for data in ("a", "b") for seed in (0, 1)
    ]
    assert scores.strata([*rows, made_up.row("e", "a", "s4d", 2)], "x", -1) == {
        "a": [0.0, -1.0],
        "b": [0.0, -1.0],
    }


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
        made_up.row("e", "d", "s4d", seed, data_seed=data, x=0.9 + seed / 100)
        for data in range(4)
        for seed in range(5)
    ]
    found = scores.difference(scores.strata(rows, "x"), strata(0.5))
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
    found = scores.difference(strata(middle, count), strata(0.5))
    assert found is not None
    assert found.outcome == outcome


def test_recording_by_recording_a_small_lead_is_seen():
    """Recordings differ by much more than the two methods do."""
    recordings = [0.1, 0.9, 0.3, 0.7, 0.5]
    ahead = {"d": [value + 0.02 for value in recordings]}
    apart = scores.difference(ahead, {"d": recordings})
    paired = scores.difference(ahead, {"d": recordings}, are_paired=True)
    assert apart is not None
    assert paired is not None
    assert apart.outcome == scores.LEVEL
    assert (paired.outcome, paired.runs) == (scores.AHEAD, (5, 5))
    assert paired.interval == pytest.approx((0.02, 0.02, 0.02))
    assert paired.improvement.value == 1.0


def test_only_what_both_learned_from_is_compared():
    assert scores.difference({"a": [1.0]}, {"b": [1.0]}) is None
    found = scores.difference(strata(0.9) | {"only here": [5.0]}, strata(0.5))
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


ABOUT = catalog.Experiment(
    name="some",
    title="Some",
    metrics=(catalog.Metric("return", "return"),),
    main_variants=("main",),
)


def read(folder, rows, about=ABOUT):
    made_up.write(folder, "some", rows)
    return about.read(folder)


def test_a_mixer_is_compared_in_every_setting_that_it_shares_with_attention(tmp_path):
    rows = made_up.bounds("some", "a", "return", 100.0, 200.0)
    for variant, data in (("main", "a"), ("other", "a"), ("main", "b")):
        rows += made_up.runs(
            "some", data, "attention", made_up.spread(150), "return", variant=variant
        )
        rows += made_up.runs("some", data, "s4d", made_up.spread(160), "return", variant=variant)
    rows += made_up.runs("some", "c", "s4d", [1.0], "return")
    found = list(scores.against(read(tmp_path, rows), "s4d"))
    assert [each.name for each in found] == [
        "Some, a, main",
        "Some, a, other",
        "Some, b, main",
    ]
    assert found[0].score.interval.value == pytest.approx(10)
    assert found[0].normalized is not None
    assert found[0].normalized[0]["a"] == pytest.approx(
        [value / 100 for value in made_up.spread(60)]
    )
    assert found[2].normalized is None


def test_contexts_of_one_variant_have_names_of_their_own(tmp_path):
    rows = []
    for context in (20, 50):
        for method in ("attention", "s4d"):
            rows += made_up.runs(
                "some", "a", method, [1.0, 2.0], "return", variant="whole", context=context
            )
    found = list(scores.against(read(tmp_path, rows), "s4d"))
    assert [each.name for each in found] == [
        "Some, a, whole, context 20",
        "Some, a, whole, context 50",
    ]


def test_a_group_names_only_what_ran_on_all_of_it(tmp_path):
    about = dataclasses.replace(ABOUT, patterns={"some/*": "all of them"})
    rows = []
    for method in ("attention", "s4d"):
        for data in ("some/a", "some/b"):
            rows += made_up.runs("some", data, method, [1.0, 2.0], "return")
        rows += made_up.runs("some", "some/b", method, [1.0, 2.0], "return", variant="longer")
    found = list(scores.against(read(tmp_path, rows, about), "s4d"))
    assert [each.name for each in found] == ["Some, all of them", "Some, b, longer"]


def test_the_first_main_variant_that_is_there_is_the_measure(tmp_path):
    about = dataclasses.replace(ABOUT, main_variants=("whole", "context 32"))
    rows = made_up.runs("some", "a", "attention", [1.0], "return", variant="context 32")
    rows += made_up.runs("some", "b", "attention", [1.0], "return", variant="whole")
    for data in "abc":
        rows += [
            made_up.row("some", data, "cql", 0, return_greedy=1.0)
            | {"tokens": None, "context_length": None}
        ]
    study = read(tmp_path, rows, about)
    found = {
        group.data: scores.baseline(study, group) for group in study.groups if group.method == "cql"
    }
    assert {data: other and other.variant for data, other in found.items()} == {
        "a": "context 32",
        "b": "whole",
        "c": None,
    }


def test_scores_on_the_scale_of_random_play_and_the_optimum(tmp_path):
    study = read(tmp_path, made_up.bounds("some", "a", "return", 100.0, 200.0))
    assert scores.normalize(study, {"a": [100.0, 150.0]}) == {"a": [0.0, 0.5]}
    assert scores.normalize(study, {"a": [100.0], "b": [1.0]}) is None


def test_only_recordings_that_both_learned_from_are_compared(tmp_path):
    rows = []
    for data_seed in range(6):
        rows += made_up.runs("some", "a", "s4d", [10.0 * data_seed], "return", data_seed=data_seed)
    for data_seed in range(1, 6):
        rows += made_up.runs("some", "a", "attention", [5.0, 15.0], "return", data_seed=data_seed)
    (found,) = scores.against(read(tmp_path, rows), "s4d")
    assert found.score.runs == (5, 5)
    assert found.pair == ({"a": [10.0, 20.0, 30.0, 40.0, 50.0]}, {"a": [10.0] * 5})


def test_arms_are_compared_recording_by_recording_in_whatever_order_they_ran(tmp_path):
    rows = []
    for data_seed in (0, 3, 1, 4, 2):
        rows += made_up.runs(
            "some", "a", "s4d", [10.0 * data_seed + 1], "return", data_seed=data_seed
        )
    for data_seed in range(5):
        rows += made_up.runs(
            "some", "a", "attention", [10.0 * data_seed], "return", data_seed=data_seed
        )
    (found,) = scores.against(read(tmp_path, rows), "s4d")
    assert found.score.interval == (1.0, 1.0, 1.0)
    assert found.outcome == "ahead"


def test_what_stands_aside_is_not_compared(tmp_path):
    about = dataclasses.replace(ABOUT, aside=("*one step*",))
    rows = []
    for method in ("attention", "s4d"):
        for variant in ("", "composed, one step"):
            rows += made_up.runs(
                "some", "a", method, made_up.spread(150), "return", variant=variant
            )
    (found,) = scores.against(read(tmp_path, rows, about), "s4d")
    assert found.group.variant == ""
    assert found.otherwise is not None
    assert found.otherwise.outcome == "level"


def test_less_can_be_better(tmp_path):
    metric = catalog.Metric("regret", "regret", larger_is_better=False)
    about = catalog.Experiment(name="some", title="Some", metrics=(metric,))
    rows = made_up.bounds("some", "a", "regret", 1.0, 0.0)
    rows += made_up.runs("some", "a", "attention", made_up.spread(0.5), "regret")
    rows += made_up.runs("some", "a", "s4d", made_up.spread(0.2), "regret")
    (found,) = scores.against(read(tmp_path, rows, about), "s4d")
    assert found.score.interval.value == pytest.approx(0.3)
    assert found.normalized is not None
    assert sum(found.normalized[0]["a"]) / 5 == pytest.approx(0.8)


def test_what_has_no_attention_of_its_variant_is_measured_by_the_main_one(tmp_path):
    rows = made_up.runs("some", "a", "attention", [1.0], "return", variant="main")
    rows += made_up.runs("some", "a", "attention", [2.0], "return", variant="uniform")
    rows += made_up.runs("some", "a", "percent_bc", [3.0], "return", variant="s4d")
    rows += made_up.runs("some", "a", "s4d", [3.0], "return", variant="uniform")
    rows += [
        row | {"tokens": None, "context_length": None}
        for row in made_up.runs("some", "a", "cql", [3.0], "return")
    ]
    study = read(tmp_path, rows)
    found = {group.name: scores.baseline(study, group) for group in study.groups}
    assert {name: other and other.variant for name, other in found.items()} == {
        "attention, main": None,
        "attention, uniform": "main",
        "percent_bc, s4d": "main",
        "s4d, uniform": "uniform",
        "cql": "main",
    }


ONE, THREE = scores.ONE, scores.THREE


def test_pairs_share_length_and_batch():
    rows = [
        made_up.timed("attention", THREE, 32, 200.0),
        made_up.timed("s4d", THREE, 32, 50.0),
        made_up.timed("s4d", ONE, 32, 20.0),
        made_up.timed("s4d", ONE, 1_024, 20.0),
    ]
    alike, built, layouts = (
        scores.time_ratios(rows, contests)
        for contests in (scores.ALIKE, scores.ONE_THREE, claims.LAYOUTS)
    )
    assert [(each.pair, each.place, each.value) for each in alike] == [
        ("s4d, three tokens", "32 steps", 4.0)
    ]
    assert [(each.pair, each.place, each.value) for each in built] == [
        ("s4d, one against three", "32 steps", 10.0)
    ]
    assert [(each.pair, each.place, each.value) for each in layouts] == [("s4d", "32 steps", 2.5)]
    assert verdicts.at_least(alike, verdicts.SEVERAL).word == verdicts.HOLDS
    assert verdicts.ranges([*alike, *built]).splitlines() == [
        "s4d, three tokens: 4.0",
        "s4d, one against three: 10.0",
    ]
    assert scores.time_ratios(rows, scores.ALIKE, shortest=100) == []
    assert [row["seconds"]["median"] for row in alike[0].rows] == [50e-3, 200e-3]


def test_models_of_as_many_parameters_and_histories_mapped_anew_have_their_side():
    rows = [made_up.timed("attention", ONE, 64, 6.0), made_up.timed("s4d/matched", ONE, 64, 3.0)]
    rows += [made_up.timed("recompute", THREE, 64, 9.0), made_up.timed("s4d", ONE, 64, 1.0)]
    names = ("s4d, one token", "s4d matched, one token", "s4d, one against recomputed window")
    found = [scores.time_ratios(rows, side) for side in scores.CONTESTS.values()]
    assert [[(each.pair, each.value) for each in timed] for timed in found] == [
        [(name, value)] for name, value in zip(names, (6.0, 2.0, 9.0), strict=True)
    ]


def test_batches_and_machines_are_told_where_there_are_several():
    rows = [
        made_up.timed(who, ONE, 16, 1.0, batch=batch)
        for who in ("attention", "s4")
        for batch in (1, 64)
    ]
    found = scores.time_ratios(rows, scores.ALIKE)
    assert [(each.series, each.place) for each in found] == [
        ("1 at once", "16 steps"),
        ("64 at once", "16 steps"),
    ]
    rows = [
        made_up.timed(who, ONE, 16, 1.0) | {"machine": m}
        for who in ("attention", "s4")
        for m in ("cpu", "gpu")
    ]
    assert [each.series for each in scores.time_ratios(rows, scores.ALIKE)] == ["cpu", "gpu"]


def test_times_at_tasks(tmp_path):
    metric = catalog.Metric("ms", "ms", larger_is_better=False, kinds=())
    about = catalog.Experiment(name="speed", title="Speed", metrics=(metric,))
    rows = [
        made_up.row("speed", "d", who, seed, ms=ms)
        for who, ms in (("attention", 8.0), ("s4", 2.0))
        for seed in (0, 1)
    ]
    made_up.write(tmp_path, "speed", rows)
    study = about.read(tmp_path)
    assert scores.task_ratios(study, [metric]) == [scores.Ratio("s4", "", "d", 4.0)]


def test_intervals_need_the_turns_of_both():
    ends = scores.ratio_interval([1.0, 1.2, 1.1, 1.0], [3.0, 3.5, 3.1, 2.9])
    assert ends is not None
    assert 2.5 < ends[0] < 3.0 / 1.05 < ends[1] < 3.5
    # Whatever slows both in a turn is in neither end.
    assert scores.ratio_interval([1.0, 5.0, 2.0], [2.0, 10.0, 4.0]) == (2.0, 2.0)
    assert scores.ratio_interval([1.0], []) is scores.ratio_interval([], []) is None
    assert document.show_ratio(2.0, None) == "2.00"
    assert document.show_ratio(2.0, (1.5, 2.5)) == "2.00 [1.50, 2.50]"
