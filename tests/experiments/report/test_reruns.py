"""Runs that were trained again stand beside their rows, and causes of differences are named."""

import dataclasses

import pytest

from experiments.report import catalog, document, load, reruns
from tests.experiments.report import made_up

ABOUT = catalog.Experiment("some", "Some", (catalog.Metric("return", "return"),))
LOST = sorted(load.LOST)[0]


def write_lost(folder, commit=LOST):
    rows = [
        row | {"commit": commit}
        for row in made_up.runs("some", "a", "s4d", [1.0, 2.0, 3.0], "return")
    ]
    made_up.write(folder, "some", rows)
    return [ABOUT.read(folder)], rows


def pairs_of_lost(found, rows):
    return [pair for pair in reruns.match(found, rows) if pair.first["commit"] in load.LOST]


def rerun(rows, *, by=0.0, **more):
    changed = {"return_greedy": rows[1]["metrics"]["return_greedy"] + by} | more
    return [rows[0], rows[1] | {"commit": "0" * 12, "metrics": rows[1]["metrics"] | changed}]


def test_all_numbers_but_times_have_to_be_the_same(tmp_path):
    found, rows = write_lost(tmp_path)
    for again_rows, same in (
        (rerun(rows, updates_per_second=3.0), True),
        (rerun(rows, by=1e-12), False),
        (rerun(rows, other=1.0), False),
    ):
        first, second = pairs_of_lost(found, again_rows)
        assert first.is_same
        assert second.is_same is same
    assert pairs_of_lost(found, [row | {"experiment": "other"} for row in rows]) == []


def test_what_the_report_adds_to_lines_makes_no_difference(tmp_path):
    about = dataclasses.replace(
        ABOUT, prepare=lambda row: row | {"metrics": row["metrics"] | {"more": 1.0}}
    )
    _, rows = write_lost(tmp_path)
    found = [about.read(tmp_path)]
    assert all(pair.is_same for pair in pairs_of_lost(found, rerun(rows)))


def test_an_experiment_a_line(tmp_path):
    found, rows = write_lost(tmp_path)
    (fold,) = reruns.of_lost_commits(found, rerun(rows, by=0.25))
    told, table = fold.content
    assert told.text.startswith("3 of 3 rows name commits")
    assert table.rows == [["Some", "1", "2", "1", "0.25"]]
    (fold,) = reruns.of_lost_commits(found, [])
    assert fold.content[0].text.endswith("None of them was trained again yet.")


def test_lines_of_known_commits_need_nothing(tmp_path):
    found, rows = write_lost(tmp_path, "0" * 12)
    assert reruns.of_lost_commits(found, rows) == []
    assert pairs_of_lost(found, rows) == []


def test_the_block_is_a_fold(tmp_path):
    found, rows = write_lost(tmp_path)
    assert isinstance(reruns.of_lost_commits(found, rows)[0], document.Fold)


def read_runs(folder, values=(1.0, 2.0, 3.0)):
    rows = made_up.runs("some", "a", "s4d", values, "return")
    made_up.write(folder, "some", rows)
    return [ABOUT.read(folder)], rows


def under(rows, version, by=0.0, **more):
    return [
        row
        | {
            "versions": {"jaxlib": version},
            "metrics": row["metrics"] | {ABOUT.score: row["metrics"][ABOUT.score] + by} | more,
        }
        for row in rows
    ]


def test_a_row_for_each_experiment_counts_what_differs(tmp_path):
    found, rows = read_runs(tmp_path)
    spread = max(row["metrics"][ABOUT.score] for row in rows) - min(
        row["metrics"][ABOUT.score] for row in rows
    )
    again = [*under(rows, "0.10.1", 2 * spread), *under(rows, "0.10.2")]
    (fold,) = reruns.of_versions(found, again)
    _, table = fold.content
    (row,) = table.rows
    assert row[:3] == ["Some", "1", "3"]
    assert (row[3], row[5]) == ("0", "3")
    assert (row[6], row[8]) == ("3", "0")
    assert (row[9], row[11]) == ("0", "3")


def test_the_text_says_what_was_found(tmp_path):
    found, rows = read_runs(tmp_path)
    (fold,) = reruns.of_versions(found, under(rows, "0.10.1"))
    text = fold.content[0].text
    assert "3 runs were trained again with jaxlib 0.10.1" in text
    assert "3 have the same numbers to the last digit, and the scores of 0 differ" in text
    assert "With 0.10.2 itself" not in text


def test_nothing_is_said_of_nothing(tmp_path):
    found, rows = read_runs(tmp_path)
    assert reruns.of_versions(found, []) == []
    assert reruns.of_versions(found, under(rows, "0.10.2")) == []


@pytest.mark.parametrize(("by", "beyond"), [(0.01, "0"), (0.2, "3")])
def test_the_standard_deviation_of_an_evaluation_says_what_sampling_leaves_open(
    tmp_path, by, beyond
):
    way = ABOUT.score.rpartition("_")[2]
    rows = [
        row | {"metrics": row["metrics"] | {f"std_{way}": 1.0}}
        for row in made_up.runs("some", "a", "s4d", [1.0, 2.0, 3.0], "return")
    ]
    made_up.write(tmp_path, "some", rows)
    (fold,) = reruns.of_versions([ABOUT.read(tmp_path)], under(rows, "0.10.1", by))
    assert fold.content[1].rows[0][5] == beyond


@pytest.mark.parametrize(("by", "beyond"), [(0.01, "0"), (0.2, "1")])
def test_a_share_says_what_sampling_leaves_open(tmp_path, by, beyond):
    about = catalog.Experiment("some", "Some", (catalog.Metric("success", "success"),))
    rows = made_up.runs("some", "a", "s4d", [0.5], "success")
    made_up.write(tmp_path, "some", rows)
    changed = [
        row
        | {
            "versions": {"jaxlib": "0.10.1"},
            "metrics": row["metrics"] | {about.score: row["metrics"][about.score] + by},
        }
        for row in rows
    ]
    (fold,) = reruns.of_versions([about.read(tmp_path)], changed)
    assert fold.content[1].rows[0][5] == beyond


def test_other_data_are_named_as_the_cause(tmp_path):
    rows = [
        row | {"metrics": row["metrics"] | {"target": 500.0}}
        for row in made_up.runs("some", "a", "s4d", [1.0, 2.0], "return")
    ]
    made_up.write(tmp_path, "some", rows)
    found = [ABOUT.read(tmp_path)]
    again = [*under(rows, "0.10.1"), *under(rows, "0.10.2", target=413.0)]
    (fold,) = reruns.of_versions(found, again)
    assert "highest return in a, for instance, is 413 there and 500" in fold.content[0].text
    (fold,) = reruns.of_versions(found, [*under(rows, "0.10.1"), *under(rows, "0.10.2")])
    assert "other data" not in fold.content[0].text
