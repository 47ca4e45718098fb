"""Tables of benchmarks: the newest row of each combination counts, for every machine by itself."""

from benchmarks import tables
from jax_s4rl.evaluation import result_rows


def row(method, median, machine="one", **metrics):
    return {
        "method": method,
        "machine": machine,
        "metrics": metrics,
        "seconds": {"median": median},
    }


ROWS = [
    row("a", 1.0, batch=8),
    row("b", 2.0, batch=8),
    row("a", 3.0, batch=8),
    row("a", 4.0, batch=1),
    row("a", 5.0, machine="other", batch=8),
]


def test_values_are_found_in_fields_metrics_and_seconds():
    names = ("method", "batch", "median", "minimum")
    assert [tables.value(ROWS[0], name) for name in names] == ["a", 8, 1.0, None]


def test_the_last_row_counts_and_the_first_gives_the_order():
    found = tables.newest(ROWS, ("method", "batch"))
    assert {key: each["seconds"]["median"] for key, each in found.items()} == {
        ("a", 8): 5.0,
        ("b", 8): 2.0,
        ("a", 1): 4.0,
    }
    assert next(iter(found)) == ("a", 8)


def test_machines_stay_apart():
    found = tables.newest_by_machine(ROWS, ("method", "batch"))
    assert list(found) == ["one", "other"]
    assert found["one"]["a", 8] is ROWS[2]
    assert found["other"] == {("a", 8): ROWS[4]}


def test_a_table_has_left_and_right_columns():
    shown = tables.markdown(["model", "ms", "x"], [["s4d", "1", ""]], left=1)
    assert shown.splitlines() == ["| model | ms | x |", "| --- | ---: | ---: |", "| s4d | 1 |  |"]


def test_a_section_is_written_for_committed_rows_alone(tmp_path, monkeypatch):
    page, rows = tmp_path / "README.md", tmp_path / "rows.jsonl"
    page.write_text("<!-- one -->\n<!-- /one -->\n")
    for method in ("s4d", "attention"):
        row = result_rows.make_row(experiment="one", method=method, metrics={}, seconds={})
        result_rows.append_row(rows, row)
    monkeypatch.setattr(tables, "README", page)
    before = page.read_text()
    tables.publish(tmp_path / "others.jsonl", rows, "one", lambda rows: "text")
    assert page.read_text() == before
    tables.publish(rows, rows, "one", lambda rows: " and ".join(row["method"] for row in rows))
    assert "s4d and attention" in page.read_text()
