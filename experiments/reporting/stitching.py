"""Whether decision models find what no single recorded walk shows, beside the line of repeating the best walk."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts
from jax_s4rl.evaluation import intervals

DATA = "nosuffix"
LOOKUP = "lookup"
MIXERS = ("attention", "s4d", "s4", "s5", "lstm")


class Lead(NamedTuple):
    """How far a decision model is before repeating the best walk.

    Attributes:
      arm: the model.
      interval: of its score minus that of lookup on the same data.
    """

    arm: lines.Arm
    interval: intervals.Interval

    @property
    def name(self) -> str:
        """Method, data and variant."""
        return f"{self.arm.setting.name}: {self.arm.method}"


def leads(study: studies.Study) -> list[Lead]:
    """All decision models on data whose optimum has to be joined."""
    known = {row["dataset"]: study.about.reference(row) for row in study.found.references if row["method"] == LOOKUP}
    found = []
    for arm in study.arms:
        if arm.method not in MIXERS or not arm.setting.data.startswith(DATA) or len(arm.rows) < scores.LEAST_RUNS:
            continue
        before: dict[tuple, list[float]] = {}
        for key, runs in scores.strata(arm.rows, study.about.score).items():
            line = known.get(key[0])
            if line is not None:
                before[key] = [value - line for value in runs]
        middle = scores.middle(before)
        if middle is not None:
            found.append(Lead(arm, middle))
    return found


def verdict(found: Sequence[Lead]) -> verdicts.Verdict:
    """Holds for those whose interval lies above zero."""
    parts = {lead.name: verdicts.Verdict(verdicts.HOLDS if lead.interval.low > 0 else verdicts.FAILS) for lead in found}
    return verdicts.all_of(parts)


def numbers(found: Sequence[Lead]) -> str:
    """Lowest and highest lead in every setting."""
    parts = []
    for setting in dict.fromkeys(lead.arm.setting for lead in found):
        middles = [lead.interval.value for lead in found if lead.arm.setting == setting]
        ends = (scores.number(end, "%", signed=True) for end in (min(middles), max(middles)))
        parts.append(f"{setting.name}: {' to '.join(dict.fromkeys(ends))} points over lookup")
    return verdicts.lines(*parts)


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """All leads, for the section of the experiment."""
    study = studies.Study(about, found, lines.arms(found.scored, about.group))
    rows = [
        [lead.arm.method, lead.arm.setting.name, scores.show(lead.interval, "%", signed=True), str(len(lead.arm.rows))]
        for lead in leads(study)
    ]
    if not rows:
        return []
    note = "Optimal paths in points over `lookup`, which repeats the best recorded walk, of the same data."
    table = blocks.Table(["method", "data", "over lookup", "runs"], rows, left=2)
    return [blocks.Heading("Beyond the best single walk", 3), table, blocks.Note(note)]
