"""Short table of the project's README about time and memory against length, from result rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import lengths_report, tables
from jax_s4rl.evaluation import documents, result_rows

README = Path(__file__).parents[1] / "README.md"
SECTION = "speed"
FIGURES = {
    "lengths_time.png": "Milliseconds of one update by steps of context, both axes logarithmic",
    "lengths_memory.png": "Memory of one update by steps of context, both axes logarithmic",
}
SHOWN = (100, 1024, 4096, 16_384)
"""Steps of context of the columns."""


def write(rows: Sequence[tables.Row], readme: Path = README) -> None:
    """Writes the section, of the machine whose longest context was measured last.

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
    machine = result_rows.machine_of_longest(rows)
    found = tables.newest_by_machine(rows, lengths_report.KEY)[machine]
    equal = lengths_report.one_run(found, lengths_report.ATTENTION, lengths_report.MATCHED)
    if not equal:
        return ""
    narrower = lengths_report.one_run(found, lengths_report.ATTENTION, lengths_report.S4D)
    fewer = lengths_report.one_run(found, lengths_report.ATTENTION_THREE, lengths_report.S4D)
    lines = [
        ["time, as many tokens and parameters", *_cells(equal, lengths_report.ratio)],
        [
            "time, as many tokens, S4D without feed-forward part",
            *_cells(narrower, lengths_report.ratio),
        ],
        [
            "apart, fewer tokens: three a step over S4D with one",
            *_cells(fewer, lengths_report.ratio),
        ],
        ["MiB of temporaries, as many tokens and parameters", *_cells(equal, _memory)],
    ]
    head = ["attention over S4D, steps of context", *(f"{length:,}" for length in SHOWN)]
    return "\n\n".join(
        [
            tables.markdown(head, lines, left=1),
            " ".join(f"![{alt}](benchmarks/results/{name})" for name, alt in FIGURES.items()),
            "One update of three blocks of width 128; wall-clock medians, intervals of 95 % over "
            f"turns; {machine}. All lengths, acting: [benchmarks](benchmarks/README.md).",
        ]
    )


def _cells(pairs: Mapping[int, tuple], cell: Callable[[tuple], str]) -> list[str]:
    return [cell(pairs[length]) if length in pairs else "-" for length in SHOWN]


def _memory(pair: tuple) -> str:
    return " / ".join(f"{row['metrics']['temporary_mib']:,.0f}" for row in pair)
