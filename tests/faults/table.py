"""Rows of the fault suite, and the table in `docs/faults.md`.

    python -m tests.faults.table

writes the table from the committed rows. A row holds the outcomes of some tries of one kind.
"""

import collections
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import tables
from jax_s4rl.evaluation import documents, result_rows
from tests.faults import outcomes

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "faults.jsonl"
PAGE, SECTION = ROOT / "docs" / "faults.md", "faults"
EXPERIMENT = "faults"
TITLES = {
    "damage": "damaged files",
    "kills": "kills and signals",
    "full_disks": "full disks, refusals",
    "worlds": "environments",
    "processes": "two processes",
}
COLUMNS = {
    outcomes.RECOVERED: "recovered",
    outcomes.READ: "read as it is",
    outcomes.SENTENCE: "clear sentence",
    outcomes.TRACEBACK: "raw traceback",
    outcomes.SILENT: "silent",
    outcomes.LOST: "lost",
    outcomes.OUTSIDE: "outside",
}


def make_row(
    kind: str, name: str, seed: int, first: int, tried: Sequence[outcomes.Tried], seconds: float
) -> dict[str, Any]:
    """Makes the row of some tries; those with a bad outcome are described."""
    counted = collections.Counter(one.outcome for one in tried)
    bad = [f"{one.outcome}: {one.detail}"[:500] for one in tried if one.outcome in outcomes.BAD]
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method=kind,
        dataset=name,
        seed=seed,
        metrics={
            "first": first,
            "tries": len(tried),
            **{outcome: counted[outcome] for outcome in COLUMNS},
            "bad": bad,
        },
        seconds={"total": round(seconds, 1)},
    )


def done(rows: Iterable[Mapping[str, Any]], kind: str, name: str, seed: int) -> int:
    """Returns how many tries of a kind there are, so that the next run goes on behind them."""
    return sum(
        row["metrics"]["tries"]
        for row in rows
        if (row["method"], row["dataset"], row["seed"]) == (kind, name, seed)
    )


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Makes the table of all rows: a line for each kind, and their sum for each group."""
    counts: dict[tuple[str, str], collections.Counter[str]] = {}
    for row in rows:
        for name in (row["dataset"], ""):
            counted = counts.setdefault((row["method"], name), collections.Counter())
            counted.update({n: row["metrics"][n] for n in ("tries", *COLUMNS)})
    order = {kind: number for number, kind in enumerate(TITLES)}
    # The sum of a group, which has no name, comes first.
    lines = [
        [
            name or f"**{TITLES[kind]}**",
            *(f"{counts[kind, name][column]:,}" for column in ("tries", *COLUMNS)),
        ]
        for kind, name in sorted(counts, key=lambda one: (order[one[0]], one[1]))
    ]
    return tables.markdown(["kind", "tries", *COLUMNS.values()], lines, left=1)


def main() -> None:
    """Writes the table from the committed rows."""
    documents.write_section(PAGE, SECTION, table(documents.read_rows(RESULTS)))


if __name__ == "__main__":
    main()
