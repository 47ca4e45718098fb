"""Scores of arms with intervals, and comparisons of two arms; each computed once."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import scipy.stats

from experiments.reporting import lines
from jax_s4rl.evaluation import bootstrap

NUM_RESAMPLES = 10_000
# Fewer runs of either method give no verdict: their bootstrap intervals are far too narrow.
LEAST_RUNS = 5
# Said wherever intervals are explained.
OF_SEEDS = "over training seeds: they cover training again on the same data, not other data"
OF_RECORDINGS = "over recordings, each the mean of its training seeds: they cover other data as well"
AHEAD, BEHIND, LEVEL, FEW = "ahead", "behind", "level", "too few runs"
OUTCOMES = (AHEAD, LEVEL, BEHIND, FEW)

Strata = Mapping[str, Sequence[float]]
"""What is drawn again, by data set: means of recordings where there are several, else runs."""
Pair = tuple[Strata, Strata]
Frozen = tuple[tuple[float, ...], ...]


class _Pooled(NamedTuple):
    """Tasks of several comparisons, with the environment of each."""

    first: Frozen
    second: Frozen
    groups: tuple[str, ...]


class Comparison(NamedTuple):
    """One arm against another.

    Attributes:
      difference: of interquartile means, or interquartile mean of the differences; positive where the first is better.
      improvement: chance that a run of the first beats a run of the other.
      runs: number of runs of either, or of recordings.
    """

    difference: bootstrap.Interval
    improvement: bootstrap.Interval
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


def strata(rows: Sequence[lines.Row], metric: str, factor: float = 1.0) -> dict[str, list[float]]:
    """Values of a metric by data set; runs that lack it are left out.

    Where a data set was recorded several times, other data are what chance may bring, and each recording counts once:
    by the mean over its training seeds, in the order of data seeds. Where there is one recording, each training seed
    counts.

    Args:
      rows: runs of one arm.
      metric: its name in the lines.
      factor: of every value; -1 turns what should be small into what should be large.
    """
    known = [row for row in rows if row["metrics"].get(metric) is not None]
    found = {}
    for dataset, recorded in lines.recordings(known).items():
        values = [[factor * float(row["metrics"][metric]) for row in recorded[key]] for key in sorted(recorded)]
        found[dataset] = values[0] if len(values) == 1 else [sum(own) / len(own) for own in values]
    return found


def middle(values: Strata) -> bootstrap.Interval | None:
    """Interquartile mean with its interval; None where there is no run."""
    return _middle(_freeze(values.values())) if values else None


def middle_value(values: Strata) -> float:
    """Interquartile mean alone."""
    runs = [value for group in values.values() for value in group]
    return float(scipy.stats.trim_mean(runs, bootstrap.CUT))


def compare(values: Strata, others: Strata, *, are_paired: bool = False) -> Comparison | None:
    """One arm against another on what both learned from; None where that is nothing.

    Args:
      values: of the one arm.
      others: of the other.
      are_paired: whether the values of a data set are those of the same recordings in the same order. Differences are
        then taken recording by recording: what makes one easier than another does it for both arms.
    """
    common = [key for key in values if key in others]
    if not common:
        return None
    first, second = _freeze(values[key] for key in common), _freeze(others[key] for key in common)
    runs = sum(map(len, first)), sum(map(len, second))
    if are_paired:
        first = _freeze((a - b for a, b in zip(one, two, strict=True)) for one, two in zip(first, second, strict=True))
        second = _freeze([0.0] * len(one) for one in first)
    return Comparison(_difference(first, second), _improvement(first, second), runs)


def improvement(pairs: Mapping[str, Sequence[Pair]]) -> bootstrap.Interval | None:
    """Chance that a run of the one beats a run of the other, over the tasks of several comparisons.

    Args:
      pairs: by environment; environments weigh alike, however many tasks they have.
    """
    pooled = _pool(pairs)
    return _improvement(*pooled) if pooled.groups else None


def gain(pairs: Mapping[str, Sequence[Pair]]) -> bootstrap.Interval | None:
    """Mean of the difference of means, likewise over environments; scores must share a scale."""
    pooled = _pool(pairs)
    return _gain(*pooled) if pooled.groups else None


def show(found: bootstrap.Interval | None, unit: str = "", *, signed: bool = False) -> str:
    """An interval as text.

    Args:
      found: the interval; None is a minus, and without ends the value alone is shown.
      unit: "%" for shares.
      signed: whether a plus stands before what is positive.

    Example:
      >>> show(bootstrap.Interval(0.65, 0.6, 0.7), "%"), show(None)
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


def _pool(pairs: Mapping[str, Sequence[Pair]]) -> _Pooled:
    tasks = [
        (one[key], other[key], name)
        for name, group in pairs.items()
        for one, other in group
        for key in one
        if key in other
    ]
    first, second = (_freeze(task[side] for task in tasks) for side in (0, 1))
    return _Pooled(first, second, tuple(task[2] for task in tasks))


def _freeze(runs: Any) -> Frozen:
    return tuple(tuple(values) for values in runs)


@functools.cache
def _middle(runs: Frozen) -> bootstrap.Interval:
    return bootstrap.interquartile_mean(runs, num_resamples=NUM_RESAMPLES)


@functools.cache
def _difference(runs: Frozen, others: Frozen) -> bootstrap.Interval:
    return bootstrap.difference(runs, others, num_resamples=NUM_RESAMPLES)


@functools.cache
def _improvement(runs: Frozen, others: Frozen, groups: tuple[str, ...] | None = None) -> bootstrap.Interval:
    return bootstrap.probability_of_improvement(runs, others, groups=groups, num_resamples=NUM_RESAMPLES)


@functools.cache
def _gain(runs: Frozen, others: Frozen, groups: tuple[str, ...]) -> bootstrap.Interval:
    return bootstrap.mean_difference(runs, others, groups=groups, num_resamples=NUM_RESAMPLES)
