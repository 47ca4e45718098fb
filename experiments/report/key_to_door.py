"""Key-to-door: the published table beside ours, and the goals that were set in advance."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.report import document, load, scores, tables, verdicts
from experiments.report.experiment import RANDOM, Experiment
from jax_s4rl.evaluation import bootstrap

SIZES = {"1K": "key_to_door/dt/random-1000", "10K": "key_to_door/dt/random-10000"}
MAIN = "balanced batches"
# Batches as the data come, as the published ones were; the name ends in the number of updates.
UNIFORM = "uniform batches"
DT, EXACT = "DT", "exact"
# Random play in percent, and how far off it and behavior cloning may be.
RANDOM_PLAY, RANDOM_WITHIN, CLONE_WITHIN = 2.7, 0.5, 2.0
WANTED = {"1K": 65.0, "10K": 90.0}
# Differences below this, in percent, are called equal.
MARGIN = verdicts.TOLERANCE
CONTROLS = {"target_0": "target return 0", "wrong_key": "key shown on a wrong cell"}
STATES = {scores.AHEAD: "is ahead of", scores.BEHIND: "is behind", scores.LEVEL: "may equal"}


class Published(NamedTuple):
    """A row of the published table.

    Attributes:
        method: Name in our rows.
        decides: Our variant that the verdict rests on.
        numbers: Success in percent, by number of episodes.
        is_named: Whether our variant is named beside it on the front page.
    """

    method: str
    decides: str
    numbers: Mapping[str, float]
    is_named: bool = False


# Decision Transformer, percentile behavior cloning, conservative Q-learning, behavior cloning,
# random play.
ROWS = {
    DT: Published("attention", MAIN, {"1K": 71.8, "10K": 94.6}, is_named=True),
    "%BC": Published("percent_bc", "attention", {"1K": 69.9, "10K": 95.1}),
    "CQL": Published("cql", "conservatism 1", {"1K": 13.1, "10K": 13.3}, is_named=True),
    "BC": Published("bc", "attention", {"1K": 1.4, "10K": 1.6}),
    "random": Published(RANDOM, EXACT, {"1K": 3.1, "10K": 3.1}),
}


class Entry(NamedTuple):
    """A published number and ours.

    Attributes:
        row: Name of the published row.
        size: Number of episodes.
        published: Success in percent; None if our method is not in the published table.
        variant: Our variant.
        sampled: Our share of successes with sampled actions.
        greedy: Our share with greedy actions.
        num_runs: Number of our runs, or recordings.
        updates: Updates of our training.
    """

    row: str
    size: str
    published: float | None
    variant: str
    sampled: bootstrap.Interval | None = None
    greedy: bootstrap.Interval | None = None
    num_runs: int = 0
    updates: int = 0

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on it."""
        return self.published is not None and self.variant == ROWS[self.row].decides

    @property
    def verdict(self) -> verdicts.Verdict:
        """Whether the two agree, by sampled actions."""
        if self.published is None or self.sampled is None:
            return verdicts.Verdict(verdicts.OPEN)
        if self.variant != EXACT and self.num_runs < scores.LEAST_RUNS:
            return verdicts.Verdict(verdicts.OPEN, scores.FEW)
        return verdicts.agrees(self.published, self.sampled)


def entries(experiment: Experiment) -> Iterator[Entry]:
    """Yields every published number with all our variants that count, then our other mixers."""
    groups = [group for group in experiment.groups if experiment.counts(group.variant)]
    for name, row in ROWS.items():
        for size, number in row.numbers.items():
            if row.decides == EXACT:
                yield _random(experiment, size, number)
                continue
            ours = [
                each for each in groups if (each.method, each.dataset) == (row.method, SIZES[size])
            ]
            if not any(group.variant == row.decides for group in ours):
                yield Entry(name, size, number, row.decides)
            yield from (_entry(name, size, number, group) for group in ours)
    methods = {row.method for row in ROWS.values()}
    for group in groups:
        for size, dataset in SIZES.items():
            if group.method not in methods and group.dataset == dataset:
                yield _entry(group.method, size, None, group)


def _entry(name: str, size: str, number: float | None, group: load.Group) -> Entry:
    sampled, greedy = (
        scores.strata(group.rows, f"success_{kind}") for kind in ("sampled", "greedy")
    )
    runs = sum(map(len, sampled.values()))
    updates = group.rows[-1]["updates"]
    middles = scores.middle(sampled), scores.middle(greedy)
    return Entry(name, size, number, group.variant, *middles, runs, updates)


def _random(experiment: Experiment, size: str, number: float) -> Entry:
    # Random play does not depend on the data, so the rows may hold it for one size.
    exact = [_reference(experiment, RANDOM, dataset) for dataset in SIZES.values()]
    values = [value for value in exact if value is not None]
    value = bootstrap.Interval(values[-1], float("nan"), float("nan")) if values else None
    return Entry(RANDOM, size, number, EXACT, value, value)


