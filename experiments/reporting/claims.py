"""The claims of the founding paper, each with the verdict that the result lines give."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import acting, training
from experiments.reporting import (
    layouts,
    lines,
    losses,
    published,
    rules,
    scores,
    speeds,
    stitching,
    studies,
    verdicts,
)

MIXERS = ("s4", "s4d")
COMPARISONS, TIMES = "Comparisons behind the claims", "Times behind the claims"
ACHIEVED = "of the way from random play to the optimum"
# Who is compared, by what is said of it.
CONTESTS = {
    "like for like": speeds.ALIKE,
    "with as many parameters": speeds.MATCHED,
    "S4 with one token, attention with three": speeds.ONE_THREE,
}
# How often each model is timed.
REPEATS = {"train": training.Config.repeats, "act": acting.Config.repeats}
SCRIPTS = {"train": rules.TRAINING, "act": rules.ACTING}


class Evidence(NamedTuple):
    """Everything that was measured.

    Attributes:
      found: lines of the experiments.
      training: lines of the benchmark of updates.
      acting: lines of the benchmark of actions.
      earlier: lines of runs whose code was changed since; they cost time, and say nothing else.
      looks: lines of first looks at experiments.
      again: lines of cells that were trained again.
      versions: rows of runs that were trained again under other versions of JAX.
    """

    found: Sequence[studies.Study]
    training: list[lines.Row]
    acting: list[lines.Row]
    earlier: Sequence[lines.Row] = ()
    looks: Sequence[lines.Row] = ()
    again: Sequence[lines.Row] = ()
    versions: Sequence[lines.Row] = ()

    def times(self, verb: str) -> list[lines.Row]:
        """Lines of the benchmark of updates ("train") or of actions ("act")."""
        return {"train": self.training, "act": self.acting}[verb]

    def matches(self, mixer: str) -> dict[str, list[studies.Match]]:
        """Comparisons with attention, by environment, of those that have any."""
        found = {each.about.title: list(studies.against(each, mixer)) for each in self.environments}
        return {name: group for name, group in found.items() if group}

    @property
    def environments(self) -> list[studies.Study]:
        """Experiments that stand for an environment."""
        return [each for each in self.found if each.about.is_environment]

    def study(self, name: str) -> studies.Study:
        """The experiment of that name."""
        return next(each for each in self.found if each.about.name == name)


class Judged(NamedTuple):
    """A claim and what became of it.

    Attributes:
      claim: in our words.
      verdict: computed.
      numbers: behind it.
      short: the same in a few words.
      runs: number of runs, or what takes their place.
      see: headline of the section that shows more.
      commands: that run what is missing.
      rule: how the verdict is computed.
    """

    claim: str
    verdict: verdicts.Verdict
    numbers: str
    short: str
    runs: str
    see: str
    commands: Sequence[str]
    rule: str


def judge(evidence: Evidence) -> list[Judged]:
    """All claims, in the order in which the paper makes them."""
    return [
        *(_better(evidence, mixer) for mixer in MIXERS),
        *(_faster(evidence, verb, side) for verb in SCRIPTS for side in CONTESTS),
        _faster_at_tasks(evidence, "train", slice(0, 1)),
        _faster_at_tasks(evidence, "act", slice(1, 3)),
        *(_continuous(evidence, mixer) for mixer in MIXERS),
        *(_long(evidence, verb, side) for verb in SCRIPTS for side in CONTESTS),
        *(_tokens(evidence, mixer) for mixer in ("attention", *MIXERS)),
        *_stitching(evidence),
        *_published(evidence),
    ]


def _better(evidence: Evidence, mixer: str) -> Judged:
    matches = evidence.matches(mixer)
    missing = [each for each in evidence.environments if each.about.title not in matches]
    found = [match for group in matches.values() for match in group]
    chance = scores.show(
        scores.improvement({name: [match.pair for match in group if match.speaks] for name, group in matches.items()})
    )
    otherwise = [match.otherwise for match in found if match.otherwise is not None and match.speaks]
    return Judged(
        claim=f"{mixer.upper()} beats the transformer in every environment",
        verdict=verdicts.everywhere(matches, [each.about.title for each in missing], losses.told),
        numbers=verdicts.lines(
            f"settings: {_outcomes([match.comparison for match in found])}\nP(better) {chance}",
            f"actions chosen the other way: {_outcomes(otherwise)}" if otherwise else "",
        )
        if found
        else "-",
        short=f"{_outcomes([match.comparison for match in found])}; P(better) {chance}" if found else "-",
        runs=_runs(found),
        see=COMPARISONS,
        commands=[each.about.command for each in missing],
        rule=rules.BETTER,
    )


def _outcomes(found: Sequence[scores.Comparison]) -> str:
    count = collections.Counter(comparison.outcome for comparison in found)
    return ", ".join(f"{outcome} in {count[outcome]}" for outcome in scores.OUTCOMES if count[outcome])


def _faster(evidence: Evidence, verb: str, side: str) -> Judged:
    timed = speeds.compare(evidence.times(verb), CONTESTS[side])
    return Judged(
        claim=f"S4 is several times faster: to {verb}, {side}",
        verdict=verdicts.at_least(timed, verdicts.SEVERAL),
        numbers=verdicts.lines(_times(timed), _by_tokens(evidence, verb, side)),
        short=_span(timed),
        runs=_counts([REPEATS[verb]] if timed else []),
        see=TIMES,
        commands=[] if timed else [f"python -m {SCRIPTS[verb]}"],
        rule=_several_times(evidence),
    )


def _faster_at_tasks(evidence: Evidence, verb: str, which: slice) -> Judged:
    study = evidence.study("speed_per_task")
    timed = speeds.per_task(study, study.about.metrics[which])
    return Judged(
        claim=f"S4 is several times faster: to {verb}, at the tasks of the experiments",
        verdict=verdicts.at_least(timed, verdicts.SEVERAL),
        numbers=_times(timed),
        short=_span(timed),
        runs="see there" if timed else "-",
        see=study.about.title,
        commands=[] if timed else [study.about.command],
        rule=_several_times(evidence),
    )


def _times(timed: Sequence[verdicts.Ratio]) -> str:
    return f"how many times longer attention takes\n{speeds.ranges(timed)}" if timed else "-"


def _span(timed: Sequence[verdicts.Ratio]) -> str:
    return f"attention takes {speeds.span(timed)} times as long" if timed else "-"


def _by_tokens(evidence: Evidence, verb: str, side: str, shortest: int = 0) -> str:
    """What attention itself gains by fewer tokens, where tokens are not the same on both sides."""
    if CONTESTS[side] is not speeds.ONE_THREE:
        return ""
    alone = speeds.compare(evidence.times(verb), speeds.TOKENS_ALONE, [studies.ATTENTION], shortest=shortest)
    return f"by tokens alone: {speeds.ranges(alone)}" if alone else ""


def _several_times(evidence: Evidence) -> str:
    return rules.several_times(evidence.training, evidence.acting)


def _long(evidence: Evidence, verb: str, side: str) -> Judged:
    timed = speeds.compare(evidence.times(verb), CONTESTS[side], shortest=speeds.LONG)
    return Judged(
        claim=f"Long context makes attention unbearably slow: to {verb}, {side}",
        verdict=verdicts.at_least(timed, verdicts.UNBEARABLE),
        numbers=verdicts.lines(_times(timed), _by_tokens(evidence, verb, side, speeds.LONG)),
        short=_span(timed),
        runs=_counts([REPEATS[verb]] if timed else []),
        see=TIMES,
        commands=[] if timed else [f"python -m {SCRIPTS[verb]}"],
        rule=rules.LONG,
    )


def _continuous(evidence: Evidence, mixer: str) -> Judged:
    gains, found, missing = {}, [], []
    for kind in (True, False):
        here = [each for each in evidence.environments if kind in each.about.kinds_of_state]
        matches = [
            match
            for each in here
            for match in studies.against(each, mixer)
            if match.normalized and match.speaks and match.is_continuous is kind
        ]
        by_environment: dict[str, list[scores.Pair]] = {}
        for match in matches:
            if match.normalized:
                by_environment.setdefault(match.study.about.title, []).append(match.normalized)
        gains[kind] = scores.gain(by_environment)
        found += matches
        missing += [] if matches else [each.about.command for each in here]
    shown = {kind: scores.show(gain, "%", signed=True) for kind, gain in gains.items()}
    return Judged(
        claim=f"{mixer.upper()} gains most where the state is continuous",
        verdict=verdicts.more_in_the_first(gains[True], gains[False]),
        numbers=f"gain in % {ACHIEVED}\ncontinuous {shown[True]}\ndiscrete {shown[False]}" if found else "-",
        short=f"gain in %: {shown[True]} against {shown[False]}" if found else "-",
        runs=_runs(found),
        see=COMPARISONS,
        commands=missing,
        rule=rules.CONTINUOUS,
    )


def _tokens(evidence: Evidence, mixer: str) -> Judged:
    study = evidence.study("tokens")
    found = layouts.matches(study, mixer)
    overall = scores.show(layouts.overall(found), "%", signed=True)
    timed = {
        what: speeds.compare(rows, speeds.LAYOUTS, [mixer])
        for what, rows in (("updates", evidence.training), ("actions", evidence.acting))
    }
    times = [f"{what} {speeds.span(ratios)} times as fast" for what, ratios in timed.items() if ratios]
    return Judged(
        claim=f"One concatenated token works as well as three: {mixer if mixer == 'attention' else mixer.upper()}",
        verdict=verdicts.as_well_as(layouts.gains(found)),
        numbers=verdicts.lines(f"one minus three, in % {ACHIEVED}: {overall}" if found else "", *times) or "-",
        short=f"one minus three, in %: {overall}" if found else "-",
        runs=_runs(found),
        see=study.about.title,
        commands=[] if found else [study.about.command],
        rule=rules.TOKENS,
    )


def _stitching(evidence: Evidence) -> list[Judged]:
    study = evidence.study("random_walk")
    every = stitching.leads(study)
    sides = {
        "trained as the papers do": [lead for lead in every if lead.is_plain],
        "with what joining takes": [lead for lead in every if lead.has_what_it_takes],
    }
    return [
        Judged(
            claim=f"Decision models join walks to paths that no single walk shows: {side}",
            verdict=stitching.verdict(found).also(stitching.by_way(found)),
            numbers=f"points over what joins nothing; over the clone\n{stitching.numbers(found)}" if found else "-",
            short=stitching.in_short(found) if found else "-",
            runs=_counts([lead.num_runs for lead in found]),
            see=study.about.title,
            commands=[] if found else [study.about.command],
            rule=rules.STITCHING,
        )
        for side, found in sides.items()
    ]


def _published(evidence: Evidence) -> list[Judged]:
    study = evidence.study("key_to_door")
    sides = {study.about.main_variant: published.deciding(study), published.UNIFORM: published.uniform(study)}
    return [
        Judged(
            claim=f"The Decision Transformer's key-to-door table (percent of success): {side}",
            verdict=published.verdict(found),
            numbers=verdicts.lines(
                *map(_beside, found), published.others(study) if side == study.about.main_variant else ""
            )
            or "-",
            short=published.agreeing(found) if found else "-",
            runs=_counts([each.num_runs for each in found if each.num_runs]),
            see=study.about.title,
            commands=[study.about.command]
            if not found or any(each.verdict.word == verdicts.OPEN for each in found)
            else [],
            rule=rules.PUBLISHED,
        )
        for side, found in sides.items()
    ]


def _beside(found: published.Beside) -> str:
    if found.sampled is None:
        return ""
    how = found.variant.removeprefix(published.UNIFORM) if found.variant.startswith(published.UNIFORM) else ""
    return f"{found.row}, {found.size}{how}: {found.published:g}, ours {scores.show(found.sampled, '%')}"


def _runs(matches: Sequence[studies.Match]) -> str:
    return _counts([number for match in matches for number in match.comparison.runs])


def _counts(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    low, high = min(numbers), max(numbers)
    return f"{low} of each" if low == high else f"{low} to {high} of each"
