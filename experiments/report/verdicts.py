"""Rules that turn numbers into verdicts; every verdict of the report is computed here."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from experiments.report import document, scores
from jax_s4rl.evaluation import bootstrap

HOLDS, PARTLY, FAILS = "holds", "holds in part", "fails"
HOLDS_SO_FAR, FAILS_SO_FAR = "holds so far", "fails so far"
UNDECIDED, OPEN = "undecided", "not yet run"
TONES = {
    HOLDS: document.GOOD,
    PARTLY: document.MIXED,
    FAILS: document.BAD,
    **dict.fromkeys((HOLDS_SO_FAR, FAILS_SO_FAR, UNDECIDED, OPEN), document.OPEN),
}

# "Several times" is read as three times or more, "unbearably slow" as ten times slower or more:
# an hour becomes a day.
SEVERAL, UNBEARABLE = 3.0, 10.0
# Share of the way from random play to the optimum that "as well as" may lose.
MARGIN = 0.05
# Distance in percent between a published number, which has no interval, and our interval.
TOLERANCE = 5.0
# Width in percent of an interval that says too little for that.
WIDEST = 20.0


class Verdict(NamedTuple):
    """What became of a claim: one of the words above, and where it holds or what is missing."""

    word: str
    where: str = ""

    @property
    def badge(self) -> document.Badge:
        """The colored word."""
        return document.Badge(self.word, TONES[self.word])


class Ratio(NamedTuple):
    """How many times longer attention takes than a model.

    Attributes:
        pair: Names of the compared models.
        series: Number of parallel episodes and machine, if there are several.
        place: Length or task, in words.
        value: The ratio, by medians.
        context: The length in steps; None for a task.
        interval: 95 % interval of the ratio over turns; None if rows have no turns.
        of_minima: The ratio of the fastest runs.
        milliseconds: Medians, of the model and of the other.
        parameters: Numbers of parameters, of the model and of the other.
    """

    pair: str
    series: str
    place: str
    value: float
    context: int | None = None
    interval: tuple[float, float] | None = None
    of_minima: float = math.nan
    milliseconds: tuple[float, float] = (math.nan, math.nan)
    parameters: tuple[int, int] = (0, 0)


def everywhere(
    comparisons: Mapping[str, Sequence[scores.Comparison]],
    missing: Sequence[str],
    tell: Callable[[scores.Comparison], str] = lambda comparison: comparison.name,
) -> Verdict:
    """Judges whether a method is ahead in every environment.

    An environment counts if the method is ahead in one of its settings and behind in none. The
    claim holds if all environments count, fails if the method is ahead in no setting, else holds
    in part. Settings of fewer than five runs do not count.

    Args:
        comparisons: Comparisons by environment.
        missing: Environments that have no comparison yet.
        tell: Describes a setting in which the method is ahead or behind.
    """
    usable = {name: [each for each in own if each.has_runs] for name, own in comparisons.items()}
    few = [name for name, own in usable.items() if not own]
    rest = lines(
        f"not yet run: {join(missing)}" if missing else "",
        f"fewer than five runs of each: {join(few)}" if few else "",
    )
    outcomes = [[each.outcome for each in own] for own in usable.values() if own]
    settled = [each for own in usable.values() for each in own]
    ahead = [tell(each) for each in settled if each.outcome == scores.AHEAD]
    behind = [f"behind in {tell(each)}" for each in settled if each.outcome == scores.BEHIND]
    if not outcomes:
        return Verdict(OPEN, rest)
    if not ahead:
        texts = behind or ["no setting shows a difference"]
        return Verdict(FAILS_SO_FAR if rest else FAILS, lines("ahead in no setting", *texts, rest))
    if all(scores.AHEAD in own and scores.BEHIND not in own for own in outcomes):
        return Verdict(HOLDS_SO_FAR, lines(*ahead, rest)) if rest else Verdict(HOLDS)
    return Verdict(PARTLY, lines(*ahead, *behind, rest))


def at_least(ratios: Sequence[Ratio], wanted: float) -> Verdict:
    """Judges whether attention takes that many times longer wherever it was measured."""
    if not ratios:
        return Verdict(OPEN)
    reached = [ratio for ratio in ratios if ratio.value >= wanted]
    longest = _longest(ratios)
    if len(reached) == len(ratios):
        return Verdict(HOLDS, longest)
    if not reached:
        most = max(ratio.value for ratio in ratios)
        return Verdict(FAILS, lines(f"at most {most:.1f} times", longest))
    texts = []
    for pair in dict.fromkeys(ratio.pair for ratio in reached):
        series: dict[str, list[Ratio]] = {}
        for ratio in ratios:
            if ratio.pair == pair:
                series.setdefault(ratio.series, []).append(ratio)
        spans = {name: _span(own, wanted) for name, own in series.items()}
        where = [" ".join(filter(None, [name, span])) for name, span in spans.items() if span]
        texts.append(f"{pair}: {join(where)}")
    return Verdict(PARTLY, lines(*texts, longest))


def _longest(ratios: Sequence[Ratio]) -> str:
    """Describes up to which length pairs were timed; nothing for tasks."""
    last: dict[str, Ratio] = {}
    for ratio in ratios:
        if ratio.context is not None:
            farther = last.setdefault(ratio.pair, ratio)
            last[ratio.pair] = max(farther, ratio, key=lambda each: each.context or 0)
    if not last:
        return ""
    farthest = max(last.values(), key=lambda each: each.context or 0)
    short: dict[str, list[str]] = {}
    for pair, ratio in last.items():
        if ratio.context != farthest.context:
            short.setdefault(ratio.place, []).append(pair)
    ends = "".join(f" ({join(pairs)} up to {place})" for place, pairs in short.items())
    return f"timed up to {farthest.place}{ends}"


def _span(ratios: Sequence[Ratio], wanted: float) -> str:
    """Describes the lengths that reach the wanted ratio as a range if they are one, or tasks."""
    reached = [ratio.value >= wanted for ratio in ratios]
    places = [ratio.place for ratio in ratios if ratio.value >= wanted]
    missed = [ratio.place for ratio in ratios if ratio.value < wanted]
    if not places:
        return ""
    if not missed:
        return "everywhere"
    if ratios[0].context is not None and reached == sorted(reached):
        return f"from {places[0]}"
    if ratios[0].context is not None and reached == sorted(reached, reverse=True):
        return f"up to {places[-1]}"
    is_short = len(places) <= len(missed)
    return f"at {', '.join(places)}" if is_short else f"but not at {', '.join(missed)}"


def more_in_the_first(
    first: bootstrap.Interval | None, second: bootstrap.Interval | None
) -> Verdict:
    """Judges whether a gain is larger on continuous than on discrete state: intervals apart."""
    if first is None or second is None:
        kind = "continuous" if first is None else "discrete"
        return Verdict(OPEN, f"no environment of {kind} state")
    if first.low > max(second.high, 0.0):
        return Verdict(HOLDS)
    if first.high < second.low or first.high < 0:
        return Verdict(FAILS)
    return Verdict(UNDECIDED, document.text("notes", "intervals overlap"))


def as_well_as(gains: Mapping[str, bootstrap.Interval]) -> Verdict:
    """Judges whether at most the margin is lost, by data set.

    A data set is as good if the interval of the difference lies above minus the margin, worse if it
    lies below zero. The claim holds if all are as good, holds in part if some are, fails if some
    are worse and none is as good.
    """
    if not gains:
        return Verdict(OPEN)
    good = [name for name, gain in gains.items() if gain.low > -MARGIN]
    worse = [name for name, gain in gains.items() if name not in good and gain.high < 0]
    unsure = [name for name in gains if name not in good and name not in worse]
    if len(good) == len(gains):
        return Verdict(HOLDS)
    if good:
        others = (("worse", worse), (UNDECIDED, unsure))
        return Verdict(
            PARTLY, lines(*good, *(f"{word} in {join(names)}" for word, names in others if names))
        )
    if worse:
        return Verdict(FAILS, f"worse in {join(worse)}")
    return Verdict(UNDECIDED, "the intervals are too wide")


def agrees(published: float, ours: bootstrap.Interval) -> Verdict:
    """Judges whether a published number in percent is near the interval of ours, a share."""
    value, low, high = (100 * end for end in ours)
    # An exact number has no interval: its ends are NaN.
    low, high = (value if end != end else end for end in (low, high))
    if published < low - TOLERANCE:
        return Verdict(FAILS, "ours is higher")
    if published > high + TOLERANCE:
        return Verdict(FAILS, "ours is lower")
    return Verdict(HOLDS) if high - low <= WIDEST else Verdict(UNDECIDED, "too uncertain")


def all_of(parts: Mapping[str, Verdict]) -> Verdict:
    """Judges a claim of several parts: it holds if all do, fails if none does, else in part."""
    run = {name: part for name, part in parts.items() if part.word != OPEN}
    rest = [name for name in parts if name not in run]
    missing = f"not yet run: {join(rest)}" if rest else ""
    if not run:
        return Verdict(OPEN, missing)
    good = [name for name, part in run.items() if part.word == HOLDS]
    if len(good) == len(run):
        return Verdict(HOLDS_SO_FAR, lines(*good, missing)) if rest else Verdict(HOLDS)
    if not good:
        return Verdict(FAILS_SO_FAR if rest else FAILS, missing)
    missed = [name for name in run if name not in good]
    return Verdict(PARTLY, lines(*good, f"not in {join(missed)}", missing))


def join(names: Sequence[str]) -> str:
    """Joins names, each once."""
    return document.join(*names, by="; ")


def lines(*parts: str) -> str:
    """Joins the parts that are not empty, one on each line."""
    return "\n".join(filter(None, parts))
