"""Whether decision models find what no single recorded walk shows, beside the best that can be had without joining."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts
from jax_s4rl.evaluation import intervals

DATA = "nosuffix"
# Exact lines that join nothing: repeating the best recorded walk; random play that knows the way where the goal is one
# edge away; random play.
EXACT = ("lookup", "blind", "random")
CLONE = "bc"
MIXERS = ("attention", "s4d", "s4", "s5", "lstm")
# What variants are made of that have what joining takes.
TAKES = ("returns composed", "one step")


class Lead(NamedTuple):
    """How far a decision model is before what joins nothing.

    Attributes:
      arm: the model.
      interval: of its score minus the best exact line of the same data.
      over_clone: of its score minus that of the behavior clone, on what both learned from; None without a clone.
      num_runs: of the model.
    """

    arm: lines.Arm
    interval: intervals.Interval
    over_clone: intervals.Interval | None
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
    def has_what_it_takes(self) -> bool:
        """Whether returns were composed, or no history was seen."""
        return any(name in self.arm.setting.variant.split(", ") for name in TAKES)


def leads(study: studies.Study) -> list[Lead]:
    """All decision models on data whose optimum has to be joined."""
    best = exact(study)
    found = []
    for arm in study.arms:
        if arm.method not in MIXERS or not arm.setting.data.startswith(DATA):
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


def _over_clone(study: studies.Study, arm: lines.Arm) -> intervals.Interval | None:
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


def numbers(found: Sequence[Lead]) -> str:
    """Of every mixer the largest lead, and its lead over the clone."""
    return verdicts.lines(*_told(found))


def _told(found: Sequence[Lead]) -> Iterator[str]:
    for mixer in MIXERS:
        own = [lead for lead in found if lead.arm.method == mixer]
        if own:
            lead = max(own, key=lambda lead: lead.interval.low)
            clone = f"; {scores.number(lead.over_clone.value, '%', signed=True)}" if lead.over_clone else ""
            yield f"{mixer} {scores.show(lead.interval, '%', signed=True)}{clone}"


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """All leads, for the section of the experiment."""
    study = studies.Study(about, found, lines.arms(found.scored, about.group))
    rows = [
        [
            lead.arm.method,
            lead.arm.setting.name,
            scores.show(lead.interval, "%", signed=True),
            scores.show(lead.over_clone, "%", signed=True),
            str(lead.num_runs),
        ]
        for lead in leads(study)
    ]
    if not rows:
        return []
    note = (
        "Optimal paths in points over the best of three exact lines of the same data, none of which joins anything: "
        "`lookup` repeats the best recorded walk, `random` plays at random, `blind` likewise but for knowing the way "
        "where the goal is one edge away. Beside it the lead over the behavior clone, on the graphs that have one."
    )
    table = blocks.Table(["method", "data", "over the best exact line", "over the clone", "runs"], rows, left=2)
    return [blocks.Heading("Beyond the best single walk", 3), table, blocks.Note(note)]