def _reference(experiment: Experiment, method: str, dataset: str) -> float | None:
    rows = [
        row
        for row in experiment.rows.references
        if (row["method"], row["dataset"]) == (method, dataset)
    ]
    return experiment.reference(rows[-1]) if rows else None


def deciding(experiment: Experiment) -> list[Entry]:
    """Returns every number beside our variant that was named for it."""
    return [each for each in entries(experiment) if each.decides]


def uniform(experiment: Experiment) -> list[Entry]:
    """Returns attention with uniform batches, by number of episodes, after the most updates."""
    longest: dict[str, Entry] = {}
    for each in entries(experiment):
        if each.row == DT and each.variant.startswith(UNIFORM):
            other = longest.get(each.size, each)
            longest[each.size] = max(other, each, key=lambda entry: entry.updates)
    return list(longest.values())


def verdict(pairs: Sequence[Entry]) -> verdicts.Verdict:
    """Judges whether published numbers are reproduced."""
    return verdicts.all_of({f"{each.row}, {each.size}": each.verdict for each in pairs})


def agreeing(pairs: Sequence[Entry]) -> str:
    """Says how many numbers agree."""
    good = sum(each.verdict.word == verdicts.HOLDS for each in pairs)
    return f"{good} of {len(pairs)}"


def other_variants(experiment: Experiment) -> list[Entry]:
    """Returns the published numbers beside variants of ours that do not decide."""
    return [each for each in entries(experiment) if each.published is not None and not each.decides]


def in_short(experiment: Experiment) -> document.Table:
    """Shows the published numbers beside ours that decide, uniform batches and our mixers."""
    ours_of = {(each.row, each.size): each for each in deciding(experiment)}
    lines = []
    for name, row in ROWS.items():
        cells = [document.join(name, row.decides if row.is_named else "")]
        for size, number in row.numbers.items():
            cells += [f"{number:.1f}", scores.show(ours_of[name, size].sampled, "%")]
        lines.append(cells)
    longest = {each.size: each for each in uniform(experiment)}
    if longest:
        cells = [f"{DT}, {UNIFORM}"]
        for size in SIZES:
            own = longest.get(size)
            more = own.variant.removeprefix(UNIFORM) if own else ""
            ours = scores.show(own.sampled, "%") + more if own else "-"
            cells += [f"{ROWS[DT].numbers[size]:.1f}", ours]
        lines.insert(1, cells)
    mixers = {(each.row, each.size): each for each in entries(experiment) if each.variant == MAIN}
    for mixer in ("s4d", "s4"):
        own = [mixers.get((mixer, size)) for size in SIZES]
        ours = [scores.show(each.sampled if each else None, "%") for each in own]
        lines.append([f"{mixer.upper()}, {MAIN}", *(cell for each in ours for cell in ("-", each))])
    lookup = [_reference(experiment, "lookup", dataset) for dataset in SIZES.values()]
    if any(value is not None for value in lookup):
        ours = [scores.number(value, "%") for value in lookup]
        cells = (cell for each in ours for cell in ("-", each))
        lines.append(["lookup of successful episodes", *cells])
    head = [text for size in SIZES for text in (f"published, {size}", f"ours, {size}")]
    return document.Table(["success, %", *head], lines)


def section(experiment: Experiment) -> list[document.Block]:
    """Shows the goals of our table, and the published table beside it."""
    wanted = tables.table(goals(experiment), {"wanted": "wanted", "ours": "ours", "": "badge"})
    equal = "; ".join(equals(experiment))
    text = document.text("notes", "percentile behavior cloning", equals=equal)
    return [
        document.Heading("Goals of this table", 3),
        wanted,
        document.note("wanted", variant=MAIN),
        *([document.Paragraph(text)] if equal else []),
        document.Heading("Beside the published table", 3),
        _published_table(experiment),
        document.note("published", tolerance=f"{MARGIN:g}", widest=f"{verdicts.WIDEST:g}"),
    ]


def _published_table(experiment: Experiment) -> document.Table:
    def badge(each: Entry) -> document.Cell:
        if each.published is None:
            return ""
        if each.verdict.word == verdicts.HOLDS:
            return document.Badge("agrees", document.GOOD)
        return document.Badge(each.verdict.where or each.verdict.word, each.verdict.badge.tone)

    columns: dict[str, tables.Column[Entry]] = {
        "method": "row",
        "episodes": "size",
        "variant of ours": lambda each: f"**{each.variant}**" if each.decides else each.variant,
        "published, %": lambda each: "-" if each.published is None else f"{each.published:.1f}",
        "ours, sampled, %": lambda each: scores.show(each.sampled, "%"),
        "ours, greedy, %": lambda each: scores.show(each.greedy, "%"),
        "runs": lambda each: str(each.num_runs or "-"),
        "": badge,
    }
    return tables.table(entries(experiment), columns, left=3)


