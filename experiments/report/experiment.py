"""Description of an experiment: how its rows are read, named and compared."""

import dataclasses
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.report import document, load
from experiments.report.load import GREEDY, SAMPLED
from jax_s4rl.evaluation import result_rows

FOLDER = Path(__file__).parents[1] / "results"
SHARE = "%"
# Methods of reference rows.
RANDOM, OPTIMAL = "random", "optimal"
# Ends of variants in which one thing was changed.
ABLATIONS = ("learning rate*", "dropout*", load.SAME_RATE, "initialization*")


class Metric(NamedTuple):
    """A number of a result row; rows hold it once for each way of choosing actions.

    Attributes:
        name: Name in the rows, without "_greedy" or "_sampled".
        label: Name for readers.
        unit: "%" for shares, which are shown as percents.
        larger_is_better: Whether more is better.
        has_interval: Whether tables show its interval; they always show that of the score.
        kinds: Ways of choosing actions that rows distinguish; none if it is not about acting.
    """

    name: str
    label: str
    unit: str = ""
    larger_is_better: bool = True
    has_interval: bool = False
    kinds: tuple[str, ...] = (GREEDY, SAMPLED)

    @property
    def keys(self) -> dict[str, str]:
        """Names in the rows, by the heads of their columns."""
        if not self.kinds:
            return {self.label + self.in_unit: self.name}
        return {f"{self.label}, {kind}{self.in_unit}": self.key(kind) for kind in self.kinds}

    @property
    def in_unit(self) -> str:
        """End of the head of a column."""
        return f", {self.unit}" if self.unit else ""

    @property
    def factor(self) -> float:
        """Factor of values that makes more better."""
        return 1.0 if self.larger_is_better else -1.0

    def key(self, kind: str) -> str:
        """Returns the name in the rows for one way of choosing actions."""
        return f"{self.name}_{kind}" if self.kinds else self.name


