"""The figures are drawn from the rows that are there, with labels that do not overlap."""

import pytest

from benchmarks import lengths_figures, lengths_report, tables


def row(method, length, seconds, kind="training", group="attention"):
    return {
        "method": method,
        "tokens": "concatenated",
        "context_length": length,
        "seconds": {"median": seconds} if seconds else {},
        "metrics": {"kind": kind, "group": group, "batch": 2, "temporary_mib": 8.0},
    }


def newest(*rows):
    return tables.newest(rows, lengths_report.KEY)


ROWS = [
    row("attention", 100, 0.1),
    row("attention", 1000, 1.0),
    row("s4d/matched", 100, 0.2),
    row("s4d/matched", 1000, 0.2),
    row("s4d", 100, 0.1),
]


def test_times_and_memory_are_those_of_a_row_of_the_batch(monkeypatch, tmp_path):
    drawn = {}
    monkeypatch.setattr(
        lengths_figures,
        "_figure",
        lambda path, title, curves, label: drawn.update({path.name: curves}),
    )
    names = lengths_figures.draw(newest(*ROWS), tmp_path)
    assert list(names) == list(drawn) == ["lengths_time.png", "lengths_memory.png"]
    assert drawn["lengths_time.png"]["attention"] == {100: 50.0, 1000: 500.0}
    assert drawn["lengths_memory.png"]["S4D"] == {100: 4.0}


def test_a_model_in_two_groups_has_one_line():
    found = newest(row("s4d", 100, 0.1), row("s4d", 100, 0.3, group="mixers"))
    assert lengths_figures.points(
        found, "training", ("s4d", "concatenated"), lambda row: row["seconds"]["median"]
    ) == {100: 0.1}


def test_a_row_that_was_skipped_has_no_time():
    found = newest(row("s4d", 100, 0.1), row("s4d", 200, None))
    time = lengths_figures._time
    assert list(lengths_figures.points(found, "training", ("s4d", "concatenated"), time)) == [100]


@pytest.mark.slow
def test_figures_are_files(tmp_path):
    rows = [*ROWS, row("s4d", 16, 2e-4, "acting"), row("s4d", 256, 2e-4, "acting")]
    for name in lengths_figures.draw(newest(*rows), tmp_path):
        assert (tmp_path / name).stat().st_size > 1000


def test_labels_are_moved_apart_and_keep_their_order():
    sizes = dict.fromkeys("abc", 0.1)
    placed = lengths_figures.spread({"a": 0.5, "b": 0.52, "c": 0.9}, sizes)
    assert placed["c"] == 0.9
    assert placed["b"] - placed["a"] == pytest.approx(0.1)
