"""Tables of `benchmarks/README.md` about acting, written from result rows."""

from pathlib import Path

from benchmarks import tables
from jax_s4rl.evaluation import documents

KEY = ("method", "tokens", "context_length", "batch")


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    return (
        f"{row['method']:12} {row['tokens']:13} history {row['context_length']:<5} "
        f"batch {row['metrics']['batch']:<3} compile {row['seconds']['compile']:6.1f} s, "
        f"median {1e3 * row['seconds']['median']:8.3f} ms"
    )


def write(rows: list[tables.Row], readme: Path = tables.README) -> None:
    """Writes the tables into their section of the README.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    parts = ["## Acting", _preface()]
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts += [f"### {machine}", ratios(found)]
        parts += [table(found, batch) for batch in sorted({key[3] for key in found})]
    documents.write_section(readme, "acting", "\n\n".join(parts))


def _preface() -> str:
    return (
        "Milliseconds of one step of a rollout, from observations on the host to actions on the "
        "host, with room for a history of so many steps; medians of thirty or more calls in "
        "turns. Attention acts from an exact cache as long as the history, and each step reads "
        "the whole cache; the state of the others is the same at any step. `recompute` maps the "
        "whole history again at every step, as published Decision Transformers act."
    )


def ratios(found: tables.Newest) -> str:
    """Formats the time of an S4D action after a long history over that after a short one."""
    batches, histories = sorted({key[3] for key in found}), sorted({key[2] for key in found})
    lines = []
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
            lines.append([name, "<= 1.1", *(f"{value:.2f}" for value in values)])
    head = ["one action of s4d, concatenated", "asked", "by medians", "by minima"]
    return tables.markdown(head, lines, left=2)


def table(found: tables.Newest, batch: int) -> str:
    """Formats all times of one batch size, with the size of the state at the longest history."""
    histories = sorted({key[2] for key in found})
    lines = []
    for method, layout in dict.fromkeys(key[:2] for key in found if key[3] == batch):
        rows = [found.get((method, layout, history, batch)) for history in histories]
        cells = [
            "-" if row is None else documents.milliseconds(row["seconds"]["median"]) for row in rows
        ]
        state = [row["metrics"]["state_kib"] for row in rows if row][-1]
        lines.append([method, layout, *cells, f"{state:,.0f}"])
    head = [f"{batch} at once", "tokens", *(f"{history:,}" for history in histories), "state, KiB"]
    return tables.markdown(head, lines, left=2)
