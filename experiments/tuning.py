"""Tuning grid, the same for every mixer; its choice, from result rows; one change at a time to it.

An ablation trains a trial again at the other learning rates of the grid, with the other dropout,
and around a state space model also with the same learning rate for all parameters, or with another
initialization. The name of the change ends the variant of the trial.

A larger search goes on outward from the grid: `extend` gives the next learning rates while the best
one lies on the edge of those tried, and `enough_updates` the number of updates from which no tuning
curve rises any more. `Search` reads the points that were tried from result rows.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import methods, runner
from jax_s4rl.agents import decision_transformer
from jax_s4rl.evaluation import result_rows

# Seed of the dataset of the grid. No result is reported on it.
DATA_SEED = 1_000
# Training seeds of the parts that `parts` makes, by name.
MOST_SEEDS = {"tuning": 2, "dynamics": 2}
TITLE = "tuning: "

# Names of variants are part of digests: to change one, rewrite the rows as well.
AS_FAST = "same learning rate for all"
OTHER_INITIALIZATION = {"s4d": "LegS", "s4": "FouT"}
# Mixers that claims are about, whose states have a learning rate of their own.
STATE_SPACES = ("s4d", "s4")


class Point(NamedTuple):
    """A point of the grid.

    Attributes:
        rate: Learning rate.
        dropout: Share of dropped features.
        steps: Name of the range of initial steps; empty for that of the experiment, which also
            builds the mixers of other ranges.
        updates: Gradient steps; 0 for those of the experiment.
        decay: Weight decay; 0 for that of the experiment.
    """

    rate: float = 3e-3
    dropout: float = 0.0
    steps: str = ""
    updates: int = 0
    decay: float = 0.0

    @property
    def variant(self) -> str:
        """Variant of a trial of the grid."""
        more = [f"decay {self.decay:g}"] if self.decay else []
        more += [f"steps {self.steps}"] if self.steps else []
        more += [f"{self.updates} updates"] if self.updates else []
        return ", ".join([f"{TITLE}learning rate {self.rate:g}, dropout {self.dropout:g}", *more])

    @property
    def rate_name(self) -> str:
        """Variant of a trial that differs from others by this learning rate."""
        return f"learning rate {self.rate:g}"

    def of(self, settings: decision_transformer.Settings) -> decision_transformer.Settings:
        """Returns the same settings at this point, all but the range of steps."""
        optimization = dataclasses.replace(
            settings.optimization,
            learning_rate=self.rate,
            weight_decay=self.decay or settings.optimization.weight_decay,
        )
        return dataclasses.replace(
            settings,
            num_updates=self.updates or settings.num_updates,
            model=dataclasses.replace(settings.model, dropout=self.dropout),
            optimization=optimization,
        )


# Models memorize small datasets, so dropout costs more than it gives; the higher rate has none.
GRID = (*(Point(rate, dropout) for rate in (1e-3, 3e-3) for dropout in (0.0, 0.1)), Point(1e-2))
RATES = tuple(point for point in GRID if not point.dropout)
# Rates by which a search goes on outward.
LADDER = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
# A tuning curve is flat if twice the updates gain at most this share of the way from random play to
# the optimum.
FLAT = 0.02
_VARIANT = re.compile(
    re.escape(TITLE)
    + r"learning rate ([^,]+), dropout ([^,]+)"
    + r"(?:, decay ([^,]+))?(?:, steps ([^,]+))?(?:, (\d+) updates)?"
)


def on_grid(point: Point) -> dict[str, Any]:
    """Returns what sets a trial of the grid apart, as arguments of `protocol.trial`."""
    return {"point": point, "variant": point.variant, "data_seed": DATA_SEED}


def choose(
    rows: Iterable[dict[str, Any]],
    metric: str,
    *,
    grid: Sequence[Point] = GRID,
    by: Sequence[str] = ("method",),
) -> dict[Any, Point]:
    """Chooses the point with the best mean of a metric over seeds; of equal ones the first.

    Args:
        rows: Result rows of an experiment. Only rows of the grid are read; if a point was run again
            with other settings, the later rows count.
        metric: Name of the metric; larger is better.
        grid: Points in their order.
        by: Fields of a row that name the tuned model; several give tuples.

    Returns:
        Points by name, for all models whose grid is complete.
    """
    return {
        name: max(grid, key=lambda point, own=own: float(np.mean(own[point.variant])))
        for name, own in _values(rows, metric, by).items()
        if all(point.variant in own for point in grid)
    }


def _values(
    rows: Iterable[dict[str, Any]], metric: str, by: Sequence[str]
) -> dict[Any, dict[str, list[float]]]:
    """Returns the values of all seeds by name and variant, of the latest settings alone."""
    values: dict[Any, dict[str, list[float]]] = {}
    digests: dict[tuple, str | None] = {}
    for row in rows:
        variant = row["metrics"].get("variant", "")
        if not variant.startswith(TITLE):
            continue
        fields = tuple(row[field] for field in by)
        name, digest = fields if len(by) > 1 else fields[0], row["metrics"].get("cell")
        if digests.setdefault((name, variant), digest) != digest:
            digests[name, variant] = digest
            values[name].pop(variant)
        values.setdefault(name, {}).setdefault(variant, []).append(row["metrics"][metric])
    return values


def parse(variant: str) -> Point | None:
    """Returns the point that a variant names; None if it names no point, as that of an ablation.

    Example:
        >>> parse(Point(1e-3, 0.1, updates=500).variant)
        Point(rate=0.001, dropout=0.1, steps='', updates=500, decay=0.0)
    """
    if (match := _VARIANT.fullmatch(variant)) is None:
        return None
    rate, dropout, decay, steps, updates = match.groups()
    return Point(float(rate), float(dropout), steps or "", int(updates or 0), float(decay or 0))


def extend(scores: Mapping[Point, float]) -> list[Point]:
    """Returns the next learning rates outward if the best one lies on the edge of those tried.

    Args:
        scores: Scores of the tried points of a model; larger is better. Only points that differ
            from the best one by the rate alone are compared with it.

    Returns:
        Points to try next: none if the best rate has a lower and a higher one beside it, or if the
        ladder of rates ends there.

    Example:
        >>> [point.rate for point in extend({Point(1e-3): 0.5, Point(3e-3): 0.7})]
        [0.01]
    """
    best = max(scores, key=lambda point: scores[point])
    tried = {point.rate for point in scores if point._replace(rate=best.rate) == best}
    below = [rate for rate in LADDER if rate < min(tried)]
    above = [rate for rate in LADDER if rate > max(tried)]
    found = below[-1:] if best.rate == min(tried) else []
    found += above[:1] if best.rate == max(tried) else []
    return [best._replace(rate=rate) for rate in found]


def enough_updates(curves: Iterable[Mapping[int, float]], scale: float) -> int | None:
    """Returns the number of updates from which no tuning curve rises any more.

    Args:
        curves: Scores by number of updates, one curve for each model that is compared; larger is
            better. Every number is twice the one before.
        scale: Distance from random play to the optimum, in the unit of the scores.

    Returns:
        The least number whose double was tried with all models and gained none of them more than
        `FLAT` of the scale; None if there is none yet.

    Example:
        >>> enough_updates([{100: 0.5, 200: 0.8, 400: 0.8}, {100: 0.9, 200: 0.9, 400: 0.9}], 1.0)
        200
    """
    curves = list(curves)
    tried = set.intersection(*(set(curve) for curve in curves)) if curves else set()
    for number in sorted(tried):
        gains = [curve[2 * number] - curve[number] for curve in curves if 2 * number in tried]
        if gains and max(gains) <= FLAT * scale:
            return number
    return None


class Search(NamedTuple):
    """The points that an experiment has tried, on the way to its choice.

    Attributes:
        experiment: Name of the experiment.
        metric: Name of the metric; larger is better.
        by: Fields of a row that name the tuned model.
    """

    experiment: str
    metric: str
    by: tuple[str, ...] = ("dataset", "method")

    def scores(self, name: Any, options: runner.Options) -> dict[Point, float]:
        """Returns mean scores by point, from the rows that this run writes, else committed ones.

        Args:
            name: Name of the tuned model.
            options: Options of the run.

        Returns:
            Means over seeds; empty if the model has no rows.
        """
        for path in (options.out, runner.results_file(self.experiment)):
            if path is not None and path.exists():
                scores = _scores_from(path, path.stat().st_mtime_ns, self)
                if name in scores:
                    return scores[name]
        return {}


@functools.lru_cache(maxsize=8)
def _scores_from(path: Path, _: int, search: Search) -> dict[Any, dict[Point, float]]:
    """Reads the rows again only if the file has changed."""
    rows = [
        row
        for row in result_rows.read_rows(path)
        if row["experiment"] == search.experiment and search.metric in row["metrics"]
    ]
    return {
        name: {
            point: float(np.mean(values))
            for variant, values in own.items()
            if (point := parse(variant)) is not None
        }
        for name, own in _values(rows, search.metric, search.by).items()
    }


class Chosen(NamedTuple):
    """The choice of the tuning part of an experiment.

    Attributes:
        experiment: Name of the experiment.
        metric: Name of the metric; larger is better.
        grid: Points of the grid.
        by: Fields of a row that name the tuned model.
        compared: Mixers of the experiment.
    """

    experiment: str
    metric: str
    grid: tuple[Point, ...] = GRID
    by: tuple[str, ...] = ("method",)
    compared: tuple[str, ...] = runner.MIXERS

    def of(self, name: Any, options: runner.Options) -> Point:
        """Returns the best point, from the rows that this run writes, else from the committed ones.

        Args:
            name: Name of the tuned model; a tuple if there are several fields.
            options: Options of the run.

        Returns:
            The point; the default one if part of the grid is missing, as in a quick look at a new
            experiment.
        """
        for path in (options.out, runner.results_file(self.experiment)):
            if path is not None and path.exists():
                points = _choose_from(path, path.stat().st_mtime_ns, self)
                if name in points:
                    return points[name]
        return Point()


@functools.lru_cache(maxsize=8)
def _choose_from(path: Path, _: int, chosen: Chosen) -> dict[Any, Point]:
    """Reads the rows again only if the file has changed."""
    rows = (row for row in result_rows.read_rows(path) if row["experiment"] == chosen.experiment)
    return choose(rows, chosen.metric, grid=chosen.grid, by=chosen.by)


def parts(
    chosen: Chosen, trial: Callable[..., runner.Trial], *task: Any
) -> dict[str, Callable[[runner.Options], list[runner.Trial]]]:
    """Returns the parts of an experiment that tune it, by name.

    "tuning" trains every mixer at every point of the grid, on a dataset of its own. "dynamics"
    trains S4 and S4D at their chosen points with the same learning rate for all parameters.

    Args:
        chosen: Choice of the grid.
        trial: Function that builds a trial: `trial(mixer, *task, options, **overrides)`, where the
            overrides are arguments of `protocol.trial`.
        *task: Arguments of `trial` that name the dataset to tune on.

    Returns:
        Functions that return the trials of a part.
    """

    def grid(options: runner.Options) -> list[runner.Trial]:
        return [
            trial(mixer, *task, options, **on_grid(point))
            for mixer, point in itertools.product(options.contenders(chosen.compared), chosen.grid)
        ]

    def dynamics(options: runner.Options) -> list[runner.Trial]:
        return ablate_state_space_rate(grid(options), chosen, options)

    return {"tuning": grid, "dynamics": dynamics}


def ablate(trial: runner.Trial, rates: Sequence[Point] = RATES) -> list[runner.Trial]:
    """Returns a trial with one change at a time.

    Args:
        trial: Trial around a mixer, at the chosen point.
        rates: Learning rates to try.

    Returns:
        A trial for each change.
    """
    assert isinstance(trial.settings, decision_transformer.Settings)
    return [
        dataclasses.replace(
            trial, settings=settings, variant=", ".join(filter(None, (trial.variant, name)))
        )
        for name, settings in _changes(trial.settings, rates)
    ]


def ablate_state_space_rate(
    grid: Iterable[runner.Trial], chosen: Chosen, options: runner.Options
) -> list[runner.Trial]:
    """Returns S4 and S4D at their chosen points, with the same learning rate for all parameters.

    The grid leaves that rate alone. These trials show, on data without reported results, whether it
    should have been tuned.

    Args:
        grid: Trials of the grid.
        chosen: Choice of the grid.
        options: Options of the run.

    Returns:
        A trial for each mixer.
    """
    best = [
        trial
        for trial in grid
        if trial.method in STATE_SPACES
        and trial.variant == chosen.of(trial.method, options).variant
    ]
    changed = [other for trial in best for other in ablate(trial, rates=())]
    return [trial for trial in changed if trial.variant.endswith(AS_FAST)]


def _changes(
    settings: decision_transformer.Settings, rates: Sequence[Point]
) -> Iterable[tuple[str, decision_transformer.Settings]]:
    """Yields names of changes, and the changed settings."""
    model, optimization = settings.model, settings.optimization
    point = Point(optimization.learning_rate, model.dropout)
    for other in rates:
        if other.rate != point.rate:
            yield other.rate_name, point._replace(rate=other.rate).of(settings)
    dropout = 0.0 if point.dropout else min(each.dropout for each in GRID if each.dropout)
    yield f"dropout {dropout:g}", point._replace(dropout=dropout).of(settings)
    is_state_space = methods.METHODS[model.mixer.name].is_state_space
    if is_state_space and optimization.state_space_learning_rate < point.rate:
        as_fast = dataclasses.replace(optimization, state_space_learning_rate=point.rate)
        yield AS_FAST, dataclasses.replace(settings, optimization=as_fast)
    if other := OTHER_INITIALIZATION.get(model.mixer.name):
        mixer = dataclasses.replace(model.mixer, initialization=other.lower())
        yield (
            f"initialization {other}",
            dataclasses.replace(settings, model=dataclasses.replace(model, mixer=mixer)),
        )
