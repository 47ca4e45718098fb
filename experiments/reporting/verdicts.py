"""Rules that turn numbers into a verdict; every verdict of the report comes from here, none is written by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from experiments.reporting import blocks, scores, studies
from jax_s4rl.evaluation import bootstrap

HOLDS, PARTLY, FAILS = "holds", "holds in part", "fails"
HOLDS_SO_FAR, FAILS_SO_FAR = "holds so far", "fails so far"
UNDECIDED, OPEN = "undecided", "not yet run"
TONES = {
    HOLDS_SO_FAR: blocks.OPEN,
    FAILS_SO_FAR: blocks.OPEN,
    HOLDS: blocks.GOOD,
    PARTLY: blocks.MIXED,
    FAILS: blocks.BAD,
    UNDECIDED: blocks.OPEN,
    OPEN: blocks.OPEN,
}

# "Several times" is read as three times or more, "unbearably slow" as ten times slower or more: an hour becomes a day.
SEVERAL, UNBEARABLE = 3.0, 10.0
# "As well as": no more than five hundredths of the way from random play to the optimum are lost.
MARGIN = 0.05
# A published number agrees with ours if it is this near to our interval, in percent: it came without one.
TOLERANCE = 5.0
# An interval that is wider says too little for that, in percent.
WIDEST = 20.0


class Verdict(NamedTuple):
    """What became of a claim.

    Attributes:
      word: one of the words above.
      where: what it holds for, or what is missing.
    """

    word: str
    where: str = ""

    @property
    def badge(self) -> blocks.Badge:
        """The word, colored."""
        return blocks.Badge(self.word, TONES[self.word])

    def also(self, told: str) -> "Verdict":
        """The same with a further line of where it holds."""
        return self._replace(where=lines(self.where, told))


class Ratio(Protocol):
    """How many times longer attention takes."""

    @property
    def pair(self) -> str:
        """Who is compared."""
        ...

    @property
    def series(self) -> str:
        """What else tells it apart, for instance a machine."""
        ...

    @property
    def place(self) -> str:
        """At which length or task."""
        ...

    @property
    def context(self) -> int | None:
        """The length; None of a task."""
        ...

    @property
    def value(self) -> float:
        """The ratio."""
        ...


def _name(match: studies.Match) -> str:
    return match.name


def everywhere(
    matches: Mapping[str, Sequence[studies.Match]],
    missing: Sequence[str],
    tell: Callable[[studies.Match], str] = _name,
) -> Verdict:
    """Whether a method is ahead in every environment.

    An environment counts if the method is ahead in one of its settings and behind in none. The claim holds if all
    environments count, fails if there is no setting where it is ahead, and holds only where it is ahead otherwise.
    Settings of fewer than five runs each do not count.

    Args:
      matches: by environment.
      missing: environments that have no comparison yet.
      tell: what is said of a setting where the method is ahead or behind.
    """
    speaking = {name: [match for match in group if match.speaks] for name, group in matches.items()}
    few = [name for name, group in speaking.items() if not group]
    rest = lines(
        f"not yet run: {join(missing)}" if missing else "", f"fewer than five runs of each: {join(few)}" if few else ""
    )
    groups = [group for group in speaking.values() if group]
    outcomes = [[match.comparison.outcome for match in group] for group in groups]
    settled = [match for group in groups for match in group]
    ahead = [tell(match) for match in settled if match.comparison.outcome == scores.AHEAD]
    behind = [f"behind in {tell(match)}" for match in settled if match.comparison.outcome == scores.BEHIND]
    if not groups:
        return Verdict(OPEN, rest)
    if not ahead:
        told = behind or ["no setting shows a difference"]
        return Verdict(FAILS_SO_FAR if rest else FAILS, lines("ahead in no setting", *told, rest))
    if all(scores.AHEAD in group and scores.BEHIND not in group for group in outcomes):
        return Verdict(HOLDS_SO_FAR, lines(*ahead, rest)) if rest else Verdict(HOLDS)
    return Verdict(PARTLY, lines(*ahead, *behind, rest))


def at_least(ratios: Sequence[Ratio], wanted: float) -> Verdict:
    """Whether attention takes so many times longer wherever it was measured, and how far that is."""
    if not ratios:
        return Verdict(OPEN)
    reached, longest = [ratio for ratio in ratios if ratio.value >= wanted], _longest(ratios)
    if len(reached) == len(ratios):
        return Verdict(HOLDS, longest)
    if not reached:
        return Verdict(FAILS, lines(f"at most {max(ratio.value for ratio in ratios):.1f} times", longest))
    pairs = dict.fromkeys(ratio.pair for ratio in reached)
    return Verdict(PARTLY, lines(*(_told(pair, ratios, wanted) for pair in pairs), longest))


def _longest(ratios: Sequence[Ratio]) -> str:
    """Up to which length pairs were timed; nothing of tasks."""
    ends: dict[int, list[Ratio]] = {}
    for pair in dict.fromkeys(ratio.pair for ratio in ratios):
        own = [ratio for ratio in ratios if ratio.pair == pair and ratio.context is not None]
        if own:
            last = max(own, key=lambda ratio: ratio.context or 0)
            ends.setdefault(last.context or 0, []).append(last)
    if not ends:
        return ""
    farthest, *_ = ends.pop(max(ends))
    short = [f" ({join([ratio.pair for ratio in group])} up to {group[0].place})" for group in ends.values()]
    return f"timed up to {farthest.place}{''.join(short)}"


def _told(pair: str, ratios: Sequence[Ratio], wanted: float) -> str:
    """Where one pair reaches what is wanted."""
    parts = []
    for series in dict.fromkeys(ratio.series for ratio in ratios if ratio.pair == pair):
        own = [ratio for ratio in ratios if (ratio.pair, ratio.series) == (pair, series)]
        if any(ratio.value >= wanted for ratio in own):
            parts.append(" ".join(filter(None, [series, _span(own, wanted)])))
    return f"{pair}: {join(parts)}"


def _span(ratios: Sequence[Ratio], wanted: float) -> str:
    """Lengths that reach what is wanted, as a range where they are one; tasks by name."""
    reached = [ratio.value >= wanted for ratio in ratios]
    places, missed = ([ratio.place for ratio in ratios if (ratio.value >= wanted) is is_so] for is_so in (True, False))
    if not missed:
        return "everywhere"
    if ratios[0].context is not None and reached == sorted(reached):
        return f"from {places[0]}"
    if ratios[0].context is not None and reached == sorted(reached, reverse=True):
        return f"up to {places[-1]}"
    return f"at {', '.join(places)}" if len(places) <= len(missed) else f"but not at {', '.join(missed)}"


def more_in_the_first(first: bootstrap.Interval | None, second: bootstrap.Interval | None) -> Verdict:
    """Whether a gain is surely larger in one kind of environment than in the other: the intervals do not meet."""
    if first is None or second is None:
        return Verdict(OPEN, f"no environment of {'continuous' if first is None else 'discrete'} state")
    if first.low > max(second.high, 0.0):
        return Verdict(HOLDS)
    if first.high < second.low or first.high < 0:
        return Verdict(FAILS)
    return Verdict(UNDECIDED, "the two intervals meet, or that of the first has zero in it")


def as_well_as(gains: Mapping[str, bootstrap.Interval]) -> Verdict:
    """Whether no more than the margin is lost, by data set.

    As good where the interval of the difference lies above minus the margin, worse where it lies below zero. The claim
    holds if all are as good, holds only where they are, fails if some are worse and none as good.
    """
    if not gains:
        return Verdict(OPEN)
    good = [name for name, gain in gains.items() if gain.low > -MARGIN]
    worse = [name for name, gain in gains.items() if name not in good and gain.high < 0]
    if len(good) == len(gains):
        return Verdict(HOLDS)
    unsure = [name for name in gains if name not in good and name not in worse]
    if good:
        told = (f"{word} in {join(names)}" for word, names in (("worse", worse), (UNDECIDED, unsure)) if names)
        return Verdict(PARTLY, lines(*good, *told))
    return Verdict(FAILS, f"worse in {join(worse)}") if worse else Verdict(UNDECIDED, "the intervals are too wide")


def agrees(published: float, ours: bootstrap.Interval) -> Verdict:
    """Whether a published number in percent is near the interval of ours, a share."""
    value, low, high = (100 * end for end in ours)
    low, high = (value if end != end else end for end in (low, high))
    if published < low - TOLERANCE:
        return Verdict(FAILS, "ours is higher")
    if published > high + TOLERANCE:
        return Verdict(FAILS, "ours is lower")
    return Verdict(HOLDS) if high - low <= WIDEST else Verdict(UNDECIDED, "too uncertain")


def all_of(parts: Mapping[str, Verdict]) -> Verdict:
    """A claim of several parts: it holds if all do, fails if none does, holds only where they do otherwise."""
    run = {name: part for name, part in parts.items() if part.word != OPEN}
    rest = [name for name in parts if name not in run]
    told = f"not yet run: {join(rest)}" if rest else ""
    if not run:
        return Verdict(OPEN, told)
    good = [name for name, part in run.items() if part.word == HOLDS]
    if len(good) == len(run):
        return Verdict(HOLDS_SO_FAR, lines(*good, told)) if rest else Verdict(HOLDS)
    if not good:
        return Verdict(FAILS_SO_FAR if rest else FAILS, told)
    missed = [name for name in run if name not in good]
    return Verdict(PARTLY, lines(*good, f"not in {join(missed)}", told))


def join(names: Sequence[str]) -> str:
    """Names as a text, each once."""
    return "; ".join(dict.fromkeys(names))


def lines(*parts: str) -> str:
    """Parts that are not empty, a line each."""
    return "\n".join(part for part in parts if part)
