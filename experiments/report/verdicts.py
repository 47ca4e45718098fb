"""Rules that turn numbers into verdicts; every verdict of the report is computed here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.report import document, load, scores
from experiments.report.catalog import Experiment
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


# Data of random walks on which only joining gets to the goal, and what helps to join them.
WALKS = "nosuffix"
ONE_STEP, RELABELLED = "one step", "relabelled returns"
# Exact scores without any joining of walks: repeating the best recorded walk; random play that
# knows the way if the goal is one edge away; random play.
EXACT = ("lookup", "blind", "random")
# Combinations of the two changes, by name.
WAYS = {
    "relabelled returns, history seen": {RELABELLED},
    "returns as recorded, one step": {ONE_STEP},
    "relabelled returns, one step": {RELABELLED, ONE_STEP},
}


class Verdict(NamedTuple):
    """What became of a claim: one of the words above, and where it holds or what is missing."""

    word: str
    where: str = ""

    @property
    def badge(self) -> document.Badge:
        """The colored word."""
        return document.Badge(self.word, TONES[self.word])


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


def of_loser(comparison: scores.Comparison) -> scores.Comparison | None:
    """Returns a comparison from the side that lost it; None if neither did."""
    if comparison.outcome == scores.AHEAD:
        return scores.compare(comparison.experiment, comparison.other, comparison.group)
    return comparison if comparison.outcome == scores.BEHIND else None


def changes(lost: scores.Comparison) -> Iterator[tuple[str, str, scores.Comparison]]:
    """Yields who was changed, in what, and the new comparison: first the loser, then the other."""
    experiment = lost.experiment
    for group in (lost.group, lost.other):
        for changed in experiment.groups:
            variant, change = experiment.split(changed.variant)
            is_same = (changed.data, variant) == (lost.group.data, lost.group.variant)
            if changed.method != group.method or not change or not is_same:
                continue
            sides = (changed, lost.other) if group is lost.group else (lost.group, changed)
            if again := scores.compare(experiment, *sides):
                yield group.method, change, again


def tell(comparison: scores.Comparison) -> str:
    """Names a comparison, and the outcome after each change of the side that lost it."""
    lost = of_loser(comparison)
    if lost is None:
        return comparison.name
    by_outcome: dict[str, list[str]] = {outcome: [] for outcome in scores.OUTCOMES}
    for method, change, again in changes(lost):
        if method == lost.group.method:
            runs, all_runs = again.score.runs[0], lost.score.runs[0]
            fewer = f" ({runs} of {all_runs} runs)" if runs < all_runs else ""
            by_outcome[again.outcome].append(change + fewer)
    who = "" if lost is comparison else f"{lost.group.method} "
    tried = [
        f"{who}{outcome} with {', '.join(names)}" for outcome, names in by_outcome.items() if names
    ]
    return "; ".join([lost.name, *tried])


def at_least(ratios: Sequence[scores.Ratio], wanted: float) -> Verdict:
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
    for pair, own in load.group_by(ratios, lambda ratio: ratio.pair).items():
        by_series = load.group_by(own, lambda ratio: ratio.series)
        spans = {series: _span(same, wanted) for series, same in by_series.items()}
        where = [f"{series} {span}".strip() for series, span in spans.items() if span]
        texts += [f"{pair}: {join(where)}"] if where else []
    return Verdict(PARTLY, lines(*texts, longest))


def _longest(ratios: Sequence[scores.Ratio]) -> str:
    """Describes up to which length pairs were timed; nothing for tasks."""
    lengths: dict[str, int] = {}
    for ratio in ratios:
        if ratio.context is not None:
            lengths[ratio.pair] = max(ratio.context, lengths.get(ratio.pair, 0))
    if not lengths:
        return ""
    places = {ratio.context: ratio.place for ratio in ratios}
    farthest = max(lengths.values())
    short: dict[str, list[str]] = {}
    for pair, length in lengths.items():
        if length != farthest:
            short.setdefault(places[length], []).append(pair)
    ends = "".join(f" ({join(pairs)} up to {place})" for place, pairs in short.items())
    return f"timed up to {places[farthest]}{ends}"


def _span(ratios: Sequence[scores.Ratio], wanted: float) -> str:
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


def ranges(timed: Sequence[scores.Ratio]) -> str:
    """Returns the lowest and highest ratio of every pair, one pair on each line."""
    by_pair = load.group_by(timed, lambda each: each.pair)
    return "\n".join(f"{pair}: {span(own)}" for pair, own in by_pair.items())


def span(timed: Sequence[scores.Ratio]) -> str:
    """Returns the lowest and highest ratio."""
    return ends([each.value for each in timed], 1)


def ends(values: Sequence[float], decimals: int) -> str:
    """Returns the lowest and the highest of some values, or one if they look alike."""
    shown = {f"{end:.{decimals}f}" for end in (min(values), max(values))}
    return " to ".join(sorted(shown, key=float))


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


class Lead(NamedTuple):
    """How far a sequence model is ahead of everything that does not join walks.

    Attributes:
        group: The runs of the model.
        interval: Its score minus the best exact score on the same data.
        over_clone: Its score minus that of behavior cloning; None without such runs.
        num_runs: Number of runs.
    """

    group: load.Group
    interval: bootstrap.Interval
    over_clone: bootstrap.Interval | None
    num_runs: int

    @property
    def is_ahead(self) -> bool:
        """Whether the model surely joins walks."""
        return self.num_runs >= scores.LEAST_RUNS and self.interval.low > 0

    @property
    def changes(self) -> set[str]:
        """Which of the two changes it has: relabelled returns, one step instead of a history."""
        return {RELABELLED, ONE_STEP} & set(self.group.variant.split(", "))


def leads(experiment: Experiment, data: str = WALKS) -> list[Lead]:
    """Returns the leads of all sequence models on data whose names start as given."""
    best: dict[str, float] = {}
    for row in experiment.rows.references:
        value = experiment.reference(row)
        if row["method"] in EXACT and value is not None:
            best[row["dataset"]] = max(value, best.get(row["dataset"], value))
    clones = {group.data: group for group in reversed(experiment.groups) if group.method == "bc"}
    ahead = []
    for group in experiment.groups:
        if group.method not in load.MIXERS or not group.data.startswith(data):
            continue
        beyond = {
            name: [value - best[name] for value in runs]
            for name, runs in scores.strata(group.rows, experiment.score).items()
            if name in best
        }
        if middle := scores.middle(beyond):
            clone = clones.get(group.data)
            pair = scores.compare(experiment, group, clone) if clone else None
            count = sum(map(len, beyond.values()))
            ahead.append(Lead(group, middle, pair.score.interval if pair else None, count))
    return ahead


def joins_walks(every: Sequence[Lead]) -> Verdict:
    """Judges whether every mixer is ahead in at least one of its groups.

    It names the mixers that are surely ahead, for each combination of the two changes.
    """
    parts = {}
    for mixer in load.MIXERS:
        own = [lead for lead in every if lead.group.method == mixer]
        judged = [lead for lead in own if lead.num_runs >= scores.LEAST_RUNS]
        ahead = any(lead.is_ahead for lead in judged)
        parts[mixer] = Verdict(OPEN if not judged else HOLDS if ahead else FAILS)
    ways = []
    for name, changes in WAYS.items():
        own = [lead for lead in every if lead.changes == changes]
        ahead = join([lead.group.method for lead in own if lead.is_ahead])
        ways.append(f"{name}: {ahead or 'no mixer'}" if own else "")
    verdict = all_of(parts)
    return verdict._replace(where=lines(verdict.where, *ways))


def join(names: Sequence[str]) -> str:
    """Joins names, each once."""
    return document.join(*names, by="; ")


def lines(*parts: str) -> str:
    """Joins the parts that are not empty, one on each line."""
    return "\n".join(filter(None, parts))
