"""The tables say what the lines say."""

import shutil
from pathlib import Path

from benchmarks import tables, training, training_report
from jax_s4rl.evaluation import result_rows


def row(method, tokens="concatenated", context=100, median=0.1, machine="a machine"):
    seconds = {"compile": 1.0, "minimum": 0.9 * median, "median": median, "cpu": 2 * median}
    return {
        "method": method,
        "tokens": tokens,
        "context_length": context,
        "parameters": 154118,
        "machine": machine,
        "seconds": seconds,
        "metrics": {},
    }


ROWS = [
    row("attention", "interleaved", median=1.0),
    row("s4d"),
    row("peer", "interleaved", median=1.5),
    row("attention", median=0.6),
    row("s4d/matched", median=0.5),
]


def test_ratios_are_held_against_interleaved_attention():
    shown = training_report.ratios(tables.newest(ROWS, training_report.KEY))
    assert "aim: 8, 9, 11, 15), median | 10.00 |" in shown
    assert "PyTorch, transformers (aim: 1) | 1.50 |" in shown
    assert "the share of the tokens | 1.67 |" in shown
    assert "equal tokens and parameters: attention over s4d/matched | 1.20 |" in shown
    assert "the share of the tokens | - |" in training_report.ratios(
        tables.newest(ROWS[:3], training_report.KEY)
    )


def test_the_newest_line_counts():
    found = tables.newest([row("s4d", median=9.0), *ROWS], training_report.KEY)
    assert "| s4d | concatenated | 154,118 | 100 |" in training_report.table(found)


def test_the_report_stays_between_its_marks(tmp_path):
    readme, front = tmp_path / "README.md", tmp_path / "FRONT.md"
    readme.write_text("Before.\n\n<!-- training -->\n<!-- /training -->\n\nAfter.\n")
    front.write_text("Before.\n\n<!-- speed -->\n<!-- /speed -->\n\nAfter.\n")
    training_report.write([*ROWS, row("s4d", machine="another machine")], readme, front)
    for text in (readme.read_text(), front.read_text()):
        assert text.startswith("Before.")
        assert text.endswith("After.\n")
        assert text.count("another machine") == 1
    assert readme.read_text().count("### ") == 2


def test_the_committed_tables_are_those_of_the_committed_lines(tmp_path):
    pages = tables.README, Path(__file__).parents[2] / "docs" / "results.md"
    copies = [shutil.copy(path, tmp_path / path.parent.name) for path in pages]
    training_report.write(list(result_rows.read_rows(training.RESULTS)), *copies)
    for copy, path in zip(copies, pages, strict=True):
        assert copy.read_text() == path.read_text()


def test_a_line_of_progress_names_the_model():
    assert training_report.line(row("s4d")).startswith(
        "s4d          concatenated  context 100   compile    1.0 s"
    )
