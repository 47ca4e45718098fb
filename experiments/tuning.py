"""The grid that every mixer is tuned on, with the same effort, and what it says: by result lines, never by hand."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import suites
from jax_s4rl.agents import decision_transformer
from jax_s4rl.evaluation import result_rows

# No result is reported on the data set of this seed.
DATA_SEED = 1_000
TITLE = "tuning: "


class Point(NamedTuple):
    """What is tuned.

    Attributes:
      rate: learning rate.
      dropout: share of features dropped.
    """

    rate: float = 3e-3
    dropout: float = 0.0

    @property
    def variant(self) -> str:
        """The variant of a cell that was trained to tune."""
        return f"{TITLE}learning rate {self.rate:g}, dropout {self.dropout:g}"

    @property
    def rate_name(self) -> str:
        """What a cell with this learning rate is called where that is what sets it apart."""
        return f"learning rate {self.rate:g}"

    def of(self, settings: decision_transformer.Settings) -> decision_transformer.Settings:
        """The same settings at this point."""
        return dataclasses.replace(
            settings,
            model=dataclasses.replace(settings.model, dropout=self.dropout),
            optimization=dataclasses.replace(settings.optimization, learning_rate=self.rate),
        )


# Small data are learned by heart: dropout costs more than it gives, and higher rates are tried without it alone.
GRID = (*(Point(rate, dropout) for rate in (1e-3, 3e-3) for dropout in (0.0, 0.1)), Point(1e-2))
RATES = tuple(point for point in GRID if not point.dropout)


def choose(
    rows: Iterable[dict[str, Any]], metric: str, *, grid: Sequence[Point] = GRID, by: Sequence[str] = ("method",)
) -> dict[Any, Point]:
    """The point with the best mean of a metric over seeds; of equals the first.

    Args:
      rows: result lines of an experiment; those of its tuning are read, and where a point was run again with other
        settings, the later ones.
      metric: larger is better.
      grid: in order.
      by: fields of a line that name what is tuned; several give tuples.

    Returns:
      By name, for all whose grid is complete.
    """
    found: dict[Any, dict[str, list[float]]] = {}
    cells: dict[tuple, str | None] = {}
    for row in rows:
        variant = row["metrics"].get("variant", "")
        if variant.startswith(TITLE):
            fields = tuple(row[field] for field in by)
            name, cell = fields if len(by) > 1 else fields[0], row["metrics"].get("cell")
            if cells.setdefault((name, variant), cell) != cell:
                cells[name, variant] = cell
                found[name].pop(variant)
            found.setdefault(name, {}).setdefault(variant, []).append(row["metrics"][metric])
    return {
        name: max(grid, key=lambda point, values=values: float(np.mean(values[point.variant])))
        for name, values in found.items()
        if all(point.variant in values for point in grid)
    }


class Chosen(NamedTuple):
    """What the tuning part of an experiment chose.

    Attributes:
      experiment: its name.
      metric: larger is better.
      grid: the points that are tried.
      by: fields of a line that name what is tuned.
    """

    experiment: str
    metric: str
    grid: tuple[Point, ...] = GRID
    by: tuple[str, ...] = ("method",)

    def of(self, name: Any, options: suites.Options) -> Point:
        """The point with the best mean, from the lines where this run writes them, or else from the committed ones.

        Args:
          name: of what was tuned, a tuple if there are several fields.
          options: of the run.

        Returns:
          The point; the default one where not all of the grid was tried, as in a quick look at a new experiment.
        """
        for path in (options.out, suites.path(self.experiment)):
            if path is not None and path.exists():
                found = _choose_from(path, path.stat().st_mtime_ns, self)
                if name in found:
                    return found[name]
        return Point()


@functools.lru_cache(maxsize=8)
def _choose_from(path: Path, _: int, chosen: Chosen) -> dict[Any, Point]:
    """Read again when the file has changed."""
    rows = (row for row in result_rows.read_rows(path) if row["experiment"] == chosen.experiment)
    return choose(rows, chosen.metric, grid=chosen.grid, by=chosen.by)
