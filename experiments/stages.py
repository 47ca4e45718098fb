"""A search for settings in stages: the rows of one choose the trials of the next.

- `tuning`: the first points of every model, on data that no result is reported on;
- `edges`, `edges-2`: while the best rate is the highest or the lowest of those tried, the next one
  outward (`tuning.extend`);
- `axes`: the best rate with one change at a time, for instance another range of initial steps;
- `updates`, `updates-2`: the best point with two and four times the updates.

All models of a search get the least number of updates whose double gains none of them more than
2 % of the way from random play to the optimum (`tuning.enough_updates`); the largest one tried if
there is none. What a search has left open enters the rows of its results: whether the best rate
still lies on the edge ("rate_at_edge"), and whether the curve was still rising ("still_rising").
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from experiments import runner, step_ranges, tuning
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers

TUNING, EDGES, AXES, UPDATES = runner.TUNING, ("edges", "edges-2"), "axes", ("updates", "updates-2")
# Multiples of the first number of updates.
DOUBLINGS = (2, 4)
# Mixers whose initial steps have a range, and ranges besides the default, which follows contexts.
STATE_SPACES = ("s4", "s4d")
RANGES = (step_ranges.FIXED, "1/L to 1")

Model = tuple[str, str]
"""Dataset and mixer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """The search for the settings of models that are compared with each other."""

    rows: tuning.Search
    """Reads the points that were tried, by dataset and mixer."""
    models: Sequence[Model]
    """The models, which get the same number of updates."""
    grid: Sequence[tuning.Point]
    """The first points; the first of them holds without rows."""
    updates: int
    """Gradient steps of the first points."""
    trial: Callable[..., runner.Trial]
    """Builds a trial of a model: `trial(model, **tuning.on_grid(point))`."""
    scale: Callable[[], float]
    """Returns the distance from random play to the optimum, in the unit of the score."""
    options: runner.Options
    """Options of the run."""
    dropouts: Sequence[float] = ()
    """Shares of dropped features that are tried at the best rate."""

    def scores(self, model: Model) -> dict[tuning.Point, float]:
        """Returns the mean scores of a model by point."""
        return self.rows.scores(model, self.options)

    def on_grid(self, model: Model, point: tuning.Point) -> runner.Trial:
        """Returns the trial of a point, on the dataset of the tuning seed."""
        return self.trial(model, **tuning.on_grid(point))

    def first(self) -> list[runner.Trial]:
        """Returns every model at every first point."""
        return [self.on_grid(model, point) for model in self.models for point in self.grid]

    def edges(self) -> list[runner.Trial]:
        """Returns the next rates outward of the models whose best rate lies on the edge."""
        return [
            self.on_grid(model, point) for model in self.models for point in self._outward(model)
        ]

    def _outward(self, model: Model) -> list[tuning.Point]:
        """Returns the next rates outward; none without rows."""
        tried = {
            point: score
            for point, score in self.scores(model).items()
            # What other stages tried must not change the trials of this one.
            if any(point == first._replace(rate=point.rate) for first in self.grid)
        }
        return tuning.extend(tried) if tried else []

    def axes(self) -> list[runner.Trial]:
        """Returns the best rate of every model with other dropout and other ranges of steps."""
        found = []
        for model in self.models:
            plain = self.grid[0]._replace(rate=self.best(model).rate)
            points = [plain._replace(dropout=dropout) for dropout in self.dropouts]
            if model[1] in STATE_SPACES:
                points += [plain._replace(steps=steps) for steps in RANGES]
            found += [self.on_grid(model, point) for point in points]
        return found

    def doubled(self, factor: int) -> list[runner.Trial]:
        """Returns the best point of every model with a multiple of the updates.

        It has none if half as many updates, of which the double was tried, are enough.
        """
        number = factor * self.updates
        if self.enough() < number // 2:
            return []
        return [
            self.on_grid(model, self.best(model)._replace(updates=number)) for model in self.models
        ]

    def best(self, model: Model) -> tuning.Point:
        """Returns the best point with the first number of updates."""
        own = {point: score for point, score in self.scores(model).items() if not point.updates}
        return max(own, key=lambda point: own[point]) if own else self.grid[0]

    def curve(self, model: Model) -> dict[int, float]:
        """Returns the score of the best point of a model, by number of updates."""
        best, own = self.best(model), self.scores(model)
        points = {self.updates: best} | {
            factor * self.updates: best._replace(updates=factor * self.updates)
            for factor in DOUBLINGS
        }
        return {number: own[point] for number, point in points.items() if point in own}

    def enough(self) -> int:
        """Returns the number of updates that all models get."""
        curves = [self.curve(model) for model in self.models]
        found = tuning.enough_updates(curves, self.scale()) if curves and all(curves) else None
        if found is not None:
            return found
        tried = set.intersection(*map(set, curves)) if curves else set()
        return max(tried, default=self.updates)

    def chosen(self, model: Model) -> tuning.Point:
        """Returns the best point of a model, with the updates that all get."""
        best, number = self.best(model), self.enough()
        return best if number == self.updates else best._replace(updates=number)

    def left_open(self, model: Model, number: int) -> dict[str, bool]:
        """Returns what the search for a model has left open; nothing that was not tried.

        Args:
            model: The model.
            number: Updates of its results.

        Returns:
            "rate_at_edge", and if updates were doubled "still_rising": whether the last doubling
            up to twice the updates of the results gained more than a flat curve does.
        """
        if not self.scores(model):
            return {}
        found = {"rate_at_edge": bool(self._outward(model))}
        curve = self.curve(model)
        last = 2 * number if 2 * number in curve else number
        if last // 2 in curve and last in curve:
            gain = curve[last] - curve[last // 2]
            found["still_rising"] = gain > tuning.FLAT * self.scale()
        return found

    def tuned(self, model: Model) -> dict[str, Any]:
        """Returns what the results of a model have from the search, for `protocol.trial`."""
        notes = self.left_open(model, self.enough())
        return {"point": self.chosen(model), "notes": tuple(notes.items())}


def parts(
    names: Sequence[str],
    search: Callable[[str, runner.Options], Search],
    results: Callable[[str, runner.Options], list[runner.Trial]],
) -> dict[str, Callable[[runner.Options], list[runner.Trial]]]:
    """Returns the stages of every task and its results, by name of the part, in their order.

    Args:
        names: Names of the tasks.
        search: Returns the search of a task.
        results: Returns the trials of the results of a task.
    """
    stages: dict[str, Callable[[Search], list[runner.Trial]]] = {TUNING: Search.first}
    for stage in EDGES:
        stages[stage] = Search.edges
    stages[AXES] = Search.axes
    for stage, factor in zip(UPDATES, DOUBLINGS, strict=True):
        stages[stage] = functools.partial(Search.doubled, factor=factor)

    def of_stage(
        stage: Callable[[Search], list[runner.Trial]], name: str, options: runner.Options
    ) -> list[runner.Trial]:
        return stage(search(name, options))

    found: dict[str, Callable[[runner.Options], list[runner.Trial]]] = {}
    for name in names:
        for stage, trials in stages.items():
            found[f"{name}-{stage}"] = functools.partial(of_stage, trials, name)
        found[name] = functools.partial(results, name)
    return found


def task_of(part: str) -> str:
    """Returns the name of the task that a part belongs to."""
    return part.partition("-")[0]


def most_seeds(names: Sequence[str], number: int) -> dict[str, int]:
    """Returns the training seeds of all stages, by part.

    Args:
        names: Names of the tasks.
        number: Seeds of each tried point.
    """
    stages = (TUNING, *EDGES, AXES, *UPDATES)
    return {f"{name}-{stage}": number for name in names for stage in stages}


def mixer_at(mixer: str, point: tuning.Point, model: configs.ModelConfig) -> mixers.MixerConfig:
    """Returns a mixer with the range of initial steps of a point.

    Args:
        mixer: Name of the mixer.
        point: The point.
        model: Model around attention, whose tokens the range follows.
    """
    steps = None
    if point.steps:
        steps = step_ranges.RANGES[point.steps](model.context_length * model.tokens_per_step)
    return mixers.MixerConfig(mixer, step_range=steps)
