"""Statements of the package that the fast tests run: a row, and a table in `docs/faults.md`.

    make coverage

runs the tests, and then this script, which reads what they left in `build/coverage`. Statements in
processes that tests start count too.
"""

import collections
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import coverage

from benchmarks import tables
from jax_s4rl.evaluation import documents, result_rows

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "coverage.jsonl"
PAGE, SECTION = ROOT / "docs" / "faults.md", "coverage"
EXPERIMENT = "coverage"
# Files that are named with most statements that no test ran.
NUM_WORST = 10
BESIDE = "beside the folders"


def make_row(report: Mapping[str, Any]) -> dict[str, Any]:
    """Makes a row of a report.

    Args:
        report: JSON that coverage writes.

    Returns:
        Row with the statements, and those missed, of the package, its folders and worst files.
    """
    folders: dict[str, collections.Counter[str]] = {}
    missed = {}
    for name, file in report["files"].items():
        path = PurePath(name).relative_to("jax_s4rl")
        folder = path.parts[0] if len(path.parts) > 1 else BESIDE
        counts = {
            "statements": file["summary"]["num_statements"],
            "missed": file["summary"]["missing_lines"],
        }
        folders.setdefault(folder, collections.Counter()).update(counts)
        missed[f"jax_s4rl/{path}"] = counts["missed"]
    total = sum(folders.values(), collections.Counter())
    worst = sorted(missed, key=lambda name: (-missed[name], name))[:NUM_WORST]
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method="make coverage",
        metrics={
            "percent": percent(total),
            "statements": total["statements"],
            "missed": total["missed"],
            "folders": {name: dict(folders[name]) for name in sorted(folders)},
            "worst": {name: missed[name] for name in worst if missed[name]},
        },
        seconds={},
    )


def percent(counts: Mapping[str, int]) -> float:
    """Returns the share of statements that ran, in percent; all, if there are none."""
    statements = counts["statements"]
    return round(100 - 100 * counts["missed"] / statements, 2) if statements else 100.0


def table(row: Mapping[str, Any]) -> str:
    """Makes the table of a row: its folders and their sum."""
    metrics = row["metrics"]
    lines = {
        name if name == BESIDE else f"`{name}`": own for name, own in metrics["folders"].items()
    } | {"**all**": metrics}
    return tables.markdown(
        ["folder of `jax_s4rl`", "statements", "missed", "run, %"],
        [
            [name, f"{own['statements']:,}", f"{own['missed']:,}", f"{percent(own):.1f}"]
            for name, own in lines.items()
        ],
        left=1,
    )


def main() -> None:
    """Appends the row of the tests that ran last, and writes its table."""
    measured = coverage.Coverage()
    measured.combine()
    measured.save()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        measured.json_report(outfile=str(path))
        row = make_row(json.loads(path.read_text()))
    result_rows.append_row(RESULTS, row)
    documents.write_section(PAGE, SECTION, table(row))
    print(f"{row['metrics']['percent']} % of {row['metrics']['statements']:,} statements ran")
    for name, count in row["metrics"]["worst"].items():
        print(f"{count:4} missed in {name}")


if __name__ == "__main__":
    main()
