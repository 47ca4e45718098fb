"""What the report must know of an experiment: a dozen lines each, in `catalog` and `methods`."""

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.reporting import blocks, lines
from jax_s4rl.evaluation import result_rows

FOLDER = Path(__file__).parents[1] / "results"
GREEDY, SAMPLED = "greedy", "sampled"
SHARE = "%"
# Methods of reference lines.
RANDOM, OPTIMAL = "random", "optimal"
# What the end of a variant is called where one thing was changed (`experiments.ablations`).
ABLATIONS = ("learning rate*", "dropout*", "state space*", "born as*")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number of a result line; lines hold it once for each way of choosing actions."""

    name: str
    """In the lines, without "_greedy" or "_sampled"."""
    label: str
    """For people."""
    unit: str = ""
    """"%" for shares, which are shown as percents."""
    larger_is_better: bool = True
    """Whether more is better."""
    has_interval: bool = False
    """Whether tables show its interval; that of the score they always show."""
    kinds: tuple[str, ...] = (GREEDY, SAMPLED)
    """Ways of choosing actions that the lines tell apart; none if the number is not about acting."""

    @property
    def keys(self) -> dict[str, str]:
        """Names in the lines, by what stands above their column."""
        if not self.kinds:
            return {self.label: self.name}
        return {f"{self.label}, {kind}": f"{self.name}_{kind}" for kind in self.kinds}

    def key(self, kind: str) -> str:
        """Its name in the lines for one way of choosing actions."""
        return f"{self.name}_{kind}" if self.kinds else self.name

    @property
    def factor(self) -> float:
        """What values are multiplied with so that more is better."""
        return 1.0 if self.larger_is_better else -1.0


RETURN = Metric("return", "return")


@dataclasses.dataclass(frozen=True)
class Axis:
    """A number of each run that scores are drawn against, for instance the length of an episode."""

    label: str
    """Under the axis."""
    value: Callable[[lines.Row], float | None]
    """Of a run; None leaves the run out of the picture."""
    closed_form: str = ""
    """Metric that says what perfect knowledge gives with actions sampled, drawn beside the runs."""


@dataclasses.dataclass(frozen=True)
class Description:
    """An experiment."""

    name: str
    """Of its script and of its lines."""
    title: str
    """Its headline."""
    question: str
    """What it asks, in a sentence or two."""
    metrics: tuple[Metric, ...]
    """The first is the score that claims are judged by, the others stand beside it."""
    deviations: tuple[str, ...] = ()
    """From the source, and why."""
    judged_by: str = GREEDY
    """The way of choosing actions that claims are judged by, fixed in advance."""
    continuous: tuple[str, ...] = ()
    """Patterns of data sets from environments whose state is continuous."""
    discrete: tuple[str, ...] = ("*",)
    """Of those whose state is not; a data set is of the first kind if both fit."""
    decides: bool = True
    """Whether a claim rests on it."""
    is_environment: bool = True
    """Whether mixers are compared on an environment, or on another question."""
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Names of groups of data sets by pattern, each compared as one; other data sets stand alone."""
    main_variants: tuple[str, ...] = ("",)
    """Variants of the baseline to which clones and Q-networks are compared: the first that there is on their data."""
    normalizes: bool = False
    """Whether its tables show the score on the scale from random play to the optimum, too."""
    aside: tuple[str, ...] = ()
    """Patterns of variants that stand in the tables and count for no claim."""
    ablations: tuple[str, ...] = ()
    """Patterns of what else may be named at the end of a variant: one change, to see what a difference comes from. It
    counts for no claim."""
    axis: Axis | None = None
    """Draws scores against a number."""
    sweeps: bool = False
    """Draws achieved returns against those asked for: metrics "asked", "supported" and "achieved_...", all lists."""
    prepare: Callable[[lines.Row], lines.Row] = dict
    """Turns a line into one with a seed and flat metrics, where its script writes others."""
    more: Callable[["Description", lines.Lines], Sequence[blocks.Block]] | None = None
    """Further blocks of its section."""

    @property
    def main_variant(self) -> str:
        """The first of the main variants."""
        return self.main_variants[0]

    @property
    def score(self) -> str:
        """Name in the lines of what claims are judged by."""
        return self.metrics[0].key(self.judged_by)

    @property
    def other_score(self) -> str | None:
        """The score with actions chosen the other way; None where lines do not tell ways apart."""
        kinds = [kind for kind in self.metrics[0].kinds if kind != self.judged_by]
        return self.metrics[0].key(kinds[0]) if kinds else None

    @property
    def command(self) -> str:
        """Runs the experiment."""
        return f"python -m experiments.{self.name}"

    def path(self, folder: Path = FOLDER) -> Path:
        """Of its lines."""
        return folder / f"{self.name}.jsonl"

    def read(self, folder: Path = FOLDER) -> lines.Lines:
        """Its lines, sorted."""
        return lines.sort(self.prepare(row) for row in result_rows.read_rows(self.path(folder)))

    def group(self, dataset: str | None) -> str:
        """Name of the group that a data set belongs to: by the first pattern that fits, else its own."""
        name = dataset or ""
        fitting = (label for pattern, label in self.groups.items() if fnmatch.fnmatchcase(name, pattern))
        return next(fitting, self.short(name))

    def short(self, dataset: str) -> str:
        """Name of a data set, without that of the experiment."""
        return dataset.removeprefix(f"{self.name}/")

    def is_continuous(self, dataset: str) -> bool:
        """Whether a data set is from an environment whose state is continuous."""
        return _fits(dataset, self.continuous)

    @property
    def kinds_of_state(self) -> set[bool]:
        """Which kinds it has: continuous ones, others, or both."""
        return {kind for kind, patterns in ((True, self.continuous), (False, self.discrete)) if patterns}

    def counts(self, variant: str) -> bool:
        """Whether claims may rest on a variant."""
        return not self.split(variant)[1] and not _fits(variant, self.aside)

    def is_aside(self, variant: str) -> bool:
        """Whether a variant is built otherwise than what claims rest on."""
        return _fits(self.split(variant)[0], self.aside)

    def split(self, variant: str) -> tuple[str, str]:
        """A variant, and the change to it that its end names; without one, the change is empty."""
        rest, _, last = variant.rpartition(", ")
        return (rest, last) if _fits(last, self.ablations) else (variant, "")

    def bounds(self, found: lines.Lines, dataset: str) -> tuple[float, float] | None:
        """Score of random play and of the optimum on a data set; None where no line tells."""
        known: dict[str, float] = {}
        for row in found.references:
            if row["dataset"] == dataset and (value := self.reference(row)) is not None:
                known[row["method"]] = value
        return (known[RANDOM], known[OPTIMAL]) if {RANDOM, OPTIMAL} <= known.keys() else None

    def reference(self, row: lines.Row) -> float | None:
        """The score in a reference line, which may not tell ways of choosing actions apart."""
        metrics = row["metrics"]
        return metrics.get(self.score, metrics.get(self.metrics[0].name))


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
