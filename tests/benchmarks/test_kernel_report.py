"""The report says what the lines say, between its marks and nowhere else."""

from benchmarks import kernel_report, tables


def row(method, direction="forward", H=256, L=1024, median=0.002, **metrics):
    return {
        "method": method,
        "context_length": L,
        "machine": "a machine",
        "metrics": {
            "direction": direction,
            "features": H,
            "error": 2e-6,
            "temporary_mib": 3.0,
            "skipped": None,
            **metrics,
        },
        "seconds": {"compile": 1.0, "minimum": median / 2, "median": median},
    }


def test_times_errors_and_ratios_come_from_the_newest_lines():
    rows = [
        row("diagonal/ours", median=9.0),
        row("diagonal/ours"),
        row("diagonal/plain", median=0.05),
    ]
    found = tables.newest(rows, kernel_report.KEY)
    assert "| diagonal/ours | forward | 2 (2e-06) |" in kernel_report.table(found, 256)
    assert "| >= 15 | 25 | 25 |" in kernel_report.ratios(found)


def test_the_chunked_scan_is_held_against_the_fastest():
    rows = [row("recurrence/chunked", median=3.0), row("recurrence/sequential", median=2.0)]
    found = tables.newest(rows, kernel_report.KEY)
    assert "| <= 1.2 | 1.5 | 1.5 |" in kernel_report.ratios(found)


def test_what_was_not_run_says_so():
    skipped = row("diagonal/plain", skipped="needs 2048 MiB of temporaries, limit 1024")
    skipped["seconds"] = {"compile": 1.0}
    assert "skipped: needs 2048 MiB" in kernel_report.line(skipped)
    assert "| - |" in kernel_report.table(tables.newest([skipped], kernel_report.KEY), 256)
    assert "median     2.000 ms" in kernel_report.line(row("diagonal/ours"))


def test_the_report_keeps_what_others_wrote(tmp_path):
    readme, figure = tmp_path / "README.md", tmp_path / "results" / "kernels.png"
    figure.parent.mkdir()
    readme.write_text(
        "# Benchmarks\n\nOther words.\n\n<!-- kernels -->\n<!-- /kernels -->\n\nThe end.\n"
    )
    rows = [row("diagonal/ours", direction) for direction in kernel_report.DIRECTIONS]
    for _ in range(2):
        kernel_report.write(rows, readme, figure)
    text = readme.read_text()
    assert text.startswith("# Benchmarks\n\nOther words.")
    assert text.endswith("The end.\n")
    assert text.count("## Kernels") == text.count("### a machine") == 1
    assert "](results/kernels.png)" in text
    assert figure.stat().st_size > 1000
