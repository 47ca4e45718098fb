"""Rows of the mutants, and their table in `docs/faults.md`.

    python -m tests.mutants.table

writes the table from the committed rows. A row holds one try of one mutant; the newest counts.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import tables
from jax_s4rl.evaluation import documents, result_rows
from tests.mutants import catalog, trials

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "mutants.jsonl"
PAGE, SECTION = ROOT / "docs" / "faults.md", "mutants"
EXPERIMENT = "mutants"


def make_row(mutant: catalog.Mutant, outcome: str, seconds: float) -> dict[str, Any]:
    """Makes the row of a try."""
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method=mutant.name,
        metrics={"file": mutant.file, "test": mutant.test, "outcome": outcome},
        seconds={"total": round(seconds, 1)},
    )


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Makes the table of the newest try of each mutant, in the order of the catalog."""
    newest = tables.newest(rows, ["method"])
    lines = []
    for mutant in catalog.ALL:
        if (row := newest.get((mutant.name,))) is None:
            continue
        metrics, seconds = row["metrics"], row["seconds"]["total"]
        file, test = metrics["file"], metrics["test"]
        by = f"`{test}`" if metrics["outcome"] == trials.KILLED else f"**{metrics['outcome']}**"
        lines.append([mutant.name, f"`{file}`", by, f"{seconds:.1f}"])
    return tables.markdown(["mutant", "file", "killed by", "seconds"], lines, left=3)


def main() -> None:
    """Writes the table from the committed rows."""
    documents.write_section(PAGE, SECTION, table(result_rows.read_rows(RESULTS)))


if __name__ == "__main__":
    main()
