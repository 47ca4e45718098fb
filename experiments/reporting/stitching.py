"""Whether decision models find what no single recorded walk shows, beside the best that can be had without joining."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts
from jax_s4rl.evaluation import bootstrap

DATA = "nosuffix"
ONE_STEP = "one step"
# Exact lines that join nothing: repeating the best recorded walk; random play that knows the way where the goal is one
# edge away; random play.
EXACT = ("lookup", "blind", "random")
CLONE = "bc"
MIXERS = ("attention", "s4d", "s4", "s5", "lstm")
# What variants are made of that have what joining takes.
TAKES = ("returns composed", ONE_STEP)
# The ways of having it, as variants call them, and what sets them apart.
WAYS = {
    "returns composed, history seen": {"returns composed"},
    "returns as recorded, one step": {ONE_STEP},
    "returns composed, one step": set(TAKES),
}


class Lead(NamedTuple):
    """How far a decision model is before what joins nothing.

    Attributes:
      arm: the model.
      interval: of its score minus the best exact line of the same data.
      over_clone: of its score minus that of the behavior clone, on what both learned from; None without a clone.
      num_runs: of the model.
    """

    arm: lines.Arm
    interval: bootstrap.Interval
    over_clone: bootstrap.Interval | None
    num_runs: int

    @property
    def is_ahead(self) -> bool:
        """Whether it surely joins walks."""
        return self.num_runs >= scores.LEAST_RUNS and self.interval.low > 0

    @property
    def is_plain(self) -> bool:
        """Whether it was trained as the papers do."""
        return not self.arm.setting.variant

    @property
    def takes(self) -> set[str]:
        """Which of the two it has: composed returns, no history to see."""
        return {name for name in TAKES if name in self.arm.setting.variant.split(", ")}

    @property
    def has_what_it_takes(self) -> bool:
        """Whether returns were composed, or no history was seen."""
        return bool(self.takes)

    @property
    def sees_history(self) -> bool:
        """Whether it sees more than one step."""
        return ONE_STEP not in self.takes


def leads(study: studies.Study, data: str = DATA) -> list[Lead]:
    """All decision models on data whose optimum has to be joined, or on all that begin with another name."""
    best = exact(study)
    found = []
    for arm in study.arms:
        if arm.method not in MIXERS or not arm.setting.data.startswith(data):
            continue
        values = scores.strata(arm.rows, study.about.score)
        beyond = {data: [value - best[data] for value in runs] for data, runs in values.items() if data in best}
        middle = scores.middle(beyond)
        if middle is not None:
            found.append(Lead(arm, middle, _over_clone(study, arm), sum(map(len, beyond.values()))))
    return found


def exact(study: studies.Study) -> dict[str, float]:
    """The best line that joins nothing, of every data set."""
    found: dict[str, float] = {}
    for row in study.found.references:
        if row["method"] in EXACT and (value := study.about.reference(row)) is not None:
            found[row["dataset"]] = max(value, found.get(row["dataset"], value))
    return found


def _over_clone(study: studies.Study, arm: lines.Arm) -> bootstrap.Interval | None:
    clones = (each for each in study.arms if (each.method, each.setting.data) == (CLONE, arm.setting.data))
    clone = next(clones, None)
    found = studies.match(study, arm, clone) if clone else None
    return found.comparison.difference if found else None


def verdict(found: Sequence[Lead]) -> verdicts.Verdict:
    """Holds for mixers that are ahead in at least one of these; a mixer of too few runs does not count."""
    parts = {}
    for mixer in MIXERS:
        own = [lead for lead in found if lead.arm.method == mixer and lead.num_runs >= scores.LEAST_RUNS]
        is_ahead = any(lead.is_ahead for lead in own)
        word = verdicts.OPEN if not own else verdicts.HOLDS if is_ahead else verdicts.FAILS
        parts[mixer] = verdicts.Verdict(word)
    return verdicts.all_of(parts)


def by_way(found: Sequence[Lead]) -> str:
    """Which mixers are surely ahead, for each of the ways of having what joining takes."""
    parts = []
    for name, takes in WAYS.items():
        own = [lead for lead in found if lead.takes == takes]
        ahead = [lead.arm.method for lead in own if lead.is_ahead]
        parts.append(f"{name}: {verdicts.join(ahead) or 'no mixer'}" if own else "")
    return verdicts.lines(*parts)


def in_short(found: Sequence[Lead]) -> str:
    """From the smallest to the largest of the mixers' leads."""
    values = [lead.interval.value for lead in _best(found)]
    low, high = (scores.number(end, "%", signed=True) for end in (min(values), max(values)))
    return f"{low} to {high} points over what joins nothing"


def numbers(found: Sequence[Lead]) -> str:
    """Of every mixer the largest lead, and its lead over the clone."""
    return verdicts.lines(*_told(found))


def _best(found: Sequence[Lead]) -> Iterator[Lead]:
    for mixer in MIXERS:
        own = [lead for lead in found if lead.arm.method == mixer]
        if own:
            yield max(own, key=lambda lead: lead.interval.low)


def _told(found: Sequence[Lead]) -> Iterator[str]:
    for lead in _best(found):
        clone = f"; {scores.number(lead.over_clone.value, '%', signed=True)}" if lead.over_clone else ""
        yield f"{lead.arm.method} {scores.show(lead.interval, '%', signed=True)}{clone}"


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """All leads, for the section of the experiment."""
    study = studies.Study(about, found, lines.arms(found.scored, about.group))
    every = leads(study, "")
    shown = [lead for lead in every if lead.is_ahead or lead.arm.setting.data.startswith(DATA)]
    rows = [
        [
            lead.arm.method,
            study.name(lead.arm.setting),
            scores.show(lead.interval, "%", signed=True),
            scores.show(lead.over_clone, "%", signed=True),
            str(lead.num_runs),
        ]
        for lead in shown
    ]
    if not rows:
        return []
    note = (
        "Optimal paths in points over the best of three exact lines of the same data, none of which joins anything: "
        "`lookup` repeats the best recorded walk, `random` plays at random, `blind` likewise but for knowing the way "
        "where the goal is one edge away. Beside it the lead over the behavior clone, on the graphs that have one. All "
        f"models on `{DATA}` data are shown, of other data those whose interval lies above zero. Composed returns have "
        "joined the walks before anything is trained: a lead with them says that a model follows what it is told."
    )
    table = blocks.Table(["method", "data", "over the best exact line", "over the clone", "runs"], rows, left=2)
    return [blocks.Heading("Beyond the best single walk", 3), table, blocks.Note(note), _with_history(study, every)]


def _with_history(study: studies.Study, every: Sequence[Lead]) -> blocks.Paragraph:
    """Where models that see more than one step are surely ahead, on any data."""
    ahead: dict[str, list[str]] = {}
    for lead in every:
        if lead.sees_history and lead.is_ahead:
            ahead.setdefault(study.name(lead.arm.setting), []).append(lead.arm.method)
    where = verdicts.join([f"{name} ({', '.join(methods)})" for name, methods in ahead.items()])
    told = f"on {where}" if ahead else "nowhere"
    if ahead and not any(name.startswith(DATA) for name in ahead):
        told += f"; nowhere on `{DATA}` data"
    return blocks.Paragraph(f"Models that see their history are surely above the best exact line {told}.")
