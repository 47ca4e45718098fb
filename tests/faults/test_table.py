"""The table of faults holds what the rows say, and the page holds the table of committed rows."""

import pytest

from jax_s4rl.evaluation import documents, result_rows
from tests.faults import outcomes, table

TRIED = [
    outcomes.Tried(outcomes.RECOVERED),
    outcomes.Tried(outcomes.SENTENCE, "no"),
    outcomes.Tried(outcomes.LOST, "a file"),
]


@pytest.fixture(scope="module")
def rows():
    return [
        table.make_row("kills", "saving", 0, 0, TRIED, 1.0),
        table.make_row("damage", "lock", 0, 0, TRIED[:1], 1.0),
        table.make_row("kills", "saving", 0, 3, TRIED[:2], 1.0),
    ]


def test_a_row_counts_and_describes_bad_outcomes(rows, tmp_path):
    assert rows[0]["metrics"]["bad"] == ["lost: a file"]
    assert [rows[0]["metrics"][name] for name in ("tries", "recovered", "silent")] == [3, 1, 0]
    assert table.done(rows, "kills", "saving", 0) == 5
    assert table.done(rows, "kills", "saving", 1) == 0
    result_rows.append_rows(tmp_path / "rows.jsonl", rows)
    assert [*result_rows.read_rows(tmp_path / "rows.jsonl")] == rows


def test_the_table_has_sums_of_groups(rows):
    head, _, *lines = table.table(rows).splitlines()
    assert head.startswith("| kind | tries | recovered | read as it is | clear sentence |")
    assert lines == [
        "| **damaged files** | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 0 |",
        "| lock | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 0 |",
        "| **kills and signals** | 5 | 2 | 0 | 2 | 0 | 0 | 1 | 0 |",
        "| saving | 5 | 2 | 0 | 2 | 0 | 0 | 1 | 0 |",
    ]


def test_the_page_has_the_table_of_the_committed_rows():
    rows = list(documents.read_rows(table.RESULTS))
    assert rows
    text = table.PAGE.read_text()
    assert documents.replace_section(text, table.SECTION, table.table(rows)) == text


def test_no_committed_fault_was_bad():
    for row in result_rows.read_rows(table.RESULTS):
        assert row["metrics"]["bad"] == []
