"""Scores of arms with intervals, and comparisons of two arms; each computed once."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import scipy.stats

from experiments.reporting import lines
from jax_s4rl.evaluation import intervals

NUM_RESAMPLES = 2_000
# Fewer runs of either method give no verdict: their bootstrap intervals are far too narrow.
LEAST_RUNS = 5
AHEAD, BEHIND, LEVEL, FEW = "ahead", "behind", "level", "too few runs"

Strata = Mapping[tuple, Sequence[float]]
"""Runs by what they learned from."""
Frozen = tuple[tuple[float, ...], ...]


class Comparison(NamedTuple):
    """One arm against another.

    Attributes:
      difference: of interquartile means; positive where the first is better.
      improvement: chance that a run of the first beats a run of the other.
      runs: number of runs of either.
    """

    difference: intervals.Interval
    improvement: intervals.Interval
    runs: tuple[int, int]

    @property
    def outcome(self) -> str:
        """Ahead or behind only if both intervals say so; level where they do not show a difference."""
        if min(self.runs) < LEAST_RUNS or math.isnan(self.difference.low):
            return FEW
        if self.difference.low > 0 and self.improvement.low > 0.5:
            return AHEAD
        if self.difference.high < 0 and self.improvement.high < 0.5:
            return BEHIND
        return LEVEL


def strata(rows: Sequence[lines.Row], metric: str, factor: float = 1.0) -> dict[tuple, list[float]]:
    """Values of a metric by what the runs learned from; runs that lack it are left out.

    Args:
      rows: runs of one arm.
      metric: its name in the lines.
      factor: of every value; -1 turns what should be small into what should be large.
    """
    found: dict[tuple, list[float]] = {}
    for row in rows:
        if (value := row["metrics"].get(metric)) is not None:
            found.setdefault(lines.stratum(row), []).append(factor * float(value))
    return found


def middle(values: Strata) -> intervals.Interval | None:
    """Interquartile mean with its interval; None where there is no run."""
    return _middle(_freeze(values.values())) if values else None


def middle_value(values: Strata) -> float:
    """Interquartile mean alone."""
    runs = [value for group in values.values() for value in group]
    return float(scipy.stats.trim_mean(runs, intervals.CUT))


def compare(values: Strata, others: Strata) -> Comparison | None:
    """One arm against another on what both learned from; None where that is nothing."""
    common = [key for key in values if key in others]
    if not common:
        return None
    first, second = _freeze(values[key] for key in common), _freeze(others[key] for key in common)
    return Comparison(
        _difference(first, second), _improvement(first, second), (sum(map(len, first)), sum(map(len, second)))
    )


def improvement(pairs: Sequence[tuple[Strata, Strata]]) -> intervals.Interval | None:
    """Chance that a run of the one beats a run of the other, over the tasks of several comparisons."""
    first, second = _pool(pairs)
    return _improvement(first, second) if first else None


def gain(pairs: Sequence[tuple[Strata, Strata]]) -> intervals.Interval | None:
    """Mean over tasks of the difference of means, over the tasks of several comparisons; scores must share a scale."""
    first, second = _pool(pairs)
    return _gain(first, second) if first else None


def show(found: intervals.Interval | None, unit: str = "", *, signed: bool = False) -> str:
    """An interval as text.

    Args:
      found: the interval; None is a minus, and without ends the value alone is shown.
      unit: "%" for shares.
      signed: whether a plus stands before what is positive.

    Example:
      >>> show(intervals.Interval(0.65, 0.6, 0.7), "%"), show(None)
      ('65.0 [60.0, 70.0]', '-')
    """
    if found is None:
        return "-"
    largest = max(abs(end) for end in found if not math.isnan(end))
    value, low, high = (number(end, unit, signed=signed, like=largest) for end in found)
    return value if math.isnan(found.low) else f"{value} [{low}, {high}]"


def number(value: Any, unit: str = "", *, signed: bool = False, like: float | None = None) -> str:
    """One number as text: percents and what is above 10 with one decimal, smaller ones with two or three.

    Args:
      value: the number; what is missing is a minus.
      unit: "%" for shares.
      signed: whether a plus stands before what is positive.
      like: with as many decimals as this number would have.

    Example:
      >>> number(0.5), number(0.5, "%"), number(-0.0001), number(0.5, like=20.0), number(None)
      ('0.50', '50.0', '0.000', '0.5', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    value *= 100 if unit == "%" else 1
    size = abs(value if like is None else like)
    decimals = 1 if unit == "%" or size >= 10 else 2 if size >= 0.1 or not size else 3
    return f"{round(value, decimals) + 0.0:{'+' if signed else ''}.{decimals}f}"


def _pool(pairs: Sequence[tuple[Strata, Strata]]) -> tuple[Frozen, Frozen]:
    tasks = [(one[key], other[key]) for one, other in pairs for key in one if key in other]
    return _freeze(one for one, _ in tasks), _freeze(other for _, other in tasks)


def _freeze(runs: Any) -> Frozen:
    return tuple(tuple(values) for values in runs)


@functools.cache
def _middle(runs: Frozen) -> intervals.Interval:
    return intervals.interquartile_mean(runs, num_resamples=NUM_RESAMPLES)


@functools.cache
def _difference(runs: Frozen, others: Frozen) -> intervals.Interval:
    return intervals.difference(runs, others, num_resamples=NUM_RESAMPLES)


@functools.cache
def _improvement(runs: Frozen, others: Frozen) -> intervals.Interval:
    return intervals.probability_of_improvement(runs, others, num_resamples=NUM_RESAMPLES)


@functools.cache
def _gain(runs: Frozen, others: Frozen) -> intervals.Interval:
    return intervals.mean_difference(runs, others, num_resamples=NUM_RESAMPLES)
