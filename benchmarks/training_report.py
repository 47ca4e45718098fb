"""Tables of `benchmarks/README.md` about training, written from result rows."""

from pathlib import Path

from benchmarks import tables
from jax_s4rl.evaluation import documents

KEY = ("method", "tokens", "context_length")
ATTENTION, FAST = ("attention", "interleaved"), ("s4d", "concatenated")


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    seconds = row["seconds"]
    processor = f", processor {1e3 * seconds['cpu']:8.1f} ms" if "cpu" in seconds else ""
    return (
        f"{row['method']:12} {row['tokens']:13} context {row['context_length']:<5} "
        f"compile {seconds['compile']:6.1f} s, median {1e3 * seconds['median']:8.1f} ms{processor}"
    )


def write(
    rows: list[tables.Row],
    readme: Path = tables.README,
    front: Path = Path(__file__).parents[1] / "docs" / "results.md",
) -> None:
    """Writes the tables into the README of this folder, and the ratios into the docs.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document of the tables, with the marks of the section.
        front: Document of the ratios, with the marks of the section.

    Raises:
        ValueError: If a document does not have both marks.
    """
    parts, short = ["## Training", _preface()], []
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts += [f"### {machine}", ratios(found), table(found)]
        short += [f"One update, three blocks of width 128, on {machine}:", ratios(found)]
    documents.write_section(readme, "training", "\n\n".join(parts))
    documents.write_section(front, "speed", "\n\n".join(short))


def _preface() -> str:
    return (
        "Milliseconds of one update on one device (drawing the batch, forward, backward, "
        "clipping, AdamW), float32, medians of ten or more dispatches, each model in a process of "
        "its own, those of one context in turns, huge pages for malloc, compile time apart. Three "
        "blocks of width 128; attention and mlp have a feed-forward part (the minGPT block), the "
        "others the block of the S4 papers without one; s4d/matched has one that brings it to "
        "attention's parameters. Batches of 64, 64, 16 and 4 rows at 32, 100, 341 and 1,024 steps."
    )


def ratios(found: tables.Newest) -> str:
    """Formats how many times longer attention takes.

    The first row compares equal tokens and parameters. In all others attention has three tokens per
    step; in one the other model is attention with one: the share of the token layout alone.
    """
    contexts = sorted({key[2] for key in found})
    one, equal = ("attention", "concatenated"), ("s4d/matched", "concatenated")
    others = {
        "s4d, concatenated (aim: 8, 9, 11, 15), median": (FAST, "median"),
        "the same, minimum": (FAST, "minimum"),
        "the same, processor time": (FAST, "cpu"),
        "attention, concatenated: the share of the tokens": (one, "median"),
        "s4d/matched, concatenated: as many parameters": (equal, "median"),
        "PyTorch, transformers (aim: 1)": (("peer", "interleaved"), "median", True),
    }
    fair = [_ratio(found, one, equal, context, "median") for context in contexts]
    lines = [["equal tokens and parameters: attention over s4d/matched", *fair]]
    for name, (other, of, *inverse) in others.items():
        pair = (other, ATTENTION) if inverse else (ATTENTION, other)
        lines.append([name, *(_ratio(found, *pair, context, of) for context in contexts)])
    head = ["time of attention, interleaved, over that of", *_titles(contexts)]
    return tables.markdown(head, lines, left=1)


def _titles(contexts: list[int]) -> list[str]:
    return [f"{context:,} steps" for context in contexts]


def _ratio(
    found: tables.Newest, above: tuple[str, str], below: tuple[str, str], context: int, of: str
) -> str:
    rows = found.get((*above, context)), found.get((*below, context))
    if rows[0] is None or rows[1] is None:
        return "-"
    return f"{rows[0]['seconds'][of] / rows[1]['seconds'][of]:.2f}"


def table(found: tables.Newest) -> str:
    """Formats all times, with the number of parameters."""
    contexts = sorted({key[2] for key in found})
    lines = []
    for method, layout in dict.fromkeys(key[:2] for key in found):
        rows = [found.get((method, layout, context)) for context in contexts]
        parameters = next(row["parameters"] for row in rows if row)
        cells = [
            "-" if row is None else documents.milliseconds(row["seconds"]["median"]) for row in rows
        ]
        lines.append([method, layout, f"{parameters:,}", *cells])
    return tables.markdown(["model", "tokens", "parameters", *_titles(contexts)], lines, left=2)
