"""Whether decision models find what no single recorded walk shows, beside the line of repeating the best walk."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.reporting import lines, scores, studies, verdicts
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
        return f"{self.arm.method}, {self.arm.setting.name}"


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
    return verdicts.all_of(parts) if parts else verdicts.Verdict(verdicts.OPEN)


def numbers(found: Sequence[Lead]) -> str:
    """Share of optimal paths beyond lookup."""
    return verdicts.lines(*(f"{lead.name}: {scores.show(lead.interval, '%', signed=True)} points" for lead in found))
