"""Tables of `benchmarks/README.md` about training, written from result rows."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jax_s4rl.evaluation import documents

Row = dict[str, Any]
Found = dict[tuple[str, str, int], Row]

README = Path(__file__).parent / "README.md"
ATTENTION, FAST = ("attention", "interleaved"), ("s4d", "concatenated")


def line(row: Row) -> str:
    """Formats one line of progress."""
    seconds = row["seconds"]
    processor = f", processor {1e3 * seconds['cpu']:8.1f} ms" if "cpu" in seconds else ""
    return (
        f"{row['method']:12} {row['tokens']:13} context {row['context_length']:<5} "
        f"compile {seconds['compile']:6.1f} s, median {1e3 * seconds['median']:8.1f} ms{processor}"
    )


def write(
    rows: list[Row], readme: Path = README, front: Path = Path(__file__).parents[1] / "README.md"
) -> None:
    """Writes the tables into the README of this folder, and the ratios into that of the project.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document of the tables, with the marks of the section.
        front: Document of the ratios, with the marks of the section.

    Raises:
        ValueError: If a document does not have both marks.
    """
    parts, short = ["## Training", _preface()], []
    for machine in dict.fromkeys(row["machine"] for row in rows):
        found = newest(row for row in rows if row["machine"] == machine)
        parts += [f"### {machine}", ratios(found), table(found)]
        short += [f"One update, three blocks of width 128, on {machine}:", ratios(found)]
    documents.write_section(readme, "training", "\n\n".join(parts))
    documents.write_section(front, "speed", "\n\n".join(short))


def newest(rows: Iterable[Row]) -> Found:
    """Returns the last row of each model and context."""
    return {(row["method"], row["tokens"], row["context_length"]): row for row in rows}


def _preface() -> str:
    return (
        "Milliseconds of one update on one device (drawing the batch, forward, backward, "
        "clipping, AdamW), float32, medians of ten or more dispatches, each model in a process of "
        "its own, those of one context in turns, huge pages for malloc, compile time apart. Three "
        "blocks of width 128; attention and mlp have a feed-forward part (the minGPT block), the "
        "others the block of the S4 papers without one; s4d/matched has one that brings it to "
        "attention's parameters. Batches of 64, 64, 16 and 4 rows at 32, 100, 341 and 1,024 steps."
    )


def ratios(found: Found) -> str:
    """Formats the time of attention with three tokens per step over that of the other models.

    One row has attention with one token per step: the share of the token layout alone.
    """
    contexts = sorted({key[2] for key in found})
    lines = [
        "| time of attention, interleaved, over that of | "
        + " | ".join(f"{context:,} steps" for context in contexts)
        + " |",
        "| --- |" + " ---: |" * len(contexts),
    ]
    others = {
        "s4d, concatenated (aim: 8, 9, 11, 15), median": (FAST, _median),
        "the same, minimum": (FAST, _minimum),
        "the same, processor time": (FAST, _processor),
        "attention, concatenated: the share of the tokens": (
            ("attention", "concatenated"),
            _median,
        ),
        "s4d/matched, concatenated: as many parameters": (("s4d/matched", "concatenated"), _median),
        "PyTorch, transformers (aim: 1)": (("peer", "interleaved"), _median, True),
    }
    for name, (other, measure, *inverse) in others.items():
        values = [_ratio(found, other, context, measure, bool(inverse)) for context in contexts]
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join(lines)


def _ratio(
    found: Found,
    other: tuple[str, str],
    context: int,
    measure: Callable[[Row], float],
    inverse: bool,
) -> str:
    rows = found.get((*ATTENTION, context)), found.get((*other, context))
    if rows[0] is None or rows[1] is None:
        return "-"
    ratio = measure(rows[0]) / measure(rows[1])
    return f"{1 / ratio if inverse else ratio:.2f}"


def _median(row: Row) -> float:
    return row["seconds"]["median"]


def _minimum(row: Row) -> float:
    return row["seconds"]["minimum"]


def _processor(row: Row) -> float:
    return row["seconds"]["cpu"]


def table(found: Found) -> str:
    """Formats all times, with the number of parameters."""
    contexts = sorted({key[2] for key in found})
    head = " | ".join(f"{context:,} steps" for context in contexts)
    lines = [
        f"| model | tokens | parameters | {head} |",
        "| --- | --- | ---: |" + " ---: |" * len(contexts),
    ]
    for method, layout in dict.fromkeys(key[:2] for key in found):
        rows = [found.get((method, layout, context)) for context in contexts]
        parameters = next(row["parameters"] for row in rows if row)
        cells = ["-" if row is None else documents.milliseconds(_median(row)) for row in rows]
        lines.append(f"| {method} | {layout} | {parameters:,} | {' | '.join(cells)} |")
    return "\n".join(lines)
