"""Statistics per setting: scores with intervals, comparisons of two groups, ratios of times."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from experiments.report import document, load
from experiments.report.catalog import Experiment, Metric
from jax_s4rl.evaluation import bootstrap

NUM_RESAMPLES = 10_000
# With fewer runs there is no verdict: their bootstrap intervals are far too narrow.
LEAST_RUNS = 5
ATTENTION = "attention"
AHEAD, BEHIND, LEVEL, FEW = "ahead", "behind", "level", "too few runs"
OUTCOMES = (AHEAD, LEVEL, BEHIND, FEW)

Strata = Mapping[str, Sequence[float]]
"""Values that are resampled, by data set: means of recordings if there are several, else runs."""
Pair = tuple[Strata, Strata]
Contest = tuple[str, tuple[str, str], tuple[str, str]]
"""Name of a pair, and method and tokens of the model and of what it is compared with."""

ONE, THREE = "concatenated", "interleaved"
S4_MIXERS = ("s4", "s4d")
# Steps of a long context: the length of the episodes that the paper found too long.
LONG = 100
ALIKE: Sequence[Contest] = (
    ("{mixer}, three tokens", ("{mixer}", THREE), (ATTENTION, THREE)),
    ("{mixer}, one token", ("{mixer}", ONE), (ATTENTION, ONE)),
)
ONE_THREE: Sequence[Contest] = (
    ("{mixer}, one against three", ("{mixer}", ONE), (ATTENTION, THREE)),
    ("{mixer} matched, one against three", ("{mixer}/matched", ONE), (ATTENTION, THREE)),
    ("{mixer}, one against recomputed window", ("{mixer}", ONE), ("recompute", THREE)),
)
# Compared models, by the words of the claims.
CONTESTS = {
    "like for like": ALIKE,
    "with as many parameters": (
        ("{mixer} matched, one token", ("{mixer}/matched", ONE), (ATTENTION, ONE)),
    ),
    "S4 with one token, attention with three": ONE_THREE,
}


class Difference(NamedTuple):
    """Scores of one group against those of another.

    Attributes:
        interval: Difference of interquartile means, or interquartile mean of the differences;
            positive if the first is better.
        improvement: Chance that a run of the first beats a run of the other.
        runs: Numbers of runs, or of recordings.
    """

    interval: bootstrap.Interval
    improvement: bootstrap.Interval
    runs: tuple[int, int]

    @property
    def outcome(self) -> str:
        """Ahead or behind only if both intervals say so, else level."""
        if min(self.runs) < LEAST_RUNS or math.isnan(self.interval.low):
            return FEW
        if self.interval.low > 0 and self.improvement.low > 0.5:
            return AHEAD
        if self.interval.high < 0 and self.improvement.high < 0.5:
            return BEHIND
        return LEVEL


class Comparison(NamedTuple):
    """Two groups compared by the score of their experiment, turned so that more is better.

    Attributes:
        experiment: Their experiment.
        group: The one group.
        other: The group that it is measured by.
        score: Difference of the scores.
        otherwise: The same with the other way of choosing actions; None if rows have one way.
        pair: The scores.
        normalized: The scores with 0 for random play and 1 for the optimum; None if unknown.
    """

    experiment: Experiment
    group: load.Group
    other: load.Group
    score: Difference
    otherwise: Difference | None
    pair: Pair
    normalized: Pair | None

    @property
    def outcome(self) -> str:
        """Outcome of the score."""
        return self.score.outcome

    @property
    def has_runs(self) -> bool:
        """Whether there are enough runs of both for a verdict."""
        return self.outcome != FEW

    @property
    def name(self) -> str:
        """Experiment, data and variant."""
        return document.join(self.experiment.title, self.experiment.setting_name(self.group))


def strata(rows: Sequence[load.Row], metric: str, factor: float = 1.0) -> dict[str, list[float]]:
    """Returns values of a metric by data set, times a factor; runs without it are left out.

    If a data set was recorded several times, each recording counts once, by the mean over its
    training seeds in the order of data seeds. If there is one recording, each training seed counts.
    """
    scored = [row for row in rows if row["metrics"].get(metric) is not None]
    by_dataset = {}
    for dataset, recorded in load.recordings(scored).items():
        runs = (load.values(recorded[key], metric) for key in sorted(recorded))
        values = [[factor * float(value) for value in own] for own in runs]
        by_dataset[dataset] = (
            values[0] if len(values) == 1 else [sum(own) / len(own) for own in values]
        )
    return by_dataset


def middle(values: Strata) -> bootstrap.Interval | None:
    """Returns the interquartile mean with its interval; None if there is no run."""
    return _bootstrap(bootstrap.interquartile_mean, _freeze(values.values())) if values else None


def middle_value(values: Strata) -> float:
    """Returns the interquartile mean alone."""
    runs = [value for group in values.values() for value in group]
    return float(scipy.stats.trim_mean(runs, bootstrap.CUT))


def difference(values: Strata, others: Strata, *, are_paired: bool = False) -> Difference | None:
    """Compares scores on the data sets that both have; None if there is none.

    Args:
        values: Scores of the one group.
        others: Scores of the other.
        are_paired: Whether the values of a data set are those of the same recordings in the same
            order. Differences are then taken recording by recording, which removes what makes one
            recording easier than another.
    """
    common = [key for key in values if key in others]
    if not common:
        return None
    first, second = _freeze(values[key] for key in common), _freeze(others[key] for key in common)
    runs = sum(map(len, first)), sum(map(len, second))
    if are_paired:
        pairs = list(zip(first, second, strict=True))
        first = _freeze((a - b for a, b in zip(one, two, strict=True)) for one, two in pairs)
        second = _freeze([0.0] * len(one) for one in first)
    interval = _bootstrap(bootstrap.difference, first, second)
    chance = _bootstrap(bootstrap.probability_of_improvement, first, second)
    return Difference(interval, chance, runs)


def improvement(pairs: Mapping[str, Sequence[Pair]]) -> bootstrap.Interval | None:
    """Returns the chance that a run of the one beats a run of the other, over several tasks.

    Args:
        pairs: Scores by environment; environments weigh the same, however many tasks they have.
    """
    return _pool(bootstrap.probability_of_improvement, pairs)


def gain(pairs: Mapping[str, Sequence[Pair]]) -> bootstrap.Interval | None:
    """Returns the mean difference of means, by environment as above; scores must share a scale."""
    return _pool(bootstrap.mean_difference, pairs)


def against(experiment: Experiment, method: str, other: str = ATTENTION) -> Iterator[Comparison]:
    """Yields a method against another in every setting of both that counts for claims."""
    groups = {(group.method, group.setting): group for group in experiment.groups}
    for group in experiment.groups:
        partner = groups.get((other, group.setting))
        counts = group.method == method and experiment.counts(group.variant)
        if counts and partner is not None and (pair := compare(experiment, group, partner)):
            yield pair


def compare(experiment: Experiment, group: load.Group, other: load.Group) -> Comparison | None:
    """Compares two groups; None if they learned from different data or lack the score."""
    factor = experiment.metrics[0].factor
    common = load.in_common(group.rows, other.rows)
    are_paired = all(len(recorded) > 1 for recorded in load.recordings(common[0]).values())

    def by(metric: str) -> tuple[Strata, Strata, Difference | None]:
        one, two = (strata(rows, metric, factor) for rows in common)
        return one, two, difference(one, two, are_paired=are_paired)

    one, two, score = by(experiment.score)
    if score is None:
        return None
    shared = [key for key in one if key in two]
    pair = {key: one[key] for key in shared}, {key: two[key] for key in shared}
    kind = experiment.other_kind
    otherwise = by(experiment.metrics[0].key(kind))[2] if kind else None
    first, second = (normalize(experiment, values) for values in pair)
    normalized = None if first is None or second is None else (first, second)
    return Comparison(experiment, group, other, score, otherwise, pair, normalized)


def baseline(experiment: Experiment, group: load.Group) -> load.Group | None:
    """Returns the attention that a group is measured by, never the group itself.

    It is that of the same variant, else of a main one, unless the group is a mixer that is built
    differently from the main variants.
    """
    is_apart = group.method in load.MIXERS and experiment.is_aside(group.variant)
    for variant in (group.variant, *(() if is_apart else experiment.main_variants)):
        wanted = group._replace(variant=variant).setting
        for other in experiment.groups:
            fits = (other.data, other.variant) == (group.data, variant)
            fits = fits and (group.context is None or other.setting == wanted)
            if other.method == ATTENTION and other is not group and fits:
                return other
    return None


def normalize(experiment: Experiment, values: Strata) -> Strata | None:
    """Returns scores, turned so that more is better, from 0 for random play to 1 for the optimum.

    It is None if the ends of the scale are not known on all data sets.
    """
    factor = experiment.metrics[0].factor
    scaled = {}
    for key, runs in values.items():
        ends = experiment.bounds(key)
        if ends is None or ends[0] == ends[1]:
            return None
        low, high = ends
        scaled[key] = [(factor * value - low) / (high - low) for value in runs]
    return scaled


def middle_of(group: load.Group, key: str, unit: str = "") -> str:
    """Returns the interquartile mean of a metric over a group, with its interval, as text."""
    return document.show(middle(strata(group.rows, key)), unit)


def _pool(statistic: Callable[..., Any], pairs: Mapping[str, Sequence[Pair]]) -> Any:
    tasks = []
    for name, group in pairs.items():
        for one, other in group:
            tasks += [(one[key], other[key], name) for key in one if key in other]
    if not tasks:
        return None
    first, second, groups = zip(*tasks, strict=True)
    return _bootstrap(statistic, _freeze(first), _freeze(second), groups=groups)


def _freeze(runs: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(values) for values in runs)


@functools.cache
def _bootstrap(statistic: Callable[..., bootstrap.Interval], *runs: Any, **groups: Any) -> Any:
    return statistic(*runs, **groups, num_resamples=NUM_RESAMPLES)


# Ratios of times, from the rows of benchmarks and of single tasks.


class Ratio(NamedTuple):
    """How many times longer attention takes than a model.

    Attributes:
        pair: Names of the compared models.
        series: Number of parallel episodes and machine, if there are several.
        place: Length or task, in words.
        value: The ratio, by medians.
        context: The length in steps; None for a task.
        interval: 95 % interval of the ratio over turns; None if rows have no turns.
        rows: The rows of the model and of attention.
    """

    pair: str
    series: str
    place: str
    value: float
    context: int | None = None
    interval: tuple[float, float] | None = None
    rows: tuple[load.Row, ...] = ()


def time_ratios(
    rows: Sequence[load.Row],
    contests: Sequence[Contest],
    mixers: Sequence[str] = S4_MIXERS,
    *,
    shortest: int = 0,
) -> list[Ratio]:
    """Returns all pairs timed on one machine, at one length, with one number of episodes.

    Contexts below the shortest are left out; of equal rows the last counts.
    """
    by_key = {load.time_key(row): row for row in rows}
    places = {(machine, context, batch) for machine, _, _, context, batch in by_key}
    several_machines = len({place[0] for place in places}) > 1
    # The batch of training follows from the context; that of acting is a choice.
    several_batches = len({place[:2] for place in places}) < len(places)
    ratios = []
    for mixer, (name, *sides) in itertools.product(mixers, contests):
        for machine, context, batch in sorted(
            places, key=lambda place: (*place[:2], place[2] or 0)
        ):
            keys = [(machine, who.format(mixer=mixer), kind, context, batch) for who, kind in sides]
            if context < shortest or not all(key in by_key for key in keys):
                continue
            model, other = (by_key[key] for key in keys)
            series = [f"{batch} at once"] * several_batches + [machine] * several_machines
            ratios.append(
                Ratio(
                    name.format(mixer=mixer),
                    ", ".join(series),
                    f"{context:,} steps",
                    other["seconds"]["median"] / model["seconds"]["median"],
                    context,
                    ratio_interval(*(row["metrics"].get("turns", []) for row in (model, other))),
                    (model, other),
                )
            )
    return ratios


def task_ratios(experiment: Experiment, metrics: Sequence[Metric]) -> list[Ratio]:
    """Returns how many times longer attention takes at every task, by every given metric."""
    machines = {group.variant for group in experiment.groups}
    ratios = []
    for mixer in S4_MIXERS:
        for each in against(experiment, mixer):
            machine = each.group.variant if len(machines) > 1 else ""
            task = each.group.rows[0]["metrics"].get("task", each.group.data)
            for metric in metrics:
                ours, theirs = (strata(group.rows, metric.name) for group in each[1:3])
                if ours and theirs:
                    action = metric.label.rpartition(", ")[2]
                    pair = f"{mixer}, {action}" if len(metrics) > 1 else mixer
                    ratios.append(
                        Ratio(pair, machine, task, middle_value(theirs) / middle_value(ours))
                    )
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
