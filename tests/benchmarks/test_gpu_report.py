"""The section says what the rows say, and without rows which command makes them."""

from benchmarks import gpu, gpu_report, tables
from jax_s4rl.evaluation import documents


def row(kind="update", method="s4d", length=16_384, dtype="bfloat16", median=0.01, **facts):
    return {
        "method": method,
        "context_length": length,
        "machine": "1 x a GPU",
        "commit": "abc",
        "seconds": {} if median is None else _seconds(median),
        "metrics": {"kind": kind, "dtype": dtype, "batch": 4, "device": "a GPU"} | facts,
    }


def _seconds(median):
    return {"compile": 1.5, "minimum": 0.5 * median, "median": median}


CHECKED = {"error": 1e-6, "gradient_error": 5e-5, "bound": 1e-4, "passed": True}
ROWS = [
    row("check", "lru/scan", 1_000, "float32", None, **CHECKED),
    row("copy", "copy", 1_024, "float32", 0.002, bytes_copied=2 * 10**9),
    row("update", "attention", median=0.08, bytes_accessed=8e9),
    row("update", "attention_causal", median=0.04),
    row(bytes_accessed=1e10, memory_mib=1234.0, peak_mib=2345.0, peak_is_own=True),
    row("update", "s4", median=None, skipped="needs 9 MiB, and 8 are free"),
    row("action", "s4d", median=0.0004),
    row("kernel, forward", "s4d/fft", dtype="float32", median=0.003),
]


def test_without_rows_the_section_says_so():
    text = gpu_report.section([])
    assert "No GPU was at hand" in text
    assert "`python -m benchmarks.gpu`" in text


def test_the_faster_attention_is_compared():
    shown = gpu_report.ratios(tables.newest(ROWS, gpu_report.KEY))
    assert "| s4d | >= 3 | 4.00 |" in shown
    assert "attention_causal |" not in shown


def test_without_both_there_is_no_ratio():
    assert "| s4d | >= 3 | - |" in gpu_report.ratios({})


def test_the_tables_hold_rates_memory_and_shares():
    text = gpu_report.section(ROWS)
    assert (
        "1 of 1 methods agree with float64 NumPy; the largest error is 50 % of its bound." in text
    )
    assert "Bandwidth of a large copy: 2,000 GB/s." in text
    assert "| update, bfloat16, ms | 16,384 |" in text
    assert "| s4 | - |" in text
    # 4 x 16,384 tokens in 10 ms; 10 GB in 10 ms at 2,000 GB/s.
    for title, cell in (
        ("million tokens/s", "6.55"),
        ("MiB of the program", "1,234"),
        ("MiB at the device's peak", "2,345"),
        ("share of the bandwidth", "0.50"),
        ("s to compile", "1.5"),
    ):
        table = text.partition(f"update, bfloat16, {title} | 16,384 |")[2].partition("\n\n")[0]
        assert f"| s4d | {cell} |" in table, title
    assert "| s4d/fft | 3 |" in text


def test_a_line_of_progress_says_what_happened():
    assert "error 1.0e-06, gradient 5.0e-05" in gpu_report.line(ROWS[0])
    assert gpu_report.line(ROWS[4]).endswith("median 10 ms")
    assert gpu_report.line(ROWS[5]).endswith("needs 9 MiB, and 8 are free")


def test_the_section_is_that_of_the_committed_rows():
    text = tables.README.read_text()
    section = gpu_report.section(list(documents.read_rows(gpu.RESULTS)))
    assert documents.replace_section(text, gpu_report.SECTION, section) == text


def test_the_section_stays_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n\n<!-- gpu -->\n<!-- /gpu -->\n\nAfter.\n")
    gpu_report.write(ROWS, readme)
    assert readme.read_text().startswith("Before.")
    assert readme.read_text().endswith("After.\n")
