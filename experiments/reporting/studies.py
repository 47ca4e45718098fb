"""The lines of an experiment beside its description, and pairs of arms that can be compared."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import suites
from experiments.reporting import descriptions, lines, scores

ATTENTION = "attention"


class Study(NamedTuple):
    """An experiment and what came of it.

    Attributes:
      about: its description.
      found: its lines; empty before it was run.
      arms: those that are reported.
    """

    about: descriptions.Description
    found: lines.Lines
    arms: list[lines.Arm]

    def name(self, setting: lines.Setting) -> str:
        """Data and variant of a setting, with what tells it apart from others of the same.

        A group of data sets gives its name to what ran on all of them; else its data sets are named.
        """
        here = [arm for arm in self.arms if arm.setting.data == setting.data]
        whole = {row["dataset"] for arm in here for row in arm.rows}
        own = sorted({row["dataset"] for arm in here if arm.setting == setting for row in arm.rows})
        data = "; ".join(map(self.about.short, own)) if 0 < len(own) < len(whole) else setting.data
        return lines.join(data, setting.variant, lines.apart(self.arms).get(setting, ""))


class Match(NamedTuple):
    """Two arms in one setting, compared by the score of their experiment.

    Attributes:
      study: the experiment.
      setting: which they share.
      arms: the one, and the other that it is measured by.
      comparison: of their scores, turned so that more is better.
      otherwise: the same with actions chosen the other way; None where lines do not tell ways apart.
      pair: those scores.
      normalized: the same with 0 for random play and 1 for the optimum; None where these are not known.
    """

    study: Study
    setting: lines.Setting
    arms: tuple[lines.Arm, lines.Arm]
    comparison: scores.Comparison
    otherwise: scores.Comparison | None
    pair: scores.Pair
    normalized: scores.Pair | None

    @property
    def speaks(self) -> bool:
        """Whether there are enough runs of both for a verdict."""
        return self.comparison.outcome != scores.FEW

    @property
    def is_continuous(self) -> bool:
        """Whether the state of the environment is; all data sets of a setting are of one environment."""
        return self.study.about.is_continuous(self.arms[0].rows[0]["dataset"])

    @property
    def name(self) -> str:
        """Experiment, data and variant, and what else it takes to tell settings apart."""
        return lines.join(self.study.about.title, self.study.name(self.setting))


def read(catalog: Sequence[descriptions.Description], folder: Path = descriptions.FOLDER) -> list[Study]:
    """Reads what there is of every experiment."""
    found = []
    for about in catalog:
        sorted_lines = about.read(folder)
        found.append(Study(about, sorted_lines, lines.arms(sorted_lines.scored, about.group)))
    return found


def against(study: Study, method: str, other: str = ATTENTION) -> Iterator[Match]:
    """A method against another in every setting where both ran."""
    known = {(arm.method, arm.setting): arm for arm in study.arms}
    for arm in study.arms:
        partner = known.get((other, arm.setting))
        if (
            arm.method == method
            and study.about.counts(arm.setting.variant)
            and partner is not None
            and (found := match(study, arm, partner))
        ):
            yield found


def match(study: Study, arm: lines.Arm, other: lines.Arm) -> Match | None:
    """Compares two arms; None where they learned from different data or lack the score."""
    about, factor = study.about, study.about.metrics[0].factor
    common = lines.in_common(arm.rows, other.rows)
    are_paired = lines.are_recorded_often(common[0])

    def compare(metric: str) -> scores.Comparison | None:
        one, two = (scores.strata(rows, metric, factor) for rows in common)
        return scores.compare(one, two, are_paired=are_paired)

    comparison = compare(about.score)
    if comparison is None:
        return None
    one, two = (scores.strata(rows, about.score, factor) for rows in common)
    pair = {key: one[key] for key in one if key in two}, {key: two[key] for key in one if key in two}
    otherwise = compare(about.other_score) if about.other_score else None
    return Match(study, arm.setting, (arm, other), comparison, otherwise, pair, _normalize(study, pair))


def baseline(study: Study, arm: lines.Arm) -> lines.Arm | None:
    """The attention that an arm is measured by: of its own variant, else of a main one; never the arm itself.

    Mixers that are built otherwise than the main variants are not measured by these.
    """
    setting = arm.setting
    is_apart = arm.method in suites.MIXERS and study.about.is_aside(setting.variant)
    for variant in (setting.variant, *(() if is_apart else study.about.main_variants)):
        wanted = setting._replace(variant=variant)
        for other in study.arms:
            same = (other.setting.data, other.setting.variant) == (wanted.data, wanted.variant)
            comparable = setting.context is None or other.setting == wanted
            if other.method == ATTENTION and other is not arm and same and comparable:
                return other
    return None


def normalize(study: Study, values: scores.Strata) -> scores.Strata | None:
    """Scores on the scale from random play (0) to the optimum (1); None where these are not known of all data sets.

    Args:
      study: the experiment.
      values: turned so that more is better.
    """
    factor = study.about.metrics[0].factor
    scaled = {}
    for key, runs in values.items():
        known = study.about.bounds(study.found, key)
        if known is None or known[0] == known[1]:
            return None
        low, high = known
        scaled[key] = [(factor * value - low) / (high - low) for value in runs]
    return scaled


def _normalize(study: Study, pair: scores.Pair) -> scores.Pair | None:
    one, two = (normalize(study, values) for values in pair)
    return None if one is None or two is None else (one, two)
