"""Short table of the project's README about time and memory against length, from result rows."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import lengths_report, tables
from jax_s4rl.evaluation import documents

README = Path(__file__).parents[1] / "README.md"
SECTION = "speed"
FIGURES = {
    "lengths_time.png": "Milliseconds of one update by steps of context, both axes logarithmic",
    "lengths_memory.png": "Memory of one update by steps of context, both axes logarithmic",
}
SHOWN = (100, 1024, 4096, 16_384)
"""Steps of context of the columns."""


def write(rows: Sequence[tables.Row], readme: Path = README) -> None:
    """Writes the section, of the machine that was measured last.

    Args:
        rows: Result rows of `benchmarks.lengths`, oldest first.
        readme: Document with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    documents.write_section(readme, SECTION, text(rows))


def text(rows: Sequence[tables.Row]) -> str:
    """Formats the section: equal tokens and equal parameters first.

    Args:
        rows: Result rows of `benchmarks.lengths`, oldest first.

    Returns:
        Markdown; nothing without rows of attention and S4D.
    """
    if not rows:
        return ""
    machine = rows[-1]["machine"]
    found = tables.newest_by_machine(rows, lengths_report.KEY)[machine]
    one, three = lengths_report.ATTENTION, lengths_report.ATTENTION_THREE
    comparisons = {
        "time, as many tokens and parameters": (one, lengths_report.MATCHED),
        "time, as many tokens, S4D without feed-forward part": (one, lengths_report.S4D),
        "apart, fewer tokens: three a step over S4D with one": (
            three,
            lengths_report.S4D,
        ),
    }
    lines = [
        [what, *(_ratio(found, models, length) for length in SHOWN)]
        for what, models in comparisons.items()
    ]
    if not any(cell != "-" for cell in lines[0][1:]):
        return ""
    lines.append(
        [
            "MiB of temporaries, as many tokens and parameters",
            *(_memory(found, comparisons[next(iter(comparisons))], length) for length in SHOWN),
        ]
    )
    head = ["attention over S4D, steps of context", *(f"{length:,}" for length in SHOWN)]
    return "\n\n".join(
        [
            tables.markdown(head, lines, left=1),
            " ".join(f"![{alt}](benchmarks/results/{name})" for name, alt in FIGURES.items()),
            "One update of three blocks of width 128; wall-clock medians, intervals of 95 % over "
            f"turns; {machine}. All lengths, acting: [benchmarks](benchmarks/README.md).",
        ]
    )


def _pair(
    found: tables.Newest, models: tuple[lengths_report.Model, lengths_report.Model], length: int
) -> tuple | None:
    return lengths_report.one_run(found, *models).get(length)


def _ratio(
    found: tables.Newest, models: tuple[lengths_report.Model, lengths_report.Model], length: int
) -> str:
    pair = _pair(found, models, length)
    return "-" if pair is None else lengths_report.ratio(pair)


def _memory(
    found: tables.Newest, models: tuple[lengths_report.Model, lengths_report.Model], length: int
) -> str:
    pair = _pair(found, models, length)
    if pair is None:
        return "-"
    return " / ".join(f"{row['metrics']['temporary_mib']:,.0f}" for row in pair)
