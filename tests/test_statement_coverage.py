"""Rows of statement coverage add up, and the page holds the table of the last committed one."""

from jax_s4rl.evaluation import documents, result_rows
from tests import statement_coverage as measured

# Least share of statements that the fast tests have to run, in percent.
WANTED = 92


def file(statements, missed):
    return {"summary": {"num_statements": statements, "missing_lines": missed}}


REPORT = {
    "files": {
        "jax_s4rl/__init__.py": file(4, 0),
        "jax_s4rl/data/a.py": file(10, 3),
        "jax_s4rl/data/deeper/b.py": file(6, 1),
        "jax_s4rl/cli/__init__.py": file(0, 0),
    }
}


def test_a_row_adds_up_folders_and_names_the_worst_files():
    metrics = measured.make_row(REPORT)["metrics"]
    assert (metrics["percent"], metrics["statements"], metrics["missed"]) == (80.0, 20, 4)
    assert metrics["folders"]["data"] == {"statements": 16, "missed": 4}
    assert metrics["worst"] == {"jax_s4rl/data/a.py": 3, "jax_s4rl/data/deeper/b.py": 1}


def test_the_table_has_a_line_for_each_folder():
    assert measured.table(measured.make_row(REPORT)).splitlines()[2:] == [
        "| beside the folders | 4 | 0 | 100.0 |",
        "| `cli` | 0 | 0 | 100.0 |",
        "| `data` | 16 | 4 | 75.0 |",
        "| **all** | 20 | 4 | 80.0 |",
    ]


def test_enough_was_run_and_the_page_says_so():
    *_, row = result_rows.read_rows(measured.RESULTS)
    assert row["metrics"]["percent"] >= WANTED
    text = measured.PAGE.read_text()
    assert documents.replace_section(text, measured.SECTION, measured.table(row)) == text
