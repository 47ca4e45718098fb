"""Table of `benchmarks/README.md` about the floor of an update, written from result rows."""

from pathlib import Path

from benchmarks import tables
from jax_s4rl.evaluation import documents

KEY = ("method", "context_length")
UPDATE, FLOOR, BESIDE = "update", ("products", "convolution"), ("norm", "activations", "kernel")
# What the whole update may take, over its floor.
AIM = 1.5


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    milliseconds = 1e3 * row["seconds"]["cpu"]
    return f"context {row['context_length']:<5} {row['method']:12} {milliseconds:8.2f} ms"


def write(rows: list[tables.Row], readme: Path = tables.README) -> None:
    """Writes the table.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document of the table, with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    parts = ["## The floor of an update", _preface()]
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts += [f"### {machine}", table(found)]
    documents.write_section(readme, "floor", "\n\n".join(parts))


def _preface() -> str:
    return (
        f"An update of S4D with one token a step over the bare products and transforms that it "
        f"cannot do without (aim: {AIM}), on one core. Milliseconds of processor time, medians of "
        "turns, three blocks together. *Convolution*: Fourier transforms, or products with "
        "Toeplitz matrices up to 128 steps. *Rest*: turns of axes, padding, residuals, masks, "
        "drawing, clipping and AdamW."
    )


def table(found: tables.Newest) -> str:
    """Formats one line for each part, and the ratio; columns are lengths of context."""
    contexts = sorted({key[1] for key in found})
    titles = [
        f"{length:,} steps, {found[UPDATE, length]['metrics']['batch']} rows" for length in contexts
    ]
    times = {
        name: [1e3 * found[name, length]["seconds"]["cpu"] for length in contexts]
        for name in (UPDATE, *FLOOR, *BESIDE)
    }
    known = [sum(each) for each in zip(*(times[name] for name in (*FLOOR, *BESIDE)), strict=True)]
    whole = times[UPDATE]
    lines = [
        *([name, *map(_short, times[name])] for name in (UPDATE, *FLOOR, *BESIDE)),
        ["rest", *(_short(a - b) for a, b in zip(whole, known, strict=True))],
        ["**update over floor**", *(f"{over_floor(found, length):.2f}" for length in contexts)],
        ["the same, by minima", *(_by_minima(found, length) for length in contexts)],
    ]
    return tables.markdown(["part", *titles], lines, left=1)


def over_floor(found: tables.Newest, length: int) -> float:
    """Returns the processor time of an update over that of its floor, by medians.

    Args:
        found: Rows of one machine, by `KEY`.
        length: Number of steps of context.
    """
    update, *parts = (found[name, length]["seconds"]["cpu"] for name in (UPDATE, *FLOOR))
    return update / sum(parts)


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.1f}"


def _by_minima(found: tables.Newest, length: int) -> str:
    least = {name: found[name, length]["metrics"]["processor_minimum"] for name in (UPDATE, *FLOOR)}
    return f"{least[UPDATE] / sum(least[name] for name in FLOOR):.2f}"
