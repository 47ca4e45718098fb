"""Committed rows beside the same runs trained again, some of them under other versions of JAX."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.report import document, full_tables, load
from experiments.report.catalog import TASKS

# Numbers of a row that depend on the speed of the machine; so do those with "seconds" in the name.
SPEEDS = {"updates_per_second", "milliseconds_per_call"}
# This version sums wrongly on CPU, and the committed rows were made with it.
HAZARDOUS = "0.10.2"
# A difference of two means has sqrt(2) times the error of one, for both draw their episodes.
QUANTILE = 1.96 * math.sqrt(2)


class Rerun(NamedTuple):
    """A run and the same run made again.

    Attributes:
        first: The committed row.
        second: The row of the run that was made again.
        spread: Range of the scores of the committed runs of the trial.
    """

    first: load.Row
    second: load.Row
    spread: float

    @property
    def is_same(self) -> bool:
        """Whether all numbers but times are the same to the last digit."""
        one, two = (
            {
                name: value
                for name, value in row["metrics"].items()
                if name not in SPEEDS and "seconds" not in name
            }
            for row in (self.first, self.second)
        )
        return one == two

    @property
    def difference(self) -> float | None:
        """Absolute difference of the scores."""
        name = score_of(self.first)
        one, two = (row["metrics"].get(name) for row in (self.first, self.second))
        return None if one is None or two is None else abs(two - one)

    @property
    def is_beyond_sampling(self) -> bool:
        """Whether the scores differ by more than 95 % of two evaluations of the same model do."""
        if self.difference is None:
            return False
        name, metrics = score_of(self.first), self.first["metrics"]
        spread = metrics.get(f"std_{name.rpartition('_')[2]}")
        if name.startswith("return") and spread is not None:
            return self.difference > QUANTILE * spread / math.sqrt(load.EPISODES)
        if not name.startswith("return") and 0 <= metrics[name] <= 1:
            variance = metrics[name] * (1 - metrics[name])
            return self.difference > QUANTILE * math.sqrt(variance / load.EPISODES)
        return self.difference > self.spread


def score_of(row: load.Row) -> str:
    """Returns the name of the score of a row."""
    names = (task.key(task.judged_by) for task in TASKS if task.file == row["experiment"])
    return next((name for name in names if name in row["metrics"]), "return_sampled")


def match(committed: Iterable[load.Row], rows: Sequence[load.Row]) -> list[Rerun]:
    """Returns every committed run that was made again."""
    second = {(row["experiment"], *load.run(row)): row for row in rows}
    trained = [row for row in committed if row["seed"] is not None]
    trials = load.group_by(trained, lambda row: (row["experiment"], load.run(row)[0]))
    found = []
    for row in trained:
        key = (row["experiment"], *load.run(row))
        if key in second:
            runs = load.values(trials[key[:2]], score_of(row))
            found.append(Rerun(row, second[key], max(runs) - min(runs) if runs else 0.0))
    return found


def texts(
    committed: Sequence[load.Row], again: Sequence[load.Row], versions: Sequence[load.Row]
) -> list[str]:
    """Returns a sentence on rows of lost commits and one on other versions, if there are any.

    Args:
        committed: The rows of all experiments.
        again: Rows of runs of lost commits that were trained again.
        versions: Rows of runs that were trained again under other versions of JAX.
    """
    found = []
    lost = [row for row in committed if row["commit"] in load.LOST]
    if lost:
        pairs = [pair for pair in match(committed, again) if pair.first["commit"] in load.LOST]
        fields: dict[str, Any] = {
            "lost": f"{len(lost):,}",
            "all": f"{len(committed):,}",
            "commit": load.TAKEN_UP_BY,
            "again": len(pairs),
            "same": sum(pair.is_same for pair in pairs),
        }
        found.append(document.text("notes", "lost commits", **fields))
    clean = [row for row in versions if row["versions"]["jaxlib"] != HAZARDOUS]
    if clean:
        trained = [row for row in committed if row["seed"] is not None]
        pairs = match(committed, clean)
        control = match(
            committed, [row for row in versions if row["versions"]["jaxlib"] == HAZARDOUS]
        )
        fields = {
            "old": HAZARDOUS,
            "rows": f"{sum(row['versions'].get('jaxlib') == HAZARDOUS for row in trained):,}",
            "all": f"{len(trained):,}",
            "version": ", ".join(sorted({row["versions"]["jaxlib"] for row in clean})),
            "runs": len(pairs),
            "same": sum(pair.is_same for pair in pairs),
            "beyond": sum(pair.is_beyond_sampling for pair in pairs),
            "control": len(control),
            "control_beyond": sum(pair.is_beyond_sampling for pair in control),
        }
        found.append(document.text("notes", "versions", **fields))
    return found


def to_csv(committed: Sequence[load.Row], more: Mapping[str, Sequence[load.Row]]) -> str:
    """Writes every run that was made again."""
    head = ["file", "experiment", "dataset", "method", "variant", "seed", "jaxlib", "machine"]
    head += ["same", "difference", "beyond_sampling"]
    lines = [
        [
            *(name, pair.first["experiment"], pair.first["dataset"], pair.first["method"]),
            *(load.variant(pair.first), pair.first["seed"], pair.second["versions"]["jaxlib"]),
            *(pair.second["machine"], pair.is_same, pair.difference, pair.is_beyond_sampling),
        ]
        for name, rows in more.items()
        for own in load.group_by(rows, lambda row: row["versions"]["jaxlib"]).values()
        for pair in match(committed, own)
    ]
    return full_tables.csv_of(head, lines)
