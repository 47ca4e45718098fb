"""Table of `benchmarks/README.md` about accuracy over long sequences, from result rows."""

import itertools
from collections.abc import Iterable
from pathlib import Path

from benchmarks import tables
from jax_s4rl.evaluation import documents

KEY = ("method", "context_length", "steps", "input")
ERRORS = ("error_outputs", "error_last_outputs", "error_state")
# Aim for the error of every method and length.
LIMIT = 1e-4
# Columns of the table: initial step sizes, input, and label.
COLUMNS = (
    ("default", "noise", "default steps, noise"),
    ("long", "noise", "long memory, noise"),
    ("long", "impulse", "long memory, impulse"),
)


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    metrics = row["metrics"]
    errors = " ".join(f"{_number(metrics[name]):>8}" for name in ERRORS)
    return (
        f"{row['method']:22} L={row['context_length']:<8,} "
        f"{metrics['steps']:8} {metrics['input']:8} {errors}"
    )


def write(rows: Iterable[tables.Row], readme: Path = tables.README) -> None:
    """Writes the table into its section of the README.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    found = tables.newest(rows, KEY)
    documents.write_section(
        readme, "long_sequences", f"## Long sequences\n\n{_preface(found)}\n\n{table(found)}"
    )


def worst(row: tables.Row) -> float:
    """Returns the largest of the three errors; infinite if one is not finite."""
    errors = [row["metrics"][name] for name in ERRORS]
    return float("inf") if None in errors else max(errors)


def table(found: tables.Newest) -> str:
    """Formats the worst error of each method; bold if it is above the limit."""
    lengths = sorted({key[1] for key in found})
    columns = list(itertools.product(COLUMNS, lengths))
    head = ["method", *(f"{label}, {length:,}" for (_, _, label), length in columns)]
    lines = []
    for method in dict.fromkeys(key[0] for key in found):
        cells = (_cell(found.get((method, length, *kind))) for (*kind, _), length in columns)
        lines.append([method, *cells])
    return tables.markdown(head, lines, left=1)


def _preface(found: tables.Newest) -> str:
    within = sum(worst(row) <= LIMIT for row in found.values())
    return (
        "Relative error of float32 against a loop over time in NumPy with float64, `python -m "
        "benchmarks.long_sequences`: the largest of those of all outputs, of the last thousand "
        "and of the last state, each the largest deviation over the largest entry, of the worst "
        "of 4 features; 64 states. The same sequence as a whole (`fft`, `associative`), in chunks "
        "of 64 steps (`chunked`), in pieces whose state is handed on, and step by step. *Default "
        "steps* are between 0.001 and 0.1. *Long memory* has steps between 1/L and 3/L, so that "
        "the last output still remembers the first input (for LRU: decay and angle as with such "
        f"steps). The aim is {_number(LIMIT)} at most: {within} of {len(found)} reach it, the "
        "others are bold. Step by step, a slow mode without rotation changes by fewer than ten "
        "units of its last float32 digit in a step, and the rounding of the state adds up over a "
        "million of them; float64 has these digits. The last outputs of S4 are sums whose terms "
        "cancel: the states they are read from have errors below the limit in every other form."
    )


def _cell(row: tables.Row | None) -> str:
    if row is None:
        return "-"
    value = worst(row)
    return _number(value) if value <= LIMIT else f"**{_number(value)}**"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
