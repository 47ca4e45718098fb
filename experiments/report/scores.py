"""Statistics: means with intervals, differences of two methods on one scale, ratios of times."""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from experiments import protocol
from experiments.report import load
from experiments.report.tasks import Point, Question, Setting, Side, Task, fits
from jax_s4rl.evaluation import bootstrap, result_rows

NUM_RESAMPLES = 10_000
# With fewer runs there is no verdict: their bootstrap intervals are far too narrow.
LEAST_RUNS = 5
# The smallest difference that matters, as a share of the way from floor to ceiling: nobody would
# change a model for less. Earlier reports called "as well as" what loses at most as much.
MATTERS = 0.05
ATTENTION = "attention"
BETTER, WORSE, EQUAL = "better", "worse", "equal"
UNDECIDED, FEW = "undecided", "too few runs"
OUTCOMES = (BETTER, EQUAL, UNDECIDED, WORSE)
# Variant of the model without memory at the settings that were tuned for attention.
CONTROL = protocol.CONTROL
# Methods whose variants name what they are built around, or their weights. The first of these
# variants that was run counts, fixed before any score is read: cloning is built around attention,
# as published, and conservative Q-learning has its published weight of 1, with the batches and the
# time embedding of the mixers if these were run.
_CLONING = ("attention", "whole episodes", "context 32", "s4d")
_FAIR = ("balanced batches", "uniform batches")
_WEIGHTS = ("conservatism 1", "conservatism 0.1")
BASELINES = {
    "bc": _CLONING,
    "percent_bc": _CLONING,
    "cql": (*(f"{_WEIGHTS[0]}, {batches}, time embedding" for batches in _FAIR), *_WEIGHTS),
}

Strata = Mapping[str, Sequence[load.Row]]
"""Runs by data set and variant, which are resampled apart."""
Values = tuple[tuple[float, ...], ...]


class Difference(NamedTuple):
    """Scores of one method minus those of another, from 0 (floor) to 1 (ceiling).

    Attributes:
        gain: Mean over data sets of the difference of means.
        chance: Chance that a run of the first beats a run of the other.
        runs: Numbers of runs, or of recordings, on the data set that has fewest.
        pair: The compared scores, by data set.
    """

    gain: bootstrap.Interval
    chance: bootstrap.Interval
    runs: tuple[int, int]
    pair: tuple[Values, Values]

    @property
    def outcome(self) -> str:
        """Better, worse, equal or undecided, by the interval and the smallest difference."""
        value, low, high = self.gain
        if min(self.runs) < LEAST_RUNS or math.isnan(low):
            return FEW
        if low > 0 and value >= MATTERS:
            return BETTER
        if high < 0 and value <= -MATTERS:
            return WORSE
        return EQUAL if low > -MATTERS and high < MATTERS else UNDECIDED


def runs(rows: Iterable[load.Row], metric: str) -> list[float]:
    """Returns the values of a metric on one data set; runs without it are left out.

    If the data set was recorded several times, each recording counts once, by the mean over its
    training seeds in the order of data seeds. If there is one recording, each training seed counts.
    """
    scored = [row for row in rows if row["metrics"].get(metric) is not None]
    recorded = load.group_by(scored, load.recording)
    every = [list(map(float, load.values(recorded[key], metric))) for key in sorted(recorded)]
    return every[0] if len(every) == 1 else [sum(own) / len(own) for own in every]


def mean(values: Iterable[Sequence[float]]) -> bootstrap.Interval | None:
    """Returns the mean over data sets of the means over runs; None if there is no run."""
    given = _freeze(values)
    return _bootstrap(bootstrap.mean, given) if given and all(given) else None


def middle(values: Iterable[Sequence[float]]) -> bootstrap.Interval | None:
    """Returns the interquartile mean of all runs with its interval; None if there is no run."""
    given = _freeze(values)
    return _bootstrap(bootstrap.interquartile_mean, given) if given and all(given) else None


def at_point(task: Task, point: Point, method: str, variant: str | None = None) -> Strata:
    """Returns the runs of a method at a point.

    Args:
        task: The task with its rows.
        point: The point.
        method: Name of the method.
        variant: Variant of a baseline; that of the point without it.
    """
    if variant is None and method == load.MEMORYLESS:
        # The model without memory is a control: the better one of its settings counts.
        tried = [at_point(task, point, method, each) for each in (point.variant, CONTROL)]
        return max(tried, key=lambda own: (len(own), _known(score(task, own, task.kind_of(own)))))
    wanted = point.variant if variant is None else variant
    found: dict[str, list[load.Row]] = {}
    for row in task.rows.scored:
        is_wanted = row["method"] == method and load.variant(row) == wanted
        context = row["context_length"]
        if is_wanted and fits(row["dataset"], point.data) and point.context in (None, context):
            found.setdefault(f"{row['dataset']}, {point.title}", []).append(row)
    return found


