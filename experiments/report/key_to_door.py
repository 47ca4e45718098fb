"""Key-to-door: the published table beside ours, goals set in advance, and probes of models."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments import figures
from experiments.report import document, load, plots, scores, tables, verdicts
from experiments.report.catalog import RANDOM, Experiment
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
# Start of variants that are tested with other episodes than those of training.
LONGER = "tested with longer waits"
# Steps between key and door, in training and in tests.
TRAINED, TESTED = 30, (90, 300, 1_000, 4_000)
MEMORIES = {"": "as in training", "_whole": "whole episode"}
# Rows of the published table: Decision Transformer, percentile behavior cloning, conservative
# Q-learning, behavior cloning, random play. Each has the name in our rows, our variant that the
# verdict rests on, and success in percent by number of episodes.
ROWS = {
    DT: ("attention", MAIN, {"1K": 71.8, "10K": 94.6}),
    "%BC": ("percent_bc", "attention", {"1K": 69.9, "10K": 95.1}),
    "CQL": ("cql", "conservatism 1", {"1K": 13.1, "10K": 13.3}),
    "BC": ("bc", "attention", {"1K": 1.4, "10K": 1.6}),
    "random": (RANDOM, EXACT, {"1K": 3.1, "10K": 3.1}),
}
# Rows whose variant of ours is named on the front page.
NAMED = (DT, "CQL")


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
        return self.published is not None and self.variant == ROWS[self.row][1]

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
    for name, (method, decides, numbers) in ROWS.items():
        for size, number in numbers.items():
            if decides == EXACT:
                # Random play does not depend on the data, so the rows may hold it for one size.
                last = [None, *exact(experiment, RANDOM).values()][-1]
                nan = float("nan")
                value = None if last is None else bootstrap.Interval(last, nan, nan)
                yield Entry(name, size, number, EXACT, value, value)
                continue
            same = [g for g in groups if (g.method, g.dataset) == (method, SIZES[size])]
            if not any(group.variant == decides for group in same):
                yield Entry(name, size, number, decides)
            yield from (_entry(name, size, number, group) for group in same)
    methods = {method for method, _, _ in ROWS.values()}
    for group in groups:
        for size, dataset in SIZES.items():
            if group.method not in methods and group.dataset == dataset:
                yield _entry(group.method, size, None, group)


def _entry(name: str, size: str, number: float | None, group: load.Group) -> Entry:
    kinds = load.SAMPLED, load.GREEDY
    sampled, greedy = (scores.strata(group.rows, f"success_{kind}") for kind in kinds)
    runs, middles = sum(map(len, sampled.values())), (scores.middle(sampled), scores.middle(greedy))
    return Entry(name, size, number, group.variant, *middles, runs, group.rows[-1]["updates"])


def exact(experiment: Experiment, method: str) -> dict[str, float]:
    """Returns the success of a method that needs no training, by number of episodes."""
    values = {}
    for size, dataset in SIZES.items():
        for row in experiment.rows.references:
            if (row["method"], row["dataset"]) == (method, dataset):
                values[size] = experiment.reference(row)
    return {size: value for size, value in values.items() if value is not None}


def uniform(experiment: Experiment) -> list[Entry]:
    """Returns attention with uniform batches, by number of episodes, after the most updates."""
    every = [e for e in entries(experiment) if e.row == DT and e.variant.startswith(UNIFORM)]
    by_size = [[each for each in every if each.size == size] for size in SIZES]
    return [max(own, key=lambda entry: entry.updates) for own in by_size if own]


def updates_of(entry: Entry) -> str:
    """Returns the end of the name of uniform batches, which tells the updates."""
    is_uniform = entry.variant.startswith(UNIFORM)
    return entry.variant.removeprefix(UNIFORM) if is_uniform else ""


def verdict(pairs: Sequence[Entry]) -> verdicts.Verdict:
    """Judges whether published numbers are reproduced."""
    return verdicts.all_of({f"{each.row}, {each.size}": each.verdict for each in pairs})


def agreeing(pairs: Sequence[Entry]) -> str:
    """Says how many numbers agree."""
    good = sum(each.verdict.word == verdicts.HOLDS for each in pairs)
    return f"{good} of {len(pairs)}"


def in_short(experiment: Experiment) -> document.Table:
    """Shows the published numbers beside ours that decide, uniform batches and our mixers."""
    every = list(entries(experiment))
    lines: dict[str, dict[str, Entry]] = {}
    for name, (_, decides, _) in ROWS.items():
        title = document.join(name, decides if name in NAMED else "")
        lines[title] = {each.size: each for each in every if each.row == name and each.decides}
        if name == DT and (longest := uniform(experiment)):
            lines[f"{DT}, {UNIFORM}"] = {each.size: each for each in longest}
    for mixer in ("s4d", "s4"):
        own = [each for each in every if (each.row, each.variant) == (mixer, MAIN)]
        lines[f"{mixer.upper()}, {MAIN}"] = {each.size: each for each in own}
    cells = [[title, *_beside(title, own)] for title, own in lines.items()]
    if lookup := exact(experiment, "lookup"):
        ours = [document.number(lookup.get(size), "%") for size in SIZES]
        cells.append(["lookup of successful episodes", *(c for each in ours for c in ("-", each))])
    head = [text for size in SIZES for text in (f"published, {size}", f"ours, {size}")]
    return document.Table(["success, %", *head], cells)


def _beside(title: str, own: Mapping[str, Entry]) -> Iterator[str]:
    """Yields the published number and ours, for every number of episodes."""
    row = ROWS.get(title.partition(",")[0])
    for size in SIZES:
        entry = own.get(size)
        yield f"{row[2][size]:.1f}" if row else "-"
        yield document.show(entry.sampled, "%") + updates_of(entry) if entry else "-"


def published(experiment: Experiment) -> list[document.Block]:
    """Shows the goals of our table, and the published table beside it."""

    def badge(each: Entry) -> document.Cell:
        if each.published is None:
            return ""
        if each.verdict.word == verdicts.HOLDS:
            return document.Badge("agrees", document.GOOD)
        return document.Badge(each.verdict.where or each.verdict.word, each.verdict.badge.tone)

    equal = "; ".join(equals(experiment))
    text = document.text("notes", "percentile behavior cloning", equals=equal)
    return [
        document.Heading("Goals of this table", 3),
        document.Table(["wanted", "ours", ""], list(goals(experiment)), 3),
        document.note("wanted", variant=MAIN),
        *([document.Paragraph(text)] if equal else []),
        *tables.section(
            "Beside the published table",
            list(entries(experiment)),
            {
                "method": "row",
                "episodes": "size",
                "variant of ours": lambda e: f"**{e.variant}**" if e.decides else e.variant,
                "published, %": lambda e: "-" if e.published is None else f"{e.published:.1f}",
                "ours, sampled, %": lambda each: document.show(each.sampled, "%"),
                "ours, greedy, %": lambda each: document.show(each.greedy, "%"),
                "runs": lambda each: str(each.num_runs or "-"),
                "": badge,
            },
            left=3,
            note="published",
            tolerance=f"{MARGIN:g}",
            widest=f"{verdicts.WIDEST:g}",
        ),
    ]


Goal = tuple[str, str, document.Badge]
"""A goal that was set in advance, our number, and whether it was reached."""


def _goal(wanted: str, ours: str, is_reached: bool | None, *, is_sure: bool = True) -> Goal:
    if is_reached is None:
        return wanted, ours, document.Badge("not yet run", document.OPEN)
    if not is_reached:
        return wanted, ours, document.Badge("missed", document.BAD)
    if not is_sure:
        return wanted, ours, document.Badge("reached, not surely", document.MIXED)
    return wanted, ours, document.Badge("reached", document.GOOD)


def goals(experiment: Experiment) -> Iterator[Goal]:
    """Yields all goals of our table."""
    random = exact(experiment, RANDOM).get("1K")
    random = None if random is None else 100 * random
    near = None if random is None else abs(random - RANDOM_PLAY) <= RANDOM_WITHIN
    wanted = f"random play {RANDOM_PLAY:g} ± {RANDOM_WITHIN:g} %"
    yield _goal(wanted, document.number(random), near)
    for size in WANTED:
        ours = _success(experiment, "bc", size)
        near = None
        if ours is not None and random is not None:
            near = abs(100 * ours.value - random) <= CLONE_WITHIN
        wanted = f"behavior cloning within {CLONE_WITHIN:g} points of random play, {size}"
        yield _goal(wanted, document.show(ours, "%"), near)
    names = {"percent_bc": "percentile behavior cloning", "attention": "attention"}
    for size, least in WANTED.items():
        for method, name in names.items():
            ours = _success(experiment, method, size)
            reached = None if ours is None else 100 * ours.value >= least
            sure = ours is not None and 100 * ours.low >= least
            wanted = f"{name} at least {least:g} %, {size}"
            yield _goal(wanted, document.show(ours, "%"), reached, is_sure=sure)
    for size in WANTED:
        pairs = {mixer: _against_attention(experiment, mixer, size) for mixer in scores.S4_MIXERS}
        texts, reached = [], False
        for mixer, each in pairs.items():
            if each:
                difference = document.show(each.interval, "%", signed=True)
                texts.append(f"{mixer} {difference}, {each.outcome}")
                reached |= 100 * each.interval.low > -MARGIN and each.outcome != scores.BEHIND
        wanted = f"S4 or S4D as good as attention within {MARGIN:g} points, and not behind, {size}"
        is_known = reached or all(pairs.values())
        yield _goal(wanted, "\n".join(texts) or "-", reached if is_known else None)
    for size in WANTED:
        success = _success(experiment, "attention", size)
        for metric, name in CONTROLS.items():
            wanted = f"attention, {name}, below half of its success, {size}"
            control = _success(experiment, "attention", size, metric) if success else None
            below = control.high < success.low / 2 if control and success else None
            yield _goal(wanted, document.show(control, "%"), below)


def equals(experiment: Experiment) -> Iterator[str]:
    """Says whether percentile behavior cloning equals attention, for each number of episodes."""
    for size in WANTED:
        if against := _against_attention(experiment, "percent_bc", size):
            near = 100 * max(abs(against.interval.low), abs(against.interval.high)) < MARGIN
            word = f"equals within {MARGIN:g} points" if near else STATES[against.outcome]
            shown = document.show(against.interval, "%", signed=True)
            fields = {"size": size, "word": word, "difference": shown}
            yield document.text("notes", "equals attention", **fields)


def _group(experiment: Experiment, method: str, size: str) -> load.Group | None:
    """Returns the runs of a method: clones around attention, other models of the main variant."""
    variant = "attention" if method in ("bc", "percent_bc") else MAIN
    wanted = (method, variant, SIZES[size])
    groups = (g for g in experiment.groups if (g.method, g.variant, g.dataset) == wanted)
    return next(groups, None)


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


def probes(experiment: Experiment) -> list[document.Block]:
    """Shows what the action at the door depends on, and longer waits than in training."""
    longer = [group for group in experiment.groups if group.variant.startswith(LONGER)]
    main = [
        group
        for group in experiment.groups
        if group.variant == experiment.main_variants[0] and group.values("action_on_key")
    ]
    return [*_attribution(main), *_waits(longer)]


def _attribution(groups: Sequence[load.Group]) -> list[document.Block]:
    if not groups:
        return []
    title, data = "What the action at the door depends on", groups[0].data
    heading, table, note = tables.section(
        title,
        groups,
        {
            "method": "method",
            "data": "data",
            "runs": lambda group: str(len(group.values("action_on_key"))),
            "gradient, three steps around the key": lambda group: share(group, "action_on_key"),
            "rank of the step of the key": lambda group: document.mean(
                group.values("action_key_rank")
            ),
            "attention, three steps around the key": lambda group: share(
                group, "attention_action_on_key"
            ),
        },
        left=2,
        note="attribution",
        data=data,
    )
    drawn = [group for group in groups if group.data == data and group.values("action_curve")]
    text = f"{title}, by step of the episode"
    picture = _picture("resting", text, drawn, plots.attribution, drawn)
    return [heading, *([picture] if drawn else []), table, note]


def _waits(groups: Sequence[load.Group]) -> list[document.Block]:
    if not groups:
        return []
    waits = {
        memory: dict.fromkeys((TRAINED, *TESTED), "success_sampled")
        | {steps: f"success{memory}_at_{steps}_sampled" for steps in TESTED}
        for memory in MEMORIES
    }
    lines = [
        (group, memory)
        for group in groups
        for memory in MEMORIES
        if any(group.values(waits[memory][steps]) for steps in TESTED)
    ]
    columns: dict[str, tables.Column[tuple[load.Group, str]]] = {
        "method": lambda line: line[0].method,
        "time": lambda line: line[0].variant.partition(", ")[2] or "by its state",
        "memory": lambda line: MEMORIES[line[1]],
        "runs": lambda line: str(len(line[0].rows)),
    }
    for steps in (TRAINED, *TESTED):
        columns[f"{steps:,} steps"] = lambda line, steps=steps: scores.middle_of(
            line[0], waits[line[1]][steps], "%"
        )
    curves = []
    for group, memory in lines:
        name = document.join(group.method, group.variant.partition(", ")[2], memory.strip("_"))
        # Attention has several lines, so its variants have colors of their own.
        color = figures.color(group.name if group.method == "attention" else group.method)
        dash = "--" if memory and (group, "") in lines else "-"
        points = {
            steps: [100 * v for v in group.values(key)] for steps, key in waits[memory].items()
        }
        shown = {steps: values for steps, values in points.items() if values}
        curves.append((name, color, dash, shown))
    title, text = "Longer waits than in training", "Success against steps between key and door"
    return [
        *tables.section(title, lines, columns, left=3, note="waits", steps=TRAINED),
        _picture("waits", text, groups, plots.waits, curves),
    ]


def share(group: load.Group, key: str) -> str:
    """Returns a share in percent, and in brackets what equal weights would have."""
    values = group.values(key)
    uniform = group.values(f"{key.removeprefix('attention_')}_uniform")
    return f"{document.mean(values, '%')} ({document.mean(uniform, '%')})" if values else "-"


def _picture(
    name: str, text: str, groups: Sequence[load.Group], plot: plots.Plot, shown: object
) -> document.Picture:
    rows = [row for group in groups for row in group.rows]
    return plots.picture(f"key_to_door-{name}", text, rows, plot, shown)
