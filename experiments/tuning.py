"""The grid that every mixer is tuned on, with the same effort, and what it says."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import learning

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

    def of(self, settings: learning.Settings) -> learning.Settings:
        """The same settings at this point."""
        return dataclasses.replace(
            settings,
            model=dataclasses.replace(settings.model, dropout=self.dropout),
            optimization=dataclasses.replace(settings.optimization, learning_rate=self.rate),
        )


GRID = tuple(Point(rate, dropout) for rate in (1e-3, 3e-3) for dropout in (0.0, 0.1))


def choose(
    rows: Iterable[dict[str, Any]], metric: str, *, grid: Sequence[Point] = GRID, by: Sequence[str] = ("method",)
) -> dict[Any, Point]:
    """The point with the best mean of a metric over seeds; of equals the first.

    Args:
      rows: result lines of an experiment; those of its tuning are read.
      metric: larger is better.
      grid: in order.
      by: fields of a line that name what is tuned; several give tuples.

    Returns:
      By name, for all whose grid is complete.
    """
    found: dict[Any, dict[str, list[float]]] = {}
    for row in rows:
        variant = row["metrics"].get("variant", "")
        if variant.startswith(TITLE):
            name = tuple(row[field] for field in by)
            values = found.setdefault(name if len(by) > 1 else name[0], {}).setdefault(variant, [])
            values.append(row["metrics"][metric])
    return {
        name: max(grid, key=lambda point, values=values: float(np.mean(values[point.variant])))
        for name, values in found.items()
        if all(point.variant in values for point in grid)
    }
