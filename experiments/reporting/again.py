"""Lines that name a lost commit beside lines of the same cells, trained again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from experiments import history
from experiments.reporting import blocks, lines, scores, studies

# Numbers of a line that say how fast a machine was.
TIMES = {"updates_per_second", "milliseconds_per_call"}


class Pair(NamedTuple):
    """A run and the same run made again."""

    study: studies.Study
    first: lines.Row
    second: lines.Row

    @property
    def is_same(self) -> bool:
        """Whether all numbers but times are the same to the last digit."""
        return _numbers(self.first) == _numbers(self.second)

    @property
    def difference(self) -> float | None:
        """Between the scores, without sign."""
        values = [row["metrics"].get(self.study.about.score) for row in (self.first, self.second)]
        return None if None in values else abs(values[1] - values[0])


def match(found: Sequence[studies.Study], rows: Sequence[lines.Row]) -> list[Pair]:
    """Every run that was made again, beside its committed row.

    Args:
      found: the experiments.
      rows: of what was trained again.
    """
    second = {(row["experiment"], *_run(row)): row for row in rows}
    return [
        # Lines of a study are prepared already.
        Pair(study, row, study.about.prepare(second[study.about.name, *_run(row)]))
        for study in found
        for row in study.found.trained
        if (study.about.name, *_run(row)) in second
    ]


def pairs(found: Sequence[studies.Study], rows: Sequence[lines.Row]) -> list[Pair]:
    """Every run that was made again and whose committed row names a lost commit.

    Args:
      found: the experiments.
      rows: of what was trained again.
    """
    return [pair for pair in match(found, rows) if pair.first["commit"] in history.LOST]


def blocks_of(found: Sequence[studies.Study], rows: Sequence[lines.Row]) -> list[blocks.Block]:
    """A line for each experiment; nothing where no line names a lost commit."""
    every = [row for study in found for row in study.found.trained]
    lost = [row for row in every if row["commit"] in history.LOST]
    if not lost:
        return []
    matched = pairs(found, rows)
    table = []
    for study in found:
        own = [pair for pair in matched if pair.study is study]
        if own:
            cells = {pair.first["metrics"]["cell"] for pair in own}
            differences = [pair.difference for pair in own if pair.difference is not None]
            unit = study.about.metrics[0].unit
            largest = scores.number(max(differences), unit) if differences else "-"
            same = sum(pair.is_same for pair in own)
            table.append([study.about.title, str(len(cells)), str(len(own)), str(same), largest])
    told = (
        f"{len(lost):,} of {len(every):,} lines name commits that the history no longer has (marked * below each "
        f"section): the work of some sessions was taken up as one commit, {history.TAKEN_UP_BY}, and theirs were lost. "
        "What fixes a cell has a digest, which is the same today. "
    )
    if not table:
        return [blocks.Fold("Trained again", [blocks.Paragraph(told + "None of them was trained again yet.")])]
    commits = ", ".join(dict.fromkeys(str(row["commit"]) for row in rows))
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    told += (
        "Some cells of every experiment, the first by digest of those that do not take long, were trained again "
        f"(`python -m experiments.reproductions`; commit {commits}; {machines}). *The same*: all numbers of a line but "
        "times, to the last digit."
    )
    head = ["experiment", "cells", "runs", "the same", "largest difference of the score"]
    return [blocks.Fold("Trained again", [blocks.Paragraph(told), blocks.Table(head, table)])]


def _run(row: lines.Row) -> tuple[Any, ...]:
    return row["metrics"].get("cell"), row["seed"]


def _numbers(row: lines.Row) -> dict[str, Any]:
    return {name: value for name, value in row["metrics"].items() if name not in TIMES and "seconds" not in name}
