"""Newest result rows, and Markdown tables of them, for the reports in `benchmarks/README.md`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jax_s4rl.evaluation import documents

README = Path(__file__).parent / "README.md"

Row = Mapping[str, Any]
Newest = dict[tuple, Row]
"""Rows by the values of some of their fields."""


def value(row: Row, name: str) -> Any:
    """Returns a field, a metric or a time of a row; None if it has none of that name.

    Args:
        row: Result row.
        name: Name of a field of the row, of its metrics, or of its seconds.

    Returns:
        The value.

    Example:
        >>> value({"method": "s4d", "metrics": {}, "seconds": {"median": 0.5}}, "median")
        0.5
    """
    for fields in (row, row["metrics"], row["seconds"]):
        if name in fields:
            return fields[name]
    return None


def newest(rows: Iterable[Row], names: Sequence[str]) -> Newest:
    """Returns the last of all rows that agree in some fields.

    Args:
        rows: Result rows, oldest first.
        names: Names of the fields, as for `value`.

    Returns:
        Rows by the values of the fields, in the order in which these values first occur.
    """
    return {tuple(value(row, name) for name in names): row for row in rows}


def newest_by_machine(rows: Iterable[Row], names: Sequence[str]) -> dict[str, Newest]:
    """Returns the same as `newest` for the rows of each machine.

    Args:
        rows: Result rows, oldest first.
        names: Names of the fields, as for `value`.

    Returns:
        By machine, rows by the values of the fields.
    """
    by_machine: dict[str, list[Row]] = {}
    for row in rows:
        by_machine.setdefault(row["machine"], []).append(row)
    return {machine: newest(own, names) for machine, own in by_machine.items()}


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]], *, left: int) -> str:
    """Formats a Markdown table.

    Args:
        head: Titles of the columns.
        lines: Cells of each line.
        left: Number of columns, from the first on, that are aligned left; the others are aligned
            right.

    Returns:
        The table, without a line break at its end.

    Example:
        >>> print(markdown(["model", "ms"], [["s4d", "12"]], left=1))
        | model | ms |
        | --- | ---: |
        | s4d | 12 |
    """
    rules = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *lines))


def publish(out: Path, results: Path, section: str, text: Callable[[list[Any]], str]) -> None:
    """Writes a section of `benchmarks/README.md`, unless the rows went into another file.

    Args:
        out: File to which rows were appended.
        results: File of the rows that are committed.
        section: Name of the section.
        text: Function that formats it from all rows, oldest first.

    Raises:
        ValueError: If the document does not have both marks.
    """
    if out == results:
        documents.write_section(README, section, text(list(documents.read_rows(out))))
