"""The table of long sequences: the newest line counts, and what misses the limit is bold."""

from benchmarks import long_sequences, long_sequences_report, tables
from jax_s4rl.evaluation import result_rows


def row(method, length, errors, steps="long", name="noise"):
    metrics = {"steps": steps, "input": name} | dict(
        zip(long_sequences_report.ERRORS, errors, strict=True)
    )
    return {"method": method, "context_length": length, "metrics": metrics, "seconds": {}}


def test_the_worst_error_of_the_newest_line_is_shown(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("<!-- long_sequences -->\n<!-- /long_sequences -->")
    rows = [
        row("s4/fft", 1_000, (9.0, 9.0, 9.0)),
        row("s4/fft", 1_000, (1e-7, 3e-6, 2e-7)),
        row("s4/fft", 1_000_000, (1e-7, 2e-4, 0.0), name="impulse"),
        row("s4/step", 1_000, (1e-7, None, 0.0), steps="default"),
    ]
    long_sequences_report.write(rows, path)
    text = path.read_text()
    assert "1 of 3 reach it" in text
    assert "| s4/fft | - | - | 3.0e-06 | - | - | **2.0e-04** |" in text
    assert "| s4/step | **inf** | - | - | - | - | - |" in text


def test_a_line_of_progress_names_all_errors():
    shown = long_sequences_report.line(row("s4/fft", 1_000, (1e-7, 2e-6, None)))
    assert shown.split() == ["s4/fft", "L=1,000", "long", "noise", "1.0e-07", "2.0e-06", "-"]


def test_the_table_is_that_of_the_lines():
    rows = result_rows.read_rows(long_sequences.RESULTS)
    found = tables.newest(rows, long_sequences_report.KEY)
    assert not found or long_sequences_report.table(found) in tables.README.read_text()