def _known(value: float | None) -> float:
    return -math.inf if value is None else value


def of_setting(task: Task, setting: Setting, method: str) -> Strata:
    """Returns the runs of a mixer at all points of a setting."""
    found: dict[str, Sequence[load.Row]] = {}
    for point in setting.points:
        found.update(at_point(task, point, method))
    return found


def deciding_point(task: Task) -> Point | None:
    """Returns the last of the shown points at which a method ran; None if there is none.

    Points of the first bar come before all others.
    """
    shown = [setting.points for setting in task.settings if setting.is_shown]
    known = [point for point in itertools.chain.from_iterable(shown) if methods_at(task, point)]
    barred = [point for point in known if any(point.title in bar.points for bar in task.bars[:1])]
    return (barred or known)[-1] if known else None


def methods_at(task: Task, point: Point) -> dict[str, Strata]:
    """Returns the methods that ran on all data at a point.

    Of the variants of a baseline one counts, which `BASELINES` fixes.
    """
    found = every_method(task, point)
    most = max(map(len, found.values()), default=0)
    return {method: own for method, own in found.items() if len(own) == most}


def every_method(task: Task, point: Point) -> dict[str, Strata]:
    """Returns the methods that ran on some of the data at a point."""
    here = [row for row in task.rows.scored if fits(row["dataset"], point.data)]
    found: dict[str, Strata] = {}
    for method in dict.fromkeys(row["method"] for row in here):
        variant = None
        if method in BASELINES:
            ran = list(dict.fromkeys(load.variant(row) for row in here if row["method"] == method))
            variant = next((name for name in BASELINES[method] if name in ran), ran[0])
        found[method] = at_point(task, point, method, variant)
    return {method: own for method, own in found.items() if own}


def score(task: Task, strata: Strata, kind: str) -> float | None:
    """Returns the mean over data sets of the mean score; None if there is none."""
    values = [runs(rows, task.key(kind)) for rows in strata.values()]
    return (
        sum(sum(own) / len(own) for own in values) / len(values) if all(values) and values else None
    )


def compare(
    task: Task,
    strata: Strata,
    others: Strata,
    kind: str,
    metrics: tuple[str, str] = ("{score}", "{score}"),
) -> Difference | None:
    """Compares two methods on the data sets that both have; None if there is none.

    If a data set was recorded several times, scores are compared recording by recording, which
    removes what makes one recording easier than another.
    """
    first, second = [], []
    keys = [f"{metric.format(score=task.score)}_{kind}" for metric in metrics]
    for name in strata:
        scale = task.scale(strata[name][0]["dataset"], kind)
        if name not in others or scale is None:
            continue
        both = load.in_common(strata[name], others[name])
        one, two = (runs(rows, key) for rows, key in zip(both, keys, strict=True))
        if not one or not two:
            continue
        low, high = scale
        one, two = ([(value - low) / (high - low) for value in own] for own in (one, two))
        if len(set(map(load.recording, both[0]))) > 1:
            one = [a - b for a, b in zip(one, two, strict=True)]
            two = [0.0] * len(one)
        first.append(one)
        second.append(two)
    if not first:
        return None
    return difference(first, second)


def difference(first: Iterable[Sequence[float]], second: Iterable[Sequence[float]]) -> Difference:
    """Returns the scores of one method minus those of another, both by data set, from 0 to 1."""
    pair = _freeze(first), _freeze(second)
    gain = _bootstrap(bootstrap.mean_difference, *pair)
    chance = _bootstrap(bootstrap.probability_of_improvement, *pair)
    one, two = (min(map(len, own)) for own in pair)
    return Difference(gain, chance, (one, two), pair)


def sides(question: Question) -> dict[tuple[str, int | None, str], tuple[Task, list[Strata]]]:
    """Returns the runs of both sides of a question, by data set, context and method."""
    found = {}
    for pattern, task in question.tasks.items():
        own = [row for row in task.rows.scored if fits(row["dataset"], [pattern])]

        def key(row: load.Row) -> tuple[str, int | None, str]:
            return row["dataset"], row["context_length"], row["method"]

        def of_side(rows: Sequence[load.Row], side: Side) -> Strata:
            chosen = [row for row in rows if fits(load.variant(row), [side.variant])]
            return {"": chosen} if chosen else {}

        for name, rows in load.group_by(own, key).items():
            both = [of_side(rows, side) for side in (question.first, question.second)]
            if all(both):
                found[name] = task, both
    return found


