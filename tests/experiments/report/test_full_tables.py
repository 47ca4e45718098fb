"""Full tables have every group of runs, every comparison and every point of the tuning grids."""

import csv
import io

from experiments.report import comparisons, full_tables, load
from experiments.report.tasks import Question, Side
from tests.experiments.report import made_up

TASK = made_up.task()


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_full_table_has_a_line_for_each_group_and_every_number():
    task = made_up.scored(TASK, s4d=30.0, attention=20.0)
    more = made_up.runs("some", "some/a", "bc", [1.0], "return", variant="attention", novel=0.25)
    more += made_up.runs("some", "elsewhere", "s4d", [1.0], "return")
    lines = [*task.rows.references, *task.rows.scored, *more]
    found = read(full_tables.runs_csv(lines, [TASK.holding(lines)]))
    by_key = {(line["dataset"], line["method"]): line for line in found}
    assert len(found) == len(by_key) == 3 * 4 + 2
    s4d = by_key["some/a", "s4d"]
    assert (s4d["runs"], s4d["mean_sampled"], s4d["iqm_greedy"]) == ("5", "30", "60")
    assert (s4d["difference_greedy"], s4d["outcome_sampled"]) == ("0.2", "better")
    assert by_key["some/a", "bc"]["novel"] == "0.25"
    # A baseline is measured by attention of the task.
    assert by_key["some/a", "bc"]["outcome_greedy"] == "too few runs"
    assert by_key["some/a", "random"]["return"] == "0"
    assert by_key["elsewhere", "s4d"]["mean_greedy"] == ""
    assert by_key["elsewhere", "s4d"]["return_greedy"] == "1"


def test_all_comparisons_behind_the_claims_are_written():
    judged = comparisons.judge_all([made_up.scored(TASK, s4d=30.0, attention=20.0)])
    found = read(full_tables.verdicts_csv(comparisons.Measured([], [], judged, [], {})))
    assert len(found) == 2 * 2
    assert found[0]["outcome"] == "better"
    assert found[0]["gain"] == "0.2"
    assert {line["actions"] for line in found} == {"greedy", "sampled"}


def test_tuning_grids_are_written():
    rows = [
        row | {"metrics": row["metrics"] | {"variant": f"{load.TUNING}learning rate 0.1"}}
        for row in made_up.runs("some", "some/a", "s4d", [1.0, 3.0], "return")
    ]
    found = read(full_tables.tuning_csv({"some": rows}, [TASK]))
    assert [(line["point"], line["actions"], line["mean"]) for line in found] == [
        ("learning rate 0.1", "greedy", "2"),
        ("learning rate 0.1", "sampled", "1"),
    ]


def test_both_sides_of_every_choice_are_written():
    lines = made_up.bounds("some", "some/a", "return", 0.0, 100.0)
    for variant, value in (("with", 60.0), ("without", 40.0)):
        runs = made_up.spread(value)
        lines += made_up.runs("some", "some/a", "s4d", runs, "return", variant=variant)
    sides = Side("yes", "with"), Side("no", "without")
    question = Question("tokens", "T", "some", {"*": TASK.holding(lines)}, *sides)
    greedy, sampled = read(full_tables.choices_csv([question]))
    assert (greedy["mean_first"], greedy["mean_second"], greedy["gain"]) == ("60", "40", "0.2")
    assert (sampled["actions"], sampled["outcome"]) == ("sampled", "better")
