"""References stand beside what was trained on the same data; losses beside their changes."""

import dataclasses

from experiments.report import catalog, document, scores, tables, verdicts
from tests.experiments.report import made_up

ABOUT = catalog.Experiment(
    name="some",
    title="Some",
    metrics=(catalog.Metric("return", "return", kinds=("greedy",)),),
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


CARTPOLE = dataclasses.replace(catalog.CARTPOLE, judged_by="greedy")


def study(folder, values):
    """Made of values by method, variant and data."""
    for (method, variant, data), value in values.items():
        rows = made_up.runs(
            CARTPOLE.name,
            f"cartpole/{data}",
            method,
            made_up.spread(value),
            "return",
            variant=variant,
        )
        made_up.write(folder, CARTPOLE.name, rows)
    return CARTPOLE.read(folder)


def shown(found):
    matches = [match for mixer in ("s4d", "s4") for match in scores.against(found, mixer)]
    return tables.losses(matches)


def test_the_loser_is_changed_first_then_the_other_side(tmp_path):
    found = study(
        tmp_path,
        {
            ("attention", "", "mixed"): 100.0,
            ("s4d", "", "mixed"): 50.0,
            ("attention", "learning rate 0.001", "mixed"): 40.0,
            ("s4d", "learning rate 0.01", "mixed"): 100.0,
            # Neither of another variant nor on other data.
            ("s4d", "composed, learning rate 0.01", "mixed"): 70.0,
            ("s4d", "learning rate 0.01", "medium"): 70.0,
        },
    )
    _, table, _ = shown(found)
    assert isinstance(table, document.Table)
    assert [(line[1], *line[3:]) for line in table.rows] == [
        (
            "s4d behind attention",
            "5, 5",
            "s4d: learning rate 0.01",
            "+0.000 [-0.023, +0.023]",
            "5, 5",
            "level",
        ),
        (
            "s4d behind attention",
            "5, 5",
            "attention: learning rate 0.001",
            "+10.0 [+10.0, +10.0]",
            "5, 5",
            "ahead",
        ),
    ]
    assert {line[2] for line in table.rows} == {"-50.0 [-50.0, -50.0]"}


def test_a_loss_that_nobody_took_apart_is_shown_and_no_loss_is_not(tmp_path):
    found = study(
        tmp_path,
        {("attention", "", "mixed"): 100.0, ("s4", "", "mixed"): 50.0, ("s4d", "", "mixed"): 150.0},
    )
    _, table, _ = shown(found)
    assert isinstance(table, document.Table)
    assert [(line[1], *line[4:]) for line in table.rows] == [
        ("attention behind s4d", "-", "-", "-", "-"),
        ("s4 behind attention", "-", "-", "-", "-"),
    ]
    level = study(tmp_path / "level", {("attention", "", "mixed"): 1.0, ("s4d", "", "mixed"): 1.0})
    assert shown(level) == []
    (match,) = scores.against(level, "s4d")
    assert verdicts.tell(match) == match.name
