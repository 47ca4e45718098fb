"""The tables say what the lines say."""

from benchmarks import training_report


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


ROWS = [row("attention", "interleaved", median=1.0), row("s4d"), row("peer", "interleaved", median=1.5)]


def test_ratios_are_held_against_interleaved_attention():
    shown = training_report.ratios(training_report.newest(ROWS))
    assert "asked: >= 8, 9, 11, 15), median | 10.00 |" in shown
    assert "PyTorch, transformers (asked: >= 1) | 1.50 |" in shown
    assert "the share of the tokens | - |" in shown


def test_the_newest_line_counts():
    found = training_report.newest([row("s4d", median=9.0), *ROWS])
    assert "| s4d | concatenated | 154,118 | 100 |" in training_report.table(found)


def test_the_report_stays_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n\n<!-- training -->\n<!-- /training -->\n\nAfter.\n")
    training_report.write([*ROWS, row("s4d", machine="another machine")], readme)
    text = readme.read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert text.count("### ") == 2


def test_a_line_of_progress_names_the_model():
    assert training_report.line(row("s4d")).startswith("s4d          concatenated  context 100   compile    1.0 s")