def contrast(differences: Sequence[Difference], others: Sequence[Difference]) -> Any:
    """Returns the mean gain of some differences minus that of others, with its interval.

    All differences of one side weigh alike, whatever their number of data sets.
    """
    first, second, groups = [], [], []
    total = len(differences) + len(others)
    for sign, side in ((1, differences), (-1, others)):
        # The mean over all groups is the contrast if values are scaled by these factors; a
        # factor below zero turns the difference around.
        factor = sign * total / len(side)
        for number, each in enumerate(side):
            for one, two in zip(*each.pair, strict=True):
                first.append([factor * value for value in one])
                second.append([factor * value for value in two])
                groups.append(f"{sign}, {number}")
    pair = _freeze(first), _freeze(second)
    return bootstrap.mean_difference(*pair, groups=groups, num_resamples=NUM_RESAMPLES)


def pool(differences: Sequence[Difference]) -> bootstrap.Interval:
    """Returns the mean gain of some differences, which weigh alike, with its interval."""
    pairs = [
        (*pair, str(number))
        for number, each in enumerate(differences)
        for pair in zip(*each.pair, strict=True)
    ]
    first, second, groups = zip(*pairs, strict=True)
    return _pool(first, second, groups)


@functools.cache
def _pool(first: Values, second: Values, groups: tuple[str, ...]) -> bootstrap.Interval:
    return bootstrap.mean_difference(first, second, groups=groups, num_resamples=NUM_RESAMPLES)


def _freeze(values: Iterable[Sequence[float]]) -> Values:
    return tuple(tuple(own) for own in values)


@functools.cache
def _bootstrap(statistic: Callable[..., bootstrap.Interval], *values: Values) -> bootstrap.Interval:
    return statistic(*values, num_resamples=NUM_RESAMPLES)


class Ratio(NamedTuple):
    """How many times longer attention takes than a model.

    Attributes:
        place: Steps of the context or history, or name of a task.
        value: The ratio, by medians.
        interval: 95 % interval of the ratio over turns; None if rows have no turns.
    """

    place: int | str
    value: float
    interval: tuple[float, float] | None


# Models whose times are compared, with their tokens a step: the model and attention.
CONTESTS = {
    "equal tokens and parameters": (("s4d/matched", "concatenated"), (ATTENTION, "concatenated")),
    "equal tokens": (("s4d", "concatenated"), (ATTENTION, "concatenated")),
    "one token against three": (("s4d", "concatenated"), (ATTENTION, "interleaved")),
}


def time_ratios(rows: Sequence[load.Row], contest: str, kind: str) -> list[Ratio]:
    """Returns the ratios of a contest at all lengths, on the machine that was timed last.

    Args:
        rows: Rows of the benchmark of lengths.
        contest: One of `CONTESTS`.
        kind: "training" for an update or "acting" for an action.
    """
    own = [row for row in on_main_machine(rows) if row["metrics"]["kind"] == kind]
    timed = [row for row in own if row["seconds"].get("median")]
    by_key = {(row["method"], row["tokens"], row["context_length"]): row for row in timed}
    model, other = CONTESTS[contest]
    ratios = []
    for length in sorted({row["context_length"] for row in timed}):
        pair = by_key.get((*model, length)), by_key.get((*other, length))
        if pair[0] and pair[1]:
            value = pair[1]["seconds"]["median"] / pair[0]["seconds"]["median"]
            turns = [row["metrics"].get("turns", []) for row in pair if row]
            ratios.append(Ratio(length, value, ratio_interval(*turns)))
    return ratios


def on_main_machine(rows: Sequence[load.Row]) -> list[load.Row]:
    """Returns the rows of the machine whose longest context was timed last."""
    machine = result_rows.machine_of_longest(rows)
    return load.latest_times([row for row in rows if row["machine"] == machine])


def task_ratios(rows: Sequence[load.Row], name: str) -> list[Ratio]:
    """Returns how many times longer attention takes than S4D and S4 at every task."""
    by_key: dict[tuple, dict[str, load.Row]] = {}
    for row in rows:
        key = (row["dataset"], row["tokens"], row["context_length"], row["machine"])
        by_key.setdefault(key, {})[row["method"]] = row
    ratios = []
    for key, own in by_key.items():
        for method in ("s4d", "s4"):
            both = [own.get(each, {}).get("seconds", {}).get(name) for each in (ATTENTION, method)]
            if all(both):
                ratios.append(Ratio(f"{key[0]}, {method}", both[0] / both[1], None))
    return ratios


def ratio_interval(model: Sequence[float], other: Sequence[float]) -> tuple[float, float] | None:
    """Returns the 95 % interval of the ratio of medians; None if turns are missing.

    Turns are resampled as pairs, for both times of a turn were taken one after the other.
    """
    if not model or len(model) != len(other):
        return None
    return _ratio_interval(tuple(model), tuple(other))


@functools.cache
def _ratio_interval(model: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float]:
    result = scipy.stats.bootstrap(
        (other, model),
        lambda above, below, axis: np.median(above, axis) / np.median(below, axis),
        paired=True,
        method="percentile",
        n_resamples=NUM_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
