"""What an experiment is to the report, and all of them in the order of the report.

Questions and deviations from the sources are in `templates/NAME.md`.
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.report import document, load
from experiments.report.load import GREEDY, SAMPLED
from jax_s4rl.evaluation import documents

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


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment: how its rows are read and compared, and the rows once they are read.

    Attributes:
        name: Name of its script and of its rows.
        title: Headline.
        metrics: The first is the score that claims are judged by, the others stand beside it.
        judged_by: Way of choosing actions that claims are judged by, fixed in advance.
        package: Package of its script.
        continuous: Patterns of data sets from environments of continuous state; "*" if all are.
        decides: Whether a claim rests on it.
        is_environment: Whether mixers are compared on an environment, or on another question.
        patterns: Names of groups of data sets by pattern, each compared as one; others stand alone.
        main_variants: Variants of attention that clones and Q-networks are compared with: the
            first on their data.
        normalizes: Whether tables show the score on the scale from random play to the optimum, too.
        aside: Patterns of variants that are shown and count for no claim.
        ablations: Patterns of the end of a variant that names one change; it counts for no claim.
        axis: Label and name in the rows of a number that scores are drawn against.
        closed_form: Metric of the score of perfect knowledge with sampled actions.
        sweeps: Whether achieved returns are drawn against target returns.
        prepare: Returns what the report shows of a row: with the metrics that it computes.
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
    decides: bool = True
    is_environment: bool = True
    patterns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    main_variants: tuple[str, ...] = ("",)
    normalizes: bool = False
    aside: tuple[str, ...] = ()
    ablations: tuple[str, ...] = ABLATIONS
    axis: tuple[str, str] | None = None
    closed_form: str = ""
    sweeps: bool = False
    prepare: Callable[[load.Row], load.Row] = dict
    episodes: str = f"{load.EPISODES} episodes"
    rows: load.Rows = dataclasses.field(default_factory=lambda: load.sort([]))
    groups: list[load.Group] = dataclasses.field(default_factory=list)

    def read(self, folder: Path = FOLDER) -> "Experiment":
        """Returns the experiment with its rows."""
        return self.holding(documents.read_rows(folder / f"{self.name}.jsonl"))

    def holding(self, rows: Iterable[load.Row]) -> "Experiment":
        """Returns the experiment with some rows."""
        sorted_rows = load.sort(map(self.prepare, rows))
        groups = load.group(sorted_rows.scored, self.group_name)
        return dataclasses.replace(self, rows=sorted_rows, groups=groups)

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


RETURN = Metric("return", "return")
TENTH = Metric("return_tenth", "return for the target of the best tenth")
FOLLOWS = (
    Metric("rank_correlation", "rank correlation of target and mean return, supported targets"),
    Metric("slope", "slope of mean return on target, supported targets"),
)
CONTROL = (RETURN, TENTH, *FOLLOWS)
# Rules that choose a checkpoint, by label, and what they are called in the rows.
CHECKPOINT_RULES = {
    "lowest loss": "lowest_loss",
    "tried out": "tried_out",
    "maximum (no score)": "maximum",
}

RANDOM_WALK = Experiment(
    name="random_walk",
    title="Random walk",
    metrics=(
        Metric("optimal_share", "optimal paths", SHARE),
        Metric("stitch_rate", "optimal where only joining gets there", SHARE, has_interval=True),
        Metric("novel", "paths not in the data", SHARE),
        Metric("beats_data", "sooner than any walk", SHARE),
        Metric("success", "arrived", SHARE),
        Metric("stitched", "novel and of recorded edges", SHARE),
        Metric("gap", "steps above the shortest", larger_is_better=False),
        Metric("spl", "success weighted by path length", SHARE),
        Metric("optimal_share_best", "optimal, target: best recorded return", SHARE),
        RETURN,
    ),
    judged_by=SAMPLED,
    patterns={
        f"random_walk/*{kind}": f"{kind}, all graphs"
        for kind in ("random-1000", "random-100", "nosuffix-1000")
    },
    aside=("*one step*",),
    ablations=("time embedding", "no time embedding"),
)

UMBRELLA = Experiment(
    name="umbrella",
    title="Umbrella length",
    metrics=(
        Metric("first_action", "right first actions", SHARE),
        Metric("learned", "learned of what returns reveal", SHARE, kinds=()),
        Metric("regret", "regret", larger_is_better=False),
        RETURN,
        Metric(
            "rank_correlation",
            "rank correlation of target return and right first actions, supported targets",
        ),
    ),
    patterns={"umbrella_length/*/random": "all lengths, random data"},
    aside=("first step only",),
    axis=("length of the chain", "length"),
    closed_form="first_action_closed_form",
    prepare=load.of_umbrella,
)

MEMORY = Experiment(
    name="memory",
    title="Memory",
    metrics=(
        RETURN,
        Metric("correct", "right answers", SHARE),
        Metric("return_carried", "return, memory carried"),
        Metric("correct_carried", "right answers, memory carried", SHARE),
    ),
    judged_by=SAMPLED,
    continuous=("masked_cartpole/*",),
    main_variants=("whole episodes", "context 32"),
    normalizes=True,
    patterns={
        "memory_len/9/random": "a bit, 10 steps",
        "memory_len/17/random": "a bit, 50 steps",
        "memory_len/22/random": "a bit, 100 steps",
        "masked_cartpole/mixed": "CartPole without velocities",
    },
    axis=("steps to remember", "length"),
    episodes="125 episodes (25 on CartPole)",
)

KEY_DOOR = Experiment(
    name="key_door",
    title="Key and door",
    metrics=(
        RETURN,
        TENTH,
        Metric("key", "took the key", SHARE),
        Metric("second_room", "reached the apples", SHARE),
        Metric("apples", "apples"),
        Metric("success", "reached the third room", SHARE),
        Metric("steps_to_key", "steps to the key", larger_is_better=False),
        Metric("copied", "copies of a recorded episode", SHARE),
        Metric("key_lift", "key lift"),
        *FOLLOWS,
    ),
    judged_by=SAMPLED,
    normalizes=True,
    prepare=load.with_control,
    sweeps=True,
    episodes="50 episodes",
)

KEY_TO_DOOR = Experiment(
    name="key_to_door",
    title="Key-to-door",
    metrics=(
        Metric("success", "success", SHARE),
        Metric("key", "took the key", SHARE),
        Metric("door", "at the door", SHARE),
        Metric("door_given_key", "door, given the key", SHARE),
        Metric("target_0", "success, target return 0", SHARE),
        Metric("wrong_key", "success, wrong key shown", SHARE),
        Metric("successes_in_data", "successes in data", kinds=()),
        Metric("key_cells_in_data", "key cells in them", kinds=()),
        RETURN,
        Metric("apples", "apples"),
        Metric("key_lift", "key lift (target: best return, and 0)"),
    ),
    judged_by=SAMPLED,
    main_variants=("balanced batches",),
    aside=("tested with longer waits*", "critic"),
    prepare=load.of_key_to_door,
)

CARTPOLE = Experiment(
    name="cartpole",
    title="CartPole",
    metrics=CONTROL,
    judged_by=SAMPLED,
    continuous=("*",),
    normalizes=True,
    prepare=load.with_control,
    sweeps=True,
    episodes="50 episodes",
)

PENDULUM = Experiment(
    name="pendulum",
    title="Pendulum",
    metrics=tuple(metric._replace(kinds=(GREEDY,)) for metric in CONTROL),
    continuous=("*",),
    normalizes=True,
    prepare=load.with_control,
    sweeps=True,
    episodes="50 episodes",
)

TOKENS = Experiment(
    name="tokens",
    title="One token or three",
    metrics=(
        RETURN,
        Metric("updates_per_second", "updates a second", kinds=()),
        Metric("milliseconds_per_call", "ms a step of acting", kinds=()),
    ),
    judged_by=SAMPLED,
    is_environment=False,
    sweeps=True,
    episodes="62 episodes",
)

CHECKPOINTS = Experiment(
    name="checkpoints",
    title="Last and best checkpoint",
    metrics=(
        RETURN,
        *(Metric(name, f"checkpoint: {rule}") for rule, name in CHECKPOINT_RULES.items()),
    ),
    judged_by=SAMPLED,
    decides=False,
    is_environment=False,
    ablations=(),
)

SPEED_PER_TASK = Experiment(
    name="speed_per_task",
    title="Speed of every task",
    metrics=(
        *(
            Metric(name, f"ms {label}", larger_is_better=False, kinds=())
            for name, label in {
                "update_median": "an update",
                "act_1_median": "an action, 1 at once",
                "act_64_median": "an action, 64 at once",
                "environment_median": "a step of the environment",
            }.items()
        ),
        Metric("train_seconds", "s a training", kinds=()),
    ),
    is_environment=False,
    prepare=load.in_milliseconds,
    ablations=(),
    package="benchmarks",
)

ENVIRONMENTS = (RANDOM_WALK, UMBRELLA, MEMORY, KEY_DOOR, KEY_TO_DOOR, CARTPOLE, PENDULUM)
ALL = (*ENVIRONMENTS, TOKENS, CHECKPOINTS, SPEED_PER_TASK)


def read(folder: Path = FOLDER) -> dict[str, Experiment]:
    """Returns all experiments with their rows, by name."""
    return {experiment.name: experiment.read(folder) for experiment in ALL}
