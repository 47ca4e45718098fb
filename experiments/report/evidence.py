"""Tables behind the claims: all comparisons, losses under single changes, times and cost."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experiments.report import document, load, scores, speeds, tables, verdicts
from experiments.report.experiment import Experiment
from jax_s4rl.evaluation import documents

COMPARISONS, TIMES = "Comparisons behind the claims", "Times behind the claims"
MIXERS = ("s4", "s4d")
# Compared models, by the words of the claims.
CONTESTS = {
    "like for like": speeds.ALIKE,
    "with as many parameters": speeds.MATCHED,
    "S4 with one token, attention with three": speeds.ONE_THREE,
}
SCRIPTS = {"train": "benchmarks.training", "act": "benchmarks.acting"}
# How rows name a machine on which a process had one core.
ONE_CORE = ", 1 cores"
# Seconds that the quick look at an experiment may take.
LOOK_WITHIN = 300.0


class Evidence(NamedTuple):
    """Everything that was measured.

    Attributes:
        experiments: The experiments with their rows.
        training: Rows of the benchmark of updates.
        acting: Rows of the benchmark of actions.
        earlier: Rows of code that was changed since; only their time counts.
        looks: Rows of quick looks at experiments.
        reruns: Rows of trials that were trained again.
        versions: Rows of trials that were trained again under other versions of JAX.
    """

    experiments: Sequence[Experiment]
    training: Sequence[load.Row] = ()
    acting: Sequence[load.Row] = ()
    earlier: Sequence[load.Row] = ()
    looks: Sequence[load.Row] = ()
    reruns: Sequence[load.Row] = ()
    versions: Sequence[load.Row] = ()

    def times(self, verb: str) -> Sequence[load.Row]:
        """Returns the rows of the benchmark of updates ("train") or of actions ("act")."""
        return {"train": self.training, "act": self.acting}[verb]

    @property
    def environments(self) -> list[Experiment]:
        """Experiments on an environment."""
        return [each for each in self.experiments if each.is_environment]

    def experiment(self, name: str) -> Experiment:
        """Returns the experiment of a name."""
        return next(each for each in self.experiments if each.name == name)

    def comparisons(self, mixer: str) -> dict[str, list[scores.Comparison]]:
        """Returns the comparisons with attention, by environment, if there are any."""
        pairs = {each.title: list(scores.against(each, mixer)) for each in self.environments}
        return {name: own for name, own in pairs.items() if own}


class Change(NamedTuple):
    """A lost comparison, made again with one change of one side."""

    method: str
    change: str
    comparison: scores.Comparison


def of_loser(comparison: scores.Comparison) -> scores.Comparison | None:
    """Returns a comparison from the side that lost it; None if neither did."""
    if comparison.outcome == scores.AHEAD:
        return scores.compare(comparison.experiment, comparison.other, comparison.group)
    return comparison if comparison.outcome == scores.BEHIND else None


def changes(lost: scores.Comparison) -> Iterator[Change]:
    """Yields the changes that were tried: first of the loser, then of the other side."""
    experiment = lost.experiment
    for group in (lost.group, lost.other):
        for changed in experiment.groups:
            variant, change = experiment.split(changed.variant)
            is_same = (changed.data, variant) == (lost.group.data, lost.group.variant)
            if changed.method != group.method or not change or not is_same:
                continue
            sides = (changed, lost.other) if group is lost.group else (lost.group, changed)
            if again := scores.compare(experiment, *sides):
                yield Change(group.method, change, again)


def tell(comparison: scores.Comparison) -> str:
    """Names a comparison, and the outcome after each change of the side that lost it."""
    lost = of_loser(comparison)
    if lost is None:
        return comparison.name
    by_outcome: dict[str, list[str]] = {outcome: [] for outcome in scores.OUTCOMES}
    for each in changes(lost):
        if each.method == lost.group.method:
            runs, all_runs = each.comparison.score.runs[0], lost.score.runs[0]
            fewer = f" ({runs} of {all_runs} runs)" if runs < all_runs else ""
            by_outcome[each.comparison.outcome].append(each.change + fewer)
    who = "" if lost is comparison else f"{lost.group.method} "
    tried = [
        f"{who}{outcome} with {', '.join(names)}" for outcome, names in by_outcome.items() if names
    ]
    return "; ".join([lost.name, *tried])


def comparisons(evidence: Evidence) -> list[document.Block]:
    """Shows every comparison of a mixer with attention, then all losses."""
    pairs = [
        comparison
        for mixer in MIXERS
        for own in evidence.comparisons(mixer).values()
        for comparison in own
    ]
    content: list[document.Block] = [document.Heading(COMPARISONS)]
    if pairs:
        content.append(_comparisons(pairs))
    else:
        content.append(document.Paragraph("No experiment has rows of both mixers yet."))
    return [*content, document.note("comparisons"), *losses(pairs)]


def _comparisons(pairs: Sequence[scores.Comparison]) -> document.Table:
    tones = {scores.AHEAD: document.GOOD, scores.BEHIND: document.BAD}

    def link(each: scores.Comparison) -> str:
        return f"[{each.experiment.title}](#{document.anchor(each.experiment.title)})"

    def middle(each: scores.Comparison, side: int) -> str:
        metric = each.experiment.metrics[0]
        values = {
            key: [metric.factor * value for value in runs] for key, runs in each.pair[side].items()
        }
        return scores.show(scores.middle(values), metric.unit)

    def otherwise(each: scores.Comparison) -> str:
        kind = each.experiment.other_kind
        return f"{kind}: {each.otherwise.outcome}" if each.otherwise else "-"

    columns: dict[str, tables.Column[scores.Comparison]] = {
        "experiment": link,
        "setting": lambda each: each.experiment.setting_name(each.group),
        "mixer": "group.method",
        "against attention": lambda each: document.Badge(
            each.outcome, tones.get(each.outcome, document.OPEN)
        ),
        "score": lambda each: middle(each, 0),
        "score of attention": lambda each: middle(each, 1),
        "difference (plus is better)": _difference,
        "P(better)": lambda each: scores.show(each.score.improvement),
        "runs": _runs,
        "greedy / sampled": otherwise,
    }
    return tables.table(pairs, columns, left=4)


def losses(pairs: Sequence[scores.Comparison]) -> list[document.Block]:
    """Shows where a mixer or attention is behind, and what becomes of it after one change."""
    lines: list[tuple[scores.Comparison, Change | None]] = []
    for lost in filter(None, map(of_loser, pairs)):
        lines += [(lost, change) for change in changes(lost)] or [(lost, None)]
    if not lines:
        return []
    columns: dict[str, tables.Column[tuple[scores.Comparison, Change | None]]] = {
        "setting": lambda line: line[0].name,
        "who": lambda line: f"{line[0].group.method} behind {line[0].other.method}",
        "behind by": lambda line: _difference(line[0]),
        "runs": lambda line: _runs(line[0]),
        "changed": lambda line: f"{line[1].method}: {line[1].change}" if line[1] else "-",
        "then": lambda line: _difference(line[1].comparison) if line[1] else "-",
        "runs then": lambda line: _runs(line[1].comparison) if line[1] else "-",
        "outcome": lambda line: line[1].comparison.outcome if line[1] else "-",
    }
    table = tables.table(lines, columns)
    heading = document.Heading("Where a mixer is behind, and what changes it", 3)
    return [heading, table, document.note("losses")]


def _difference(each: scores.Comparison) -> str:
    return scores.show(each.score.interval, each.experiment.metrics[0].unit, signed=True)


def _runs(each: scores.Comparison) -> str:
    return ", ".join(map(str, each.score.runs))


def times(evidence: Evidence) -> list[document.Block]:
    """Shows all ratios of times."""
    content: list[document.Block] = [document.Heading(TIMES)]
    titles = {"train": "One update of training", "act": "One action, with room for a history"}
    every = [contest for own in CONTESTS.values() for contest in own]
    for verb, title in titles.items():
        rows, script = evidence.times(verb), SCRIPTS[verb]
        content.append(document.Heading(title, 3))
        if timed := speeds.compare(rows, every):
            machines = verdicts.join([row["machine"] for row in rows])
            commits = verdicts.join([str(row["commit"]) for row in rows])
            fields = {"machines": machines, "commits": commits, "script": script}
            content += [_times(timed), document.note("times", **fields)]
        else:
            command = document.Command(f"python -m {script}")
            content += [document.Paragraph("Not yet run."), command]
    return content


def _times(timed: Sequence[verdicts.Ratio]) -> document.Table:
    def milliseconds(each: verdicts.Ratio, side: int) -> str:
        return documents.milliseconds(each.milliseconds[side] / 1e3)

    columns: dict[str, tables.Column[verdicts.Ratio]] = {
        "compared": "pair",
        "at": speeds.place,
        "ms, first": lambda each: milliseconds(each, 0),
        "ms, attention": lambda each: milliseconds(each, 1),
        "ratio of medians": lambda each: speeds.show(each.value, each.interval),
        "of minima": lambda each: f"{each.of_minima:.2f}",
        "parameters, first": lambda each: f"{each.parameters[0]:,}",
        "parameters, attention": lambda each: f"{each.parameters[1]:,}",
    }
    return tables.table(timed, columns, left=2)


def hours(evidence: Evidence) -> document.Paragraph:
    """Says what all experiments took, by machine."""
    by_machine: dict[str, float] = {}
    for rows in (*(each.rows.trained for each in evidence.experiments), evidence.earlier):
        for machine in dict.fromkeys(row["machine"] for row in rows):
            spent = load.minutes([row for row in rows if row["machine"] == machine]) / 60
            by_machine[machine] = by_machine.get(machine, 0.0) + spent
    machines = [
        f"{spent:.1f} on {machine.replace(ONE_CORE, ', one core')}"
        for machine, spent in by_machine.items()
        if spent
    ]
    if not machines:
        return document.Paragraph("No experiment was run yet.")
    alone = sum(spent for machine, spent in by_machine.items() if machine.endswith(ONE_CORE))
    fields = {"hours": f"{sum(by_machine.values()):.1f}", "machines": "; ".join(machines)}
    parts = [document.text("notes", "hours", **fields)]
    if alone:
        parts.append(document.text("notes", "hours of one core", hours=f"{alone / 2:.1f}"))
    if rows := evidence.earlier:
        spent = f"{load.minutes(rows) / 60:.1f}"
        parts.append(document.text("notes", "earlier rows", rows=len(rows), hours=spent))
    return document.Paragraph(" ".join(parts))


def looks(evidence: Evidence) -> list[document.Block]:
    """Shows what the quick look at every experiment took; the last on a machine counts."""
    last = {(row["metrics"]["look"], row["machine"]): row for row in evidence.looks}
    if not last:
        return []
    seconds = [row["seconds"]["look"] for row in last.values()]
    columns: dict[str, tables.Column[load.Row]] = {
        "experiment": lambda row: f"`{row['metrics']['look']}`",
        "seconds": lambda row: f"{row['seconds']['look']:.0f}",
        "machine": lambda row: row["machine"],
    }
    table = tables.table(last.values(), columns, left=1)
    note = document.note("looks", limit=f"{LOOK_WITHIN:.0f}", longest=f"{max(seconds):.0f}")
    return [document.Fold("First looks", [table, note])]
