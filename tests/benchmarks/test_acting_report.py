"""The tables say what the lines say."""

from benchmarks import acting_report, tables


def row(method="s4d", history=16, median=0.001, batch=1, machine="a machine"):
    return {
        "method": method,
        "tokens": "concatenated",
        "context_length": history,
        "parameters": 154118,
        "machine": machine,
        "seconds": {"compile": 1.0, "minimum": 0.9 * median, "median": median},
        "metrics": {"batch": batch, "state_kib": 96.0},
    }


ROWS = [row(), row(history=4096, median=0.00105), row("attention"), row("attention", 4096, 0.004)]


def test_long_and_short_histories_are_compared():
    shown = acting_report.ratios(tables.newest(ROWS, acting_report.KEY))
    assert "history 4,096 over history 16, 1 at once | <= 1.1 | 1.05 | 1.05 |" in shown


def test_every_model_has_a_line_of_times():
    shown = acting_report.table(tables.newest(ROWS, acting_report.KEY), 1)
    assert "| attention | concatenated | 1 | 4 | 96 |" in shown
    assert "| 1 at once | tokens | 16 | 4,096 | state, KiB |" in shown


def test_the_report_stays_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n\n<!-- acting -->\n<!-- /acting -->\n\nAfter.\n")
    acting_report.write([*ROWS, row(batch=64)], readme)
    text = readme.read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert "| 64 at once |" in text


def test_a_line_of_progress_names_the_model():
    assert (
        "s4d          concatenated  history 16    batch 1   compile    1.0 s"
        in acting_report.line(row())
    )
