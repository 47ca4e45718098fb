"""The claims of the paper: every verdict is computed here, by rules of one sentence each."""

import collections
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from experiments import methods
from experiments.report import comparisons, document, doors, load, scores
from experiments.report.catalog import PAPER_SIZE, RANDOM_WALK
from experiments.report.comparisons import NAMES, Judged, Measured
from experiments.report.doors import BALANCED, SIZES
from jax_s4rl.evaluation import bootstrap

HOLDS, PARTLY, REFUTED, OPEN = "holds", "holds in part", "refuted", "not yet run"
UNDECIDED = scores.UNDECIDED
TONES = {
    HOLDS: document.GOOD,
    PARTLY: document.MIXED,
    REFUTED: document.BAD,
    UNDECIDED: document.OPEN,
    OPEN: document.OPEN,
}
# "Several times" is read as three times or more, "extremely slow" as ten times or more: an hour
# becomes a day of work.
SEVERAL, EXTREME = 3.0, 10.0
# One or two settings of a kind may be special, and their intervals only cover training again.
LEAST_SETTINGS = 3
STATE_SPACES = [name for name, method in methods.METHODS.items() if method.is_state_space]
# Methods that score without training and join no recorded episodes.
EXACT = ("lookup", "blind", "random")
AS_PUBLISHED = "as published"
# Questions on the number of tokens, by the kinds of models that they ask about.
TOKENS = {"tokens": "", "paper_tokens": PAPER_SIZE.group}
# The Decision Transformer's table, success in percent; our method and variant of each line.
PUBLISHED = {
    "DT": ("attention", {"1K": 71.8, "10K": 94.6}),
    "%BC": ("percent_bc", {"1K": 69.9, "10K": 95.1}),
    "CQL": ("cql", {"1K": 13.1, "10K": 13.3}),
    "BC": ("bc", {"1K": 1.4, "10K": 1.6}),
    "random": ("random", {"1K": 3.1, "10K": 3.1}),
}


class Claim(NamedTuple):
    """A claim and what became of it.

    Attributes:
        text: The claim.
        verdict: One of the words above.
        numbers: The numbers that decide.
        rule: Name of its rule in `templates/rules.md`.
    """

    text: str
    verdict: str
    numbers: str
    rule: str

    @property
    def badge(self) -> document.Badge:
        """The verdict as a colored word."""
        return document.Badge(self.verdict, TONES[self.verdict])


def judge(measured: Measured) -> list[Claim]:
    """Judges all claims; those on settings for each kind of models that was run."""
    groups = dict.fromkeys(task.group for task in measured.tasks)
    return [
        *(
            claim(measured, method, group)
            for group, claim, method in itertools.product(
                groups, (_everywhere, _continuous), comparisons.S4_MIXERS
            )
            if not group or measured.of(method, group=group)
        ),
        _remembers(measured),
        _faster(measured, "training", "equal tokens and parameters", SEVERAL),
        _faster(measured, "training", "one token against three", SEVERAL),
        _faster(measured, "acting", "equal tokens", SEVERAL),
        _faster(measured, "training", "equal tokens and parameters", EXTREME),
        _faster(measured, "acting", "equal tokens", EXTREME),
        *(
            _tokens(measured, question, group)
            for question, group in TOKENS.items()
            if not group or comparisons.answers(measured.question(question))
        ),
        _joins(measured),
        _published(measured, is_uniform=False),
        _published(measured, is_uniform=True),
    ]


def count(outcomes: Iterable[str]) -> str:
    """Counts outcomes in words."""
    counted = collections.Counter(outcomes)
    return ", ".join(f"{counted[word]} {word}" for word in scores.OUTCOMES if counted[word])


def count_in(pairs: Sequence[Judged]) -> str:
    """Counts in how many settings each outcome was found."""
    counted = collections.Counter(pair.main.outcome for pair in pairs)
    return document.listed(
        [f"{word} in {counted[word]}" for word in scores.OUTCOMES if counted[word]]
    )


def by_kinds(pairs: Sequence[Judged]) -> str:
    """Counts the outcomes of comparisons for each way of choosing actions."""
    texts = []
    for kind in (load.GREEDY, load.SAMPLED):
        own = [each.by_kind[kind].outcome for each in pairs if kind in each.by_kind]
        texts += [f"{kind}: {count(own)}"] if own else []
    return "; ".join(texts)


def everywhere(outcomes: Sequence[str]) -> str:
    """Judges "in every environment": one setting that is not better refutes it."""
    if not outcomes:
        return OPEN
    if {scores.WORSE, scores.EQUAL} & set(outcomes):
        return REFUTED
    return HOLDS if set(outcomes) == {scores.BETTER} else UNDECIDED


def _everywhere(measured: Measured, method: str, group: str) -> Claim:
    pairs = measured.of(method, group=group)
    outcomes = [each.outcome for pair in pairs for each in pair.by_kind.values()]
    text = f"{NAMES[method]} beats attention in every environment" + _in_group(group)
    return Claim(text, everywhere(outcomes), by_kinds(pairs) or "-", "everywhere")


