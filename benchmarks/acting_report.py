"""Tables of `benchmarks/README.md` about acting, written from result rows."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jax_s4rl.evaluation import documents

README = Path(__file__).parent / "README.md"

Row = dict[str, Any]
Found = dict[tuple[str, str, int, int], Row]


def line(row: Row) -> str:
    """Formats one line of progress."""
    return (
        f"{row['method']:12} {row['tokens']:13} history {row['context_length']:<5} "
        f"batch {row['metrics']['batch']:<3} compile {row['seconds']['compile']:6.1f} s, "
        f"median {1e3 * row['seconds']['median']:8.3f} ms"
    )


def write(rows: list[Row], readme: Path = README) -> None:
    """Writes the tables into their section of the README.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    parts = ["## Acting", _preface()]
    for machine in dict.fromkeys(row["machine"] for row in rows):
        found = newest(row for row in rows if row["machine"] == machine)
        parts += [f"### {machine}", ratios(found)]
        parts += [table(found, batch) for batch in sorted({key[3] for key in found})]
    documents.write_section(readme, "acting", "\n\n".join(parts))


def newest(rows: Iterable[Row]) -> Found:
    """Returns the last row of each model, history and batch size."""
    return {
        (row["method"], row["tokens"], row["context_length"], row["metrics"]["batch"]): row
        for row in rows
    }


def _preface() -> str:
    return (
        "Milliseconds of one step of a rollout, from observations on the host to actions on the "
        "host, with room for a history of so many steps; medians of thirty or more calls in "
        "turns. Attention acts from an exact cache as long as the history, and each step reads "
        "the whole cache; the state of the others is the same at any step. `recompute` maps the "
        "whole history again at every step, as published Decision Transformers act."
    )


def ratios(found: Found) -> str:
    """Formats the time of an S4D action after a long history over that after a short one."""
    batches, histories = sorted({key[3] for key in found}), sorted({key[2] for key in found})
    lines = [
        "| one action of s4d, concatenated | asked | by medians | by minima |",
        "| --- | --- | ---: | ---: |",
    ]
    for batch in batches:
        rows = [
            found.get(("s4d", "concatenated", history, batch))
            for history in (histories[0], histories[-1])
        ]
        if rows[0] is not None and rows[1] is not None:
            values = [
                rows[1]["seconds"][name] / rows[0]["seconds"][name]
                for name in ("median", "minimum")
            ]
            name = f"history {histories[-1]:,} over history {histories[0]}, {batch} at once"
            lines.append(f"| {name} | <= 1.1 | {values[0]:.2f} | {values[1]:.2f} |")
    return "\n".join(lines)


def table(found: Found, batch: int) -> str:
    """Formats all times of one batch size, with the size of the state at the longest history."""
    histories = sorted({key[2] for key in found})
    head = " | ".join(f"{history:,}" for history in histories)
    lines = [
        f"| {batch} at once | tokens | {head} | state, KiB |",
        "| --- | --- |" + " ---: |" * (len(histories) + 1),
    ]
    for method, layout in dict.fromkeys(key[:2] for key in found if key[3] == batch):
        rows = [found.get((method, layout, history, batch)) for history in histories]
        cells = [
            "-" if row is None else documents.milliseconds(row["seconds"]["median"]) for row in rows
        ]
        state = [row["metrics"]["state_kib"] for row in rows if row][-1]
        lines.append(f"| {method} | {layout} | {' | '.join(cells)} | {state:,.0f} |")
    return "\n".join(lines)
