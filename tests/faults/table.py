"""Rows of the fault suite, and the tables in `docs/faults.md`.

    python -m tests.faults.table

writes the tables from the committed rows. A row holds the outcomes of some tries of one kind, or
memory and open files of one long run.
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
LONG_RUNS = RESULTS.with_name("long_runs.jsonl")
PAGE, SECTION, LONG_SECTION = ROOT / "docs" / "faults.md", "faults", "long runs"
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


def long_runs(rows: Iterable[Mapping[str, Any]]) -> str:
    """Makes the table of memory and open files, from the newest row of each long run."""
    lines = [
        [
            method,
            _length(metrics),
            _span(metrics["memory"], " to "),
            f"{metrics['slope']:+.1f} ({_span(metrics['slope_interval'], ' to ', '+.1f')})",
            _span(metrics["files_range"], "-"),
            f"{metrics['different_results']}" if "different_results" in metrics else "",
        ]
        for (method,), metrics in (
            (key, row["metrics"]) for key, row in tables.newest(list(rows), ("method",)).items()
        )
    ]
    names = ["run", "length", "MiB after the start, at the end", "MiB per hour or million steps"]
    return tables.markdown([*names, "open files", "different results"], lines, left=2)


def _length(metrics: Mapping[str, Any]) -> str:
    if "steps" in metrics:
        return f"{metrics['steps']:,} steps"
    hours = metrics["samples"][-1][0]
    rounds, stops = metrics["rounds"], metrics["stopped"] + metrics["crashed"]
    return f"{hours:.1f} hours: {rounds:,} trainings, {stops:,} stops"


def _span(pair: Sequence[float], between: str, form: str = ",.0f") -> str:
    first, last = (format(one, form) for one in pair)
    return first if first == last else f"{first}{between}{last}"


def main() -> None:
    """Writes the tables from the committed rows."""
    documents.write_section(PAGE, SECTION, table(documents.read_rows(RESULTS)))
    documents.write_section(PAGE, LONG_SECTION, long_runs(documents.read_rows(LONG_RUNS)))


if __name__ == "__main__":
    main()
