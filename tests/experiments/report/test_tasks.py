"""Tasks know their scale and the runs that they are judged by."""

import pytest

from tests.experiments.report import made_up

TASK = made_up.task()


def test_the_scale_goes_from_floor_to_ceiling():
    rows = made_up.bounds("some", "some/a", "return", 1.0, 5.0)
    rows += [made_up.row("some", "some/b", "random", **{"return": 1.0})]
    held = TASK.holding(rows)
    assert held.scale("some/a", "greedy") == (1.0, 5.0)
    assert held.scale("some/b", "greedy") is None
    assert made_up.task(floor=0.0, ceiling=2.0).scale("any", "sampled") == (0.0, 2.0)


def test_references_may_be_the_same_for_both_kinds_of_actions():
    rows = [
        made_up.row("some", "some/a", "lookup", return_greedy=2.0),
        made_up.row("some", "some/a", "lookup", other=2.0),
        made_up.row("some", "some/a", "random", **{"return": 3.0}),
    ]
    held = TASK.holding(rows)
    assert held.reference("lookup", "some/a", "greedy") == 2.0
    assert held.reference("lookup", "some/a", "sampled") is None
    assert held.reference("random", "some/a", "sampled") == 3.0


@pytest.mark.parametrize(
    ("metrics", "kind"),
    [
        ({"return_greedy": 1.0, "return_sampled": 1.0}, "sampled"),
        ({"return_greedy": 1.0}, "greedy"),
        ({}, "sampled"),
    ],
)
def test_runs_that_lack_the_judged_actions_are_judged_by_the_others(metrics, kind):
    assert TASK.kind_of({"": [made_up.row("some", "some/a", "s4d", 0, **metrics)]}) == kind


def test_rows_are_prepared():
    held = made_up.task(prepare=lambda row: [row, row | {"dataset": "twice"}]).holding(
        [made_up.row("some", "some/a", "s4d", 0)]
    )
    assert [row["dataset"] for row in held.rows.scored] == ["some/a", "twice"]