class Axis(NamedTuple):
    """A number of each run that scores are drawn against.

    Attributes:
        label: Label of the axis.
        metric: Name of the number in the rows; runs without it are not drawn.
        closed_form: Metric of the score of perfect knowledge with sampled actions.
    """

    label: str
    metric: str
    closed_form: str = ""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment: how its rows are read and compared, and the rows once they are read.

    Attributes:
        name: Name of its script and of its rows.
        title: Headline.
        metrics: The first is the score that claims are judged by, the others stand beside it.
        judged_by: Way of choosing actions that claims are judged by, fixed in advance.
        package: Package of its script.
        continuous: Patterns of data sets from environments of continuous state.
        discrete: Patterns of the other data sets; a data set is continuous if both fit.
        decides: Whether a claim rests on it.
        is_environment: Whether mixers are compared on an environment, or on another question.
        patterns: Names of groups of data sets by pattern, each compared as one; others stand alone.
        main_variants: Variants of attention that clones and Q-networks are compared with: the
            first on their data.
        normalizes: Whether tables show the score on the scale from random play to the optimum, too.
        aside: Patterns of variants that are shown and count for no claim.
        ablations: Patterns of the end of a variant that names one change; it counts for no claim.
        axis: Number that scores are drawn against.
        sweeps: Whether achieved returns are drawn against target returns.
        prepare: Adds the metrics that the report computes to a row.
        episodes: Evaluation episodes of a run, for each way of choosing actions.
        rows: Its rows; none before they are read.
        groups: Its reported runs.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    judged_by: str = GREEDY
    package: str = "experiments"
    continuous: tuple[str, ...] = ()
    discrete: tuple[str, ...] = ("*",)
    decides: bool = True
    is_environment: bool = True
    patterns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    main_variants: tuple[str, ...] = ("",)
    normalizes: bool = False
    aside: tuple[str, ...] = ()
    ablations: tuple[str, ...] = ABLATIONS
    axis: Axis | None = None
    sweeps: bool = False
    prepare: Callable[[load.Row], load.Row] = dict
    episodes: str = f"{load.EPISODES} episodes"
    rows: load.Rows = dataclasses.field(default_factory=lambda: load.sort([]))
    groups: list[load.Group] = dataclasses.field(default_factory=list)

    def read(self, folder: Path = FOLDER) -> "Experiment":
        """Returns the experiment with its rows."""
        return self.holding(result_rows.read_rows(folder / f"{self.name}.jsonl"))

    def holding(self, rows: Iterable[load.Row]) -> "Experiment":
        """Returns the experiment with some rows."""
        sorted_rows = load.sort(map(self.normalize, rows))
        groups = load.group(sorted_rows.scored, self.group_name)
        return dataclasses.replace(self, rows=sorted_rows, groups=groups)

    def normalize(self, row: load.Row) -> load.Row:
        """Returns what the report shows of a row, whenever it was written."""
        return self.prepare(row)

    @property
    def score(self) -> str:
        """Name in the rows of the score."""
        return self.metrics[0].key(self.judged_by)

    @property
    def other_kind(self) -> str | None:
        """The way of choosing actions that the score does not rest on; None if rows have one."""
        return next((kind for kind in self.metrics[0].kinds if kind != self.judged_by), None)

    @property
    def command(self) -> str:
        """Command that runs the experiment."""
        return f"python -m {self.package}.{self.name}"

    def group_name(self, dataset: str | None) -> str:
        """Returns the group of a data set: by the first pattern that fits, else its own name."""
        name = dataset or ""
        fits = (label for pattern, label in self.patterns.items() if _fits(name, [pattern]))
        return next(fits, self.short(name))

    def short(self, dataset: str) -> str:
        """Returns the name of a data set without that of the experiment."""
        return dataset.removeprefix(f"{self.name}/")

    def setting_name(self, group: load.Group) -> str:
        """Returns data and variant of a group, with what distinguishes it from others of these.

        A group of data sets gives its name to settings of all of them; others name their data sets.
        """
        here = [each for each in self.groups if each.data == group.data]
        whole = {row["dataset"] for each in here for row in each.rows}
        same = [each for each in here if each.setting == group.setting]
        own = sorted({row["dataset"] for each in same for row in each.rows})
        data = "; ".join(map(self.short, own)) if 0 < len(own) < len(whole) else group.data
        more = load.distinguish(self.groups).get(group.setting, "")
        return document.join(data, group.variant, more)

    def is_continuous(self, dataset: str) -> bool:
        """Returns whether a data set is from an environment of continuous state."""
        return _fits(dataset, self.continuous)

    @property
    def kinds_of_state(self) -> set[bool]:
        """Which kinds of state it has: continuous (true), others (false), or both."""
        kinds = ((True, self.continuous), (False, self.discrete))
        return {kind for kind, patterns in kinds if patterns}

    def counts(self, variant: str) -> bool:
        """Returns whether claims may rest on a variant."""
        return not self.split(variant)[1] and not _fits(variant, self.aside)

    def is_aside(self, variant: str) -> bool:
        """Returns whether a variant differs from the main ones in more than one change."""
        return _fits(self.split(variant)[0], self.aside)

    def split(self, variant: str) -> tuple[str, str]:
        """Returns a variant and the change that its end names; the change may be empty."""
        rest, _, last = variant.rpartition(", ")
        return (rest, last) if _fits(last, self.ablations) else (variant, "")

    def bounds(self, dataset: str) -> tuple[float, float] | None:
        """Returns the scores of random play and of the optimum; None if they are not known."""
        own = (row for row in self.rows.references if row["dataset"] == dataset)
        ends = {row["method"]: s for row in own if (s := self.reference(row)) is not None}
        return (ends[RANDOM], ends[OPTIMAL]) if {RANDOM, OPTIMAL} <= ends.keys() else None

    def reference(self, row: load.Row) -> float | None:
        """Returns the score of a reference row, which may not distinguish ways of acting."""
        return row["metrics"].get(self.score, row["metrics"].get(self.metrics[0].name))


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