class Goal(NamedTuple):
    """A goal that was set in advance.

    Attributes:
        wanted: The goal.
        ours: Our number.
        is_reached: Whether it was reached; None if it is not known yet.
        is_sure: Whether the whole interval says so.
    """

    wanted: str
    ours: str
    is_reached: bool | None
    is_sure: bool = True

    @property
    def badge(self) -> document.Badge:
        """The colored word."""
        if self.is_reached is None:
            return document.Badge("not yet run", document.OPEN)
        if not self.is_reached:
            return document.Badge("missed", document.BAD)
        if not self.is_sure:
            return document.Badge("reached, not surely", document.MIXED)
        return document.Badge("reached", document.GOOD)


def goals(experiment: Experiment) -> Iterator[Goal]:
    """Yields all goals of our table."""
    random = _reference(experiment, RANDOM, SIZES["1K"])
    random = None if random is None else 100 * random
    near = None if random is None else abs(random - RANDOM_PLAY) <= RANDOM_WITHIN
    wanted = f"random play {RANDOM_PLAY:g} ± {RANDOM_WITHIN:g} %"
    yield Goal(wanted, scores.number(random), near)
    for size in WANTED:
        ours = _success(experiment, "bc", size)
        near = None
        if ours is not None and random is not None:
            near = abs(100 * ours.value - random) <= CLONE_WITHIN
        wanted = f"behavior cloning within {CLONE_WITHIN:g} points of random play, {size}"
        yield Goal(wanted, scores.show(ours, "%"), near)
    for size, least in WANTED.items():
        for method, name in (
            ("percent_bc", "percentile behavior cloning"),
            ("attention", "attention"),
        ):
            ours = _success(experiment, method, size)
            reached = None if ours is None else 100 * ours.value >= least
            sure = ours is not None and 100 * ours.low >= least
            wanted = f"{name} at least {least:g} %, {size}"
            yield Goal(wanted, scores.show(ours, "%"), reached, sure)
    for size in WANTED:
        yield _as_good(experiment, size)
    for size in WANTED:
        for metric, name in CONTROLS.items():
            wanted = f"attention, {name}, below half of its success, {size}"
            control = _success(experiment, "attention", size, metric)
            success = _success(experiment, "attention", size)
            if control is None or success is None:
                yield Goal(wanted, "-", None)
            else:
                below = control.high < success.low / 2
                yield Goal(wanted, scores.show(control, "%"), below)


def _as_good(experiment: Experiment, size: str) -> Goal:
    against = {mixer: _against_attention(experiment, mixer, size) for mixer in ("s4", "s4d")}
    judged = {mixer: each for mixer, each in against.items() if each}
    texts = [
        f"{mixer} {scores.show(each.interval, '%', signed=True)}, {each.outcome}"
        for mixer, each in judged.items()
    ]
    reached = any(
        100 * each.interval.low > -MARGIN and each.outcome != scores.BEHIND
        for each in judged.values()
    )
    wanted = f"S4 or S4D as good as attention within {MARGIN:g} points, and not behind, {size}"
    return Goal(
        wanted, "\n".join(texts) or "-", reached if reached or all(against.values()) else None
    )


def equals(experiment: Experiment) -> Iterator[str]:
    """Says whether percentile behavior cloning equals attention, for each number of episodes."""
    for size in WANTED:
        if against := _against_attention(experiment, "percent_bc", size):
            near = 100 * max(abs(against.interval.low), abs(against.interval.high)) < MARGIN
            word = f"equals within {MARGIN:g} points" if near else STATES[against.outcome]
            shown = scores.show(against.interval, "%", signed=True)
            fields = {"size": size, "word": word, "difference": shown}
            yield document.text("notes", "equals attention", **fields)


def _group(experiment: Experiment, method: str, size: str) -> load.Group | None:
    """Returns the runs of a method: clones around attention, other models of the main variant."""
    variant = "attention" if method in ("bc", "percent_bc") else MAIN
    wanted = (method, variant, SIZES[size])
    for each in experiment.groups:
        if (each.method, each.variant, each.dataset) == wanted:
            return each
    return None


def _success(
    experiment: Experiment, method: str, size: str, metric: str = "success"
) -> bootstrap.Interval | None:
    """Returns a share with sampled actions; None with fewer than five runs or recordings."""
    group = _group(experiment, method, size)
    values = scores.strata(group.rows, f"{metric}_sampled") if group else {}
    is_judged = sum(map(len, values.values())) >= scores.LEAST_RUNS
    return scores.middle(values) if is_judged else None


def _against_attention(experiment: Experiment, method: str, size: str) -> scores.Difference | None:
    """Compares success with attention's; None with fewer than five runs or recordings."""
    one, two = (_group(experiment, name, size) for name in (method, "attention"))
    pair = scores.compare(experiment, one, two) if one and two else None
    return pair.score if pair and pair.has_runs else None