def most(interval: bootstrap.Interval | None) -> str:
    """Judges "gains most" by the interval of the difference of two gains."""
    if interval is None:
        return OPEN
    return HOLDS if interval.low > 0 else REFUTED if interval.high < 0 else UNDECIDED


def _in_group(group: str) -> str:
    return f": {group}" if group else ""


def _continuous(measured: Measured, method: str, group: str) -> Claim:
    text = f"{NAMES[method]} gains most where the state is continuous" + _in_group(group)
    texts, intervals, fewest = [], [], LEAST_SETTINGS
    for kind in (load.GREEDY, load.SAMPLED):
        pairs = [each for each in measured.of(method, group=group) if kind in each.by_kind]
        sides = [
            [each.by_kind[kind] for each in pairs if each.setting.is_continuous is is_continuous]
            for is_continuous in (True, False)
        ]
        if all(sides):
            intervals.append(scores.contrast(*sides))
            shown = document.show(intervals[-1], "%", signed=True)
            counts = [len(side) for side in sides]
            fewest = min(fewest, *counts)
            few = " (too few)" if min(counts) < LEAST_SETTINGS else ""
            texts.append(f"{kind}: {shown} points, {counts[0]} against {counts[1]} settings{few}")
    verdicts = {most(interval) for interval in intervals} or {OPEN}
    verdict = verdicts.pop() if len(verdicts) == 1 and fewest >= LEAST_SETTINGS else UNDECIDED
    verdict = verdict if intervals else OPEN
    return Claim(text, verdict, "; ".join(texts) or "-", "continuous")


def _remembers(measured: Measured) -> Claim:
    """Judges the longest tests of memory: state space models against every other method."""
    text, texts, verdicts = "State space models remember longest", [], []
    for name in ("long_memory", "longer_tests"):
        task = measured.task(name)
        point = scores.deciding_point(task)
        methods = scores.methods_at(task, point) if point else {}
        known = {own: comparisons.score(task, runs) for own, runs in methods.items()}
        values = {own: value for own, value in known.items() if value is not None}
        ours = [own for own in values if own in STATE_SPACES]
        others = [own for own in values if own not in ours]
        if not point or not ours or not others:
            continue
        best, rival = (max(each, key=lambda own: values[own]) for each in (ours, others))
        difference = scores.compare(
            task, methods[best], methods[rival], task.kind_of(methods[best])
        )
        outcome = difference.outcome if difference else scores.FEW
        verdicts.append({scores.BETTER: HOLDS, scores.WORSE: REFUTED}.get(outcome, UNDECIDED))
        shown = [
            f"{comparisons.method_name(own)} {comparisons.show(task, values[own])} %"
            for own in (best, rival)
        ]
        texts.append(
            f"{task.title.lower()} (longest run: {point.title}): {' against '.join(shown)}"
        )
    verdict = OPEN
    if verdicts:
        # Some tests that hold make a part; without one, a test that refutes decides.
        mixed = PARTLY if HOLDS in verdicts else REFUTED
        verdict = verdicts[0] if len(set(verdicts)) == 1 else mixed
    return Claim(text, verdict, "; ".join(texts) or "-", "remembers")


def at_least(ratios: Sequence[scores.Ratio], wanted: float) -> str:
    """Judges whether attention takes that many times longer wherever it was timed."""
    reached = [ratio.value >= wanted for ratio in ratios]
    return OPEN if not reached else HOLDS if all(reached) else PARTLY if any(reached) else REFUTED


def _faster(measured: Measured, kind: str, contest: str, wanted: float) -> Claim:
    ratios = scores.time_ratios(measured.lengths, contest, kind)
    verb = {"training": "train", "acting": "act"}[kind]
    is_extreme = wanted == EXTREME
    text = f"S4 (timed: S4D) is several times faster to {verb}: {contest}"
    if is_extreme:
        text = f"Attention is extremely slow to {verb} at long contexts: {contest}"
    numbers = ", ".join(
        f"{document.show_ratio(ratio.value)} at {ratio.place:,}" for ratio in _spread(ratios)
    )
    if scores.CONTESTS[contest][0][0] != "s4d/matched":
        text += ", S4D without feed-forward part"
    # The claims of several times, which come first, have the same numbers.
    shown = "as above" if is_extreme else f"time of attention over S4D: {numbers} steps"
    rule = "extreme" if is_extreme else "faster"
    return Claim(text, at_least(ratios, wanted), shown if ratios else "-", rule)


