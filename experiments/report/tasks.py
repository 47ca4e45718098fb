"""What a task and a question are to the report."""

import dataclasses
import fnmatch
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from experiments.report import load
from experiments.report.load import GREEDY, SAMPLED
from experiments.twins import Pair

BOTH = (GREEDY, SAMPLED)
# Unit of scores that are shares.
SHARE = "%"


class Point(NamedTuple):
    """A column of a task's table.

    Attributes:
        title: Head of the column.
        data: Patterns of the names of its data sets.
        variant: Variant of the compared mixers.
        context: Steps that these saw in training; None for any number.
    """

    title: str
    data: Sequence[str]
    variant: str = ""
    context: int | None = None


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a verdict counts once; several points are points of one curve.

    Attributes:
        title: Name within the task.
        points: The points.
        is_continuous: Whether the state of the environment is continuous.
        is_shown: Whether the table of the task has its points.
        hides: Whether observations hide what the best action depends on, so that a memory can pay.
        replaced_by: Name of a task that has the same data, better tuned; once it has enough runs,
            this setting counts for nothing.
    """

    title: str
    points: Sequence[Point]
    is_continuous: bool = False
    is_shown: bool = True
    hides: bool = False
    replaced_by: str = ""


class Bar(NamedTuple):
    """What a system has to reach, written down before its runs.

    Attributes:
        text: It in words.
        points: Titles of the points; it has to be reached at each of them.
        methods: Names of the methods whose runs count.
        is_met: Function of the values of the runs of each method.
        metric: Metric that counts; the score if it is empty.
    """

    text: str
    points: Sequence[str]
    methods: Sequence[str]
    is_met: Callable[[Sequence[Sequence[float]]], bool]
    metric: str = ""


@dataclasses.dataclass(frozen=True)
class Task:
    """A task on which methods are compared.

    Attributes:
        name: Name of its template.
        file: Name of its file of rows and of its script.
        title: Headline.
        score: Metric that mixers are compared by, without "_greedy" or "_sampled".
        label: The score in words.
        settings: What is compared.
        unit: "%" for shares, which are shown as percents.
        judged_by: Way of choosing actions that was fixed in advance.
        kinds: Ways of choosing actions that the rows have.
        floor: Method of the reference row that is 0 on the common scale, or its score.
        ceiling: Method of the reference row that is 1 on the common scale, or its score.
        axis: Label and metric of the number that scores are drawn against, if any.
        is_judged: Whether claims on all environments count its settings.
        group: Kind of models, as a part of claims: those of one kind are judged together.
        prepare: Returns the rows that the report reads instead of one of the file.
        further: Metrics of a second table of its page, by their heads; none for no table.
        spreads: Metrics of a table that shows the least and the most of the runs, by their heads;
            an infinite one was never reached.
        twins: By head, data of which a table shows what hiding costs and what a memory gains.
        bars: What it has to reach. The result is told at the last point of the first one, without
            bars at the last point of all.
        rows: Its rows; none before they are read.
    """

    name: str
    file: str
    title: str
    score: str
    label: str
    settings: Sequence[Setting]
    unit: str = ""
    judged_by: str = SAMPLED
    kinds: Sequence[str] = BOTH
    floor: str | float = "random"
    ceiling: str | float = "optimal"
    axis: tuple[str, str] | None = None
    is_judged: bool = True
    group: str = ""
    prepare: Callable[[load.Row], list[load.Row]] = lambda row: [row]
    further: Mapping[str, str] = dataclasses.field(default_factory=dict)
    spreads: Mapping[str, str] = dataclasses.field(default_factory=dict)
    twins: Mapping[str, Pair] = dataclasses.field(default_factory=dict)
    bars: Sequence[Bar] = ()
    rows: load.Rows = dataclasses.field(default_factory=lambda: load.sort([]))

    @property
    def points(self) -> list[Point]:
        """All points."""
        return [point for setting in self.settings for point in setting.points]

    @property
    def command(self) -> str:
        """Command that runs the experiment."""
        return f"python -m experiments.{self.file}"

    def key(self, kind: str) -> str:
        """Returns the name of the score in the rows for one way of choosing actions."""
        return f"{self.score}_{kind}"

    def kind_of(self, strata: Mapping[str, Sequence[load.Row]]) -> str:
        """Returns how some runs choose actions to be judged: as the task says, if they can."""
        keys = {name for rows in strata.values() for row in rows for name in row["metrics"]}
        kinds = (self.judged_by, *self.kinds)
        return next((kind for kind in kinds if self.key(kind) in keys), self.judged_by)

    def holding(self, rows: Iterable[load.Row]) -> "Task":
        """Returns the task with some rows."""
        every = itertools.chain.from_iterable(map(self.prepare, rows))
        return dataclasses.replace(self, rows=load.sort(every))

    def reference(self, method: str, dataset: str, kind: str) -> float | None:
        """Returns the score of a method without training, which may be one for both kinds."""
        for row in reversed(self.rows.references):
            if (row["method"], row["dataset"]) == (method, dataset):
                score = row["metrics"].get(self.key(kind), row["metrics"].get(self.score))
                if score is not None:
                    return score
        return None

    def scale(self, dataset: str, kind: str) -> tuple[float, float] | None:
        """Returns the scores of floor and ceiling on a data set; None if they are not known."""
        low, high = (
            self.reference(end, dataset, kind) if isinstance(end, str) else end
            for end in (self.floor, self.ceiling)
        )
        return None if low is None or high is None or low == high else (low, high)


def fits(name: str | None, patterns: Sequence[str]) -> bool:
    """Returns whether a name matches one of some patterns."""
    return any(fnmatch.fnmatchcase(name or "", pattern) for pattern in patterns)


class Side(NamedTuple):
    """One side of a question.

    Attributes:
        title: Name for readers.
        variant: Pattern of the variants of its runs.
        metric: Its metric, without the way of choosing actions; `{score}` is that of the task.
    """

    title: str
    variant: str
    metric: str = "{score}"


@dataclasses.dataclass(frozen=True)
class Question:
    """A question about one choice: the same methods with it and without.

    Attributes:
        name: Name of its part in `templates/questions.md`.
        title: The choice in words.
        file: Name of the file of rows.
        tasks: Task whose score counts, by a pattern of data sets.
        first: The choice.
        second: What it is compared with.
    """

    name: str
    title: str
    file: str
    tasks: Mapping[str, Task]
    first: Side
    second: Side

    def holding(self, rows: Mapping[str, Sequence[load.Row]]) -> "Question":
        """Returns the question with its rows, and the reference rows of its tasks."""
        held = {}
        for pattern, task in self.tasks.items():
            references = [row for row in rows.get(task.file, ()) if row["seed"] is None]
            held[pattern] = task.holding([*references, *rows.get(self.file, ())])
        return dataclasses.replace(self, tasks=held)
