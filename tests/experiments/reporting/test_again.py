"""Runs that were made again stand beside those whose commit is lost."""

import dataclasses

from experiments import history
from experiments.reporting import again, blocks, descriptions, studies
from tests.experiments.reporting import made_up

ABOUT = descriptions.Description("some", "Some", "?", (descriptions.Metric("return", "return"),))
LOST = sorted(history.LOST)[0]


def write(folder, commit=LOST):
    rows = [row | {"commit": commit} for row in made_up.runs("some", "a", "s4d", [1.0, 2.0, 3.0], "return")]
    made_up.write(folder, "some", rows)
    return studies.read([ABOUT], folder), rows


def rerun(rows, *, by=0.0, **more):
    changed = {"return_greedy": rows[1]["metrics"]["return_greedy"] + by} | more
    return [rows[0], rows[1] | {"commit": "0" * 12, "metrics": rows[1]["metrics"] | changed}]


def test_all_numbers_but_times_have_to_be_the_same(tmp_path):
    found, rows = write(tmp_path)
    for again_rows, same in (
        (rerun(rows, updates_per_second=3.0), True),
        (rerun(rows, by=1e-12), False),
        (rerun(rows, other=1.0), False),
    ):
        first, second = again.pairs(found, again_rows)
        assert first.is_same
        assert second.is_same is same
    assert again.pairs(found, [row | {"experiment": "other"} for row in rows]) == []


def test_what_the_report_adds_to_lines_makes_no_difference(tmp_path):
    about = dataclasses.replace(ABOUT, prepare=lambda row: row | {"metrics": row["metrics"] | {"more": 1.0}})
    _, rows = write(tmp_path)
    found = studies.read([about], tmp_path)
    assert all(pair.is_same for pair in again.pairs(found, rerun(rows)))


def test_an_experiment_a_line(tmp_path):
    found, rows = write(tmp_path)
    (fold,) = again.blocks_of(found, rerun(rows, by=0.25))
    told, table = fold.content
    assert told.text.startswith("3 of 3 lines name commits")
    assert table.rows == [["Some", "1", "2", "1", "0.25"]]
    (fold,) = again.blocks_of(found, [])
    assert fold.content[0].text.endswith("None of them was trained again yet.")


def test_lines_of_known_commits_need_nothing(tmp_path):
    found, rows = write(tmp_path, "0" * 12)
    assert again.blocks_of(found, rows) == []
    assert again.pairs(found, rows) == []


def test_the_block_is_a_fold(tmp_path):
    found, rows = write(tmp_path)
    assert isinstance(again.blocks_of(found, rows)[0], blocks.Fold)