def _spread(ratios: Sequence[scores.Ratio]) -> Sequence[scores.Ratio]:
    """Returns the first, the last and two ratios between."""
    if len(ratios) <= 4:
        return ratios
    return [ratios[len(ratios) * part // 3 - (part == 3)] for part in range(4)]


def _tokens(measured: Measured, question: str, group: str) -> Claim:
    outcomes: dict[str, list[str]] = {}
    for answer in comparisons.answers(measured.question(question)):
        for kind, difference in answer.by_kind.items():
            outcomes.setdefault(kind, []).append(difference.outcome)
    every = {word for own in outcomes.values() for word in own} - {scores.FEW}
    verdict = OPEN if not every else REFUTED if scores.WORSE in every else UNDECIDED
    if every and every <= {scores.BETTER, scores.EQUAL}:
        verdict = HOLDS
    numbers = "; ".join(f"{kind}: {count(own)}" for kind, own in outcomes.items())
    text = "One token a step does as well as three" + _in_group(group)
    return Claim(text, verdict, numbers or "-", "tokens")


def leads(measured: Measured, pick: Callable[[str], bool]) -> dict[str, bootstrap.Interval]:
    """Returns how far each mixer is above the best score that joins no walks, by its best variant.

    Args:
        measured: Everything that was measured.
        pick: Chooses variants by their names.
    """
    task = measured.task(RANDOM_WALK.name)
    point = task.settings[-1].points[0]
    variants = dict.fromkeys(load.variant(row) for row in task.rows.scored)
    found: dict[str, bootstrap.Interval] = {}
    for method in load.MIXERS:
        for variant in filter(pick, variants):
            beyond = []
            for rows in scores.at_point(task, point, method, variant).values():
                known = [task.reference(each, rows[0]["dataset"], task.judged_by) for each in EXACT]
                best = max((value for value in known if value is not None), default=0.0)
                beyond.append([v - best for v in scores.runs(rows, task.key(task.judged_by))])
            lead = scores.mean(beyond)
            if lead and (method not in found or lead.low > found[method].low):
                found[method] = lead
    return found


def _joins(measured: Measured) -> Claim:
    ways: dict[str, Callable[[str], bool]] = {
        AS_PUBLISHED: lambda variant: not variant,
        "with relabelled returns": lambda v: v == "relabelled returns",
        "with a context of one step": lambda v: v == "one step",
        "with both": lambda v: v == "relabelled returns, one step",
    }
    texts, decides = [], None
    for name, pick in ways.items():
        if own := leads(measured, pick):
            joined = sum(lead.low > 0 for lead in own.values())
            texts.append(f"{joined} of {len(own)} mixers {name}")
            decides = own if name == AS_PUBLISHED else decides
    verdict = OPEN
    if decides:
        above = [lead.low > 0 for lead in decides.values()]
        verdict = HOLDS if all(above) else PARTLY if any(above) else REFUTED
    text = "Decision transformers join walks to paths that no recorded walk shows"
    return Claim(text, verdict, "; ".join(texts) or "-", "joins")


class Entry(NamedTuple):
    """A published number and ours, with sampled actions.

    Attributes:
        line: Name of the published line.
        size: Number of episodes.
        published: Success in percent.
        ours: Our share of successes with its interval; None if it was not run.
        can_fail: Whether random play would miss the published number.
    """

    line: str
    size: str
    published: float
    ours: bootstrap.Interval | None
    can_fail: bool

    @property
    def agrees(self) -> bool:
        """Whether the published number is at most the smallest difference off our interval."""
        if self.ours is None:
            return False
        # An exact number has no interval: its ends are NaN.
        low, high = (self.ours.value if end != end else end for end in self.ours[1:])
        return low - scores.MATTERS <= self.published / 100 <= high + scores.MATTERS


def entries(measured: Measured, *, is_uniform: bool = False) -> list[Entry]:
    """Returns all published numbers with ours.

    Args:
        measured: Everything that was measured.
        is_uniform: Whether our attention has uniform batches.
    """
    task = measured.task("key_to_door")
    attention, variants = task, dict.fromkeys(SIZES, BALANCED)
    if is_uniform:
        attention, variants = doors.uniform(task, measured.task(doors.UNIFORM_BATCHES.name))
    found = []
    for line, (method, numbers) in PUBLISHED.items():
        for size, published in numbers.items():
            point = next(p for p in task.points if p.data == (SIZES[size],))
            random = task.reference("random", SIZES[size], load.SAMPLED)
            ours = None
            if method == "random":
                ours = None if random is None else bootstrap.Interval(random, *[float("nan")] * 2)
            else:
                strata = scores.methods_at(task, point).get(method, {})
                if method == scores.ATTENTION:
                    strata = scores.at_point(attention, point, method, variants[size])
                ours = scores.mean(scores.runs(r, task.key(load.SAMPLED)) for r in strata.values())
            can_fail = random is not None and abs(published / 100 - random) > scores.MATTERS
            found.append(Entry(line, size, published, ours, can_fail))
    return found


def _published(measured: Measured, *, is_uniform: bool) -> Claim:
    found = entries(measured, is_uniform=is_uniform)
    every = [each for each in found if each.can_fail and each.ours]
    kind = "uniform batches" if is_uniform else "balanced batches"
    if is_uniform:
        every = [each for each in every if each.line == "DT"]
    good = [each.agrees for each in every]
    verdict = OPEN if not good else HOLDS if all(good) else PARTLY if any(good) else REFUTED
    numbers = f"{sum(good)} of {len(good)} published numbers agree" if good else "-"
    text = f"The Decision Transformer's key-to-door table: {kind}"
    return Claim(text, verdict, numbers, "published")
