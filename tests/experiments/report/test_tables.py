"""Scores that need no training stand beside what was trained on the same data."""

import dataclasses

from experiments.report import document, experiment, tables
from tests.experiments.report import made_up

ABOUT = experiment.Experiment(
    name="some",
    title="Some",
    metrics=(experiment.Metric("return", "return", kinds=("greedy",)),),
    patterns={"graph*": "all graphs"},
)


def results(folder, rows, about=ABOUT):
    made_up.write(folder, "some", rows)
    study = about.read(folder)
    (table,) = tables.results(study)
    assert isinstance(table, document.Table)
    return table


def test_references_are_of_the_data_sets_that_were_learned_from(tmp_path):
    rows = [
        made_up.row("some", f"graph-{number}", "lookup", **{"return": 10.0 * number})
        for number in range(4)
    ]
    rows += [
        made_up.row("some", f"graph-{number}", "optimal", **{"return": 90.0}) for number in range(4)
    ]
    for number in (1, 2):
        rows += made_up.runs("some", f"graph-{number}", "s4d", [1.0] * 5, "return")
    rows += made_up.runs("some", "graph-1", "s4d", [1.0] * 5, "return", variant="time embedding")
    # Those of single data sets are shown where they differ.
    assert [(row[0], row[2], row[3]) for row in results(tmp_path, rows).rows] == [
        ("lookup", "2 data sets", "15.0"),
        ("optimal", "2 data sets", "90.0"),
        ("lookup on graph-1", "1 data set", "10.0"),
        ("s4d", "10 (2 data sets)", "1.00 [1.00, 1.00]"),
        ("s4d", "5 (1 data set)", "1.00 [1.00, 1.00]"),
    ]


def test_one_data_set_is_not_counted(tmp_path):
    rows = [
        *made_up.bounds("some", "graph-1", "return"),
        *made_up.runs("some", "graph-1", "s4d", [1.0] * 5, "return"),
    ]
    assert [row[1] for row in results(tmp_path, rows).rows] == ["-", "-", "5"]


def test_scores_stand_on_one_scale_as_well(tmp_path):
    about = dataclasses.replace(ABOUT, normalizes=True)
    rows = [*made_up.bounds("some", "graph-1", "return", 100.0, 200.0)]
    rows += [made_up.row("some", "graph-1", "lookup")]
    rows += made_up.runs("some", "graph-1", "s4d", [150.0] * 5, "return")
    table = results(tmp_path, rows, about)
    assert table.head[3] == "normalized, greedy, %"
    assert {row[0]: row[3] for row in table.rows} == {
        "random": "0.0",
        "optimal": "100.0",
        "lookup": "-",
        "s4d": "50.0 [50.0, 50.0]",
    }


def test_without_bounds_there_is_no_scale(tmp_path):
    about = dataclasses.replace(ABOUT, normalizes=True)
    (row,) = results(
        tmp_path, made_up.runs("some", "graph-1", "s4d", [1.0] * 5, "return"), about
    ).rows
    assert row[3] == "-"
