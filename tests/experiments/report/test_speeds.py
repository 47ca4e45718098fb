"""Ratios of times compare like with like, and say at which length and task."""

from experiments.report import experiment, speeds, verdicts
from tests.experiments.report import made_up

ONE, THREE = speeds.ONE, speeds.THREE


def test_pairs_share_length_and_batch():
    rows = [
        made_up.timed("attention", THREE, 32, 200.0),
        made_up.timed("s4d", THREE, 32, 50.0),
        made_up.timed("s4d", ONE, 32, 20.0),
        made_up.timed("s4d", ONE, 1_024, 20.0),
    ]
    alike, built, layouts = (
        speeds.compare(rows, contests)
        for contests in (speeds.ALIKE, speeds.ONE_THREE, speeds.LAYOUTS)
    )
    assert [(each.pair, each.place, each.value) for each in alike] == [
        ("s4d, three tokens", "32 steps", 4.0)
    ]
    assert [(each.pair, each.place, each.value) for each in built] == [
        ("s4d, one against three", "32 steps", 10.0)
    ]
    assert [(each.pair, each.place, each.value) for each in layouts] == [("s4d", "32 steps", 2.5)]
    assert verdicts.at_least(alike, verdicts.SEVERAL).word == verdicts.HOLDS
    assert speeds.ranges([*alike, *built]).splitlines() == [
        "s4d, three tokens: 4.0",
        "s4d, one against three: 10.0",
    ]
    assert speeds.compare(rows, speeds.ALIKE, shortest=100) == []
    assert alike[0].milliseconds == (50.0, 200.0)
    assert (alike[0].value, alike[0].of_minima) == (4.0, 4.0)


def test_models_of_as_many_parameters_and_histories_mapped_anew_have_their_side():
    rows = [made_up.timed("attention", ONE, 64, 6.0), made_up.timed("s4d/matched", ONE, 64, 3.0)]
    rows += [made_up.timed("recompute", THREE, 64, 9.0), made_up.timed("s4d", ONE, 64, 1.0)]
    sides = {speeds.ALIKE: "s4d, one token", speeds.MATCHED: "s4d matched, one token"}
    sides[speeds.ONE_THREE] = "s4d, one against recomputed window"
    found = {name: speeds.compare(rows, side) for side, name in sides.items()}
    assert [[(each.pair, each.value) for each in timed] for timed in found.values()] == [
        [(name, value)] for name, value in zip(sides.values(), (6.0, 2.0, 9.0), strict=True)
    ]


def test_parameters_of_either_side_are_told():
    rows = [
        made_up.timed("attention", ONE, context, 6.0) | {"parameters": 200 * context}
        for context in (1, 2)
    ]
    rows += [made_up.timed("s4d", ONE, context, 3.0) for context in (1, 2)]
    found = speeds.compare(rows, speeds.ALIKE)
    assert speeds.shares(found) == "25 to 50"
    assert speeds.shares(found[:1]) == "50"
    assert [each.parameters for each in found] == [(100, 200), (100, 400)]


def test_batches_and_machines_are_told_where_there_are_several():
    rows = [
        made_up.timed(who, ONE, 16, 1.0, batch=batch)
        for who in ("attention", "s4")
        for batch in (1, 64)
    ]
    found = speeds.compare(rows, speeds.ALIKE)
    assert [(each.series, each.place) for each in found] == [
        ("1 at once", "16 steps"),
        ("64 at once", "16 steps"),
    ]
    assert speeds.place(found[0]) == "16 steps, 1 at once"
    rows = [
        made_up.timed(who, ONE, 16, 1.0) | {"machine": m}
        for who in ("attention", "s4")
        for m in ("cpu", "gpu")
    ]
    assert [each.series for each in speeds.compare(rows, speeds.ALIKE)] == ["cpu", "gpu"]


def test_the_last_line_counts(tmp_path):
    made_up.write(
        tmp_path, "training", [made_up.timed("s4d", ONE, 32, value) for value in (1.0, 2.0)]
    )
    (row,) = speeds.read("training", tmp_path)
    assert row["seconds"]["median"] == 2e-3
    assert speeds.read("acting", tmp_path) == []


def test_times_at_tasks(tmp_path):
    metric = experiment.Metric("ms", "ms", larger_is_better=False, kinds=())
    about = experiment.Experiment(name="speed", title="Speed", metrics=(metric,))
    rows = [
        made_up.row("speed", "d", who, seed, ms=ms)
        for who, ms in (("attention", 8.0), ("s4", 2.0))
        for seed in (0, 1)
    ]
    made_up.write(tmp_path, "speed", rows)
    study = about.read(tmp_path)
    assert speeds.per_task(study, [metric]) == [verdicts.Ratio("s4", "", "d", 4.0)]


def test_intervals_need_the_turns_of_both():
    ends = speeds.interval([1.0, 1.2, 1.1, 1.0], [3.0, 3.5, 3.1, 2.9])
    assert ends is not None
    assert 2.5 < ends[0] < 3.0 / 1.05 < ends[1] < 3.5
    # Whatever slows both in a turn is in neither end.
    assert speeds.interval([1.0, 5.0, 2.0], [2.0, 10.0, 4.0]) == (2.0, 2.0)
    assert speeds.interval([1.0], []) is speeds.interval([], []) is None
    assert speeds.show(2.0, None) == "2.00"
    assert speeds.show(2.0, (1.5, 2.5)) == "2.00 [1.50, 2.50]"
