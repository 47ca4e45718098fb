"""Random walks: paths that no single recorded walk shows, and steps to the goal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import figures
from experiments.report import document, load, plots, scores, tables, verdicts
from experiments.report.experiment import Experiment
from jax_s4rl.evaluation import bootstrap

DATA = "nosuffix"
ONE_STEP = "one step"
RELABELLED = "relabelled returns"
# Exact scores without any joining of walks: repeating the best recorded walk; random play that
# knows the way if the goal is one edge away; random play.
EXACT = ("lookup", "blind", "random")
CLONE = "bc"
# Reference rows with exact histograms, and their dashes.
DASHES = {"random": ":", "lookup": "-.", "optimal": "-"}
# Combinations of the two changes that help to join walks, by name.
WAYS = {
    "relabelled returns, history seen": {RELABELLED},
    "returns as recorded, one step": {ONE_STEP},
    "relabelled returns, one step": {RELABELLED, ONE_STEP},
}


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
    def is_judged(self) -> bool:
        """Whether there are enough runs."""
        return self.num_runs >= scores.LEAST_RUNS

    @property
    def is_ahead(self) -> bool:
        """Whether the model surely joins walks."""
        return self.is_judged and self.interval.low > 0

    @property
    def is_plain(self) -> bool:
        """Whether the model was trained as in the papers."""
        return not self.group.variant

    @property
    def changes(self) -> set[str]:
        """Which of the two changes it has: relabelled returns, one step instead of a history."""
        return {RELABELLED, ONE_STEP} & set(self.group.variant.split(", "))


def leads(experiment: Experiment, data: str = DATA) -> list[Lead]:
    """Returns the leads of all sequence models on data whose names start as given."""
    best: dict[str, float] = {}
    for row in experiment.rows.references:
        value = experiment.reference(row)
        if row["method"] in EXACT and value is not None:
            best[row["dataset"]] = max(value, best.get(row["dataset"], value))
    ahead = []
    for group in experiment.groups:
        if group.method not in load.MIXERS or not group.data.startswith(data):
            continue
        beyond = {
            name: [value - best[name] for value in runs]
            for name, runs in scores.strata(group.rows, experiment.score).items()
            if name in best
        }
        middle = scores.middle(beyond)
        if middle is not None:
            count = sum(map(len, beyond.values()))
            ahead.append(Lead(group, middle, _over_clone(experiment, group), count))
    return ahead


def _over_clone(experiment: Experiment, group: load.Group) -> bootstrap.Interval | None:
    for other in experiment.groups:
        if (other.method, other.data) == (CLONE, group.data):
            pair = scores.compare(experiment, group, other)
            return pair.score.interval if pair else None
    return None


def verdict(every: Sequence[Lead]) -> verdicts.Verdict:
    """Judges whether every mixer is ahead in at least one of its groups."""
    parts = {}
    for mixer in load.MIXERS:
        own = [lead for lead in every if lead.group.method == mixer and lead.is_judged]
        ahead = any(lead.is_ahead for lead in own)
        word = verdicts.OPEN if not own else verdicts.HOLDS if ahead else verdicts.FAILS
        parts[mixer] = verdicts.Verdict(word)
    judged = verdicts.all_of(parts)
    return judged._replace(where=verdicts.lines(judged.where, by_way(every)))


def by_way(every: Sequence[Lead]) -> str:
    """Names the mixers that are surely ahead, for each combination of the two changes."""
    parts = []
    for name, changes in WAYS.items():
        own = [lead for lead in every if lead.changes == changes]
        ahead = verdicts.join([lead.group.method for lead in own if lead.is_ahead])
        parts.append(f"{name}: {ahead or 'no mixer'}" if own else "")
    return verdicts.lines(*parts)


def in_short(every: Sequence[Lead]) -> str:
    """Returns the range of the mixers' leads."""
    values = [lead.interval.value for lead in _best(every)]
    low, high = (scores.number(end, "%", signed=True) for end in (min(values), max(values)))
    return f"{low} to {high} points over the best score without joining"


def numbers(every: Sequence[Lead]) -> str:
    """Returns the largest lead of every mixer, and its lead over behavior cloning."""
    parts = []
    for lead in _best(every):
        clone = lead.over_clone
        over = f"; {scores.number(clone.value, '%', signed=True)}" if clone else ""
        parts.append(f"{lead.group.method} {scores.show(lead.interval, '%', signed=True)}{over}")
    return verdicts.lines(*parts)


def _best(every: Sequence[Lead]) -> Iterator[Lead]:
    for mixer in load.MIXERS:
        own = [lead for lead in every if lead.group.method == mixer]
        if own:
            yield max(own, key=lambda lead: lead.interval.low)


def section(experiment: Experiment) -> list[document.Block]:
    """Shows all leads, and the histogram of steps."""
    every = leads(experiment, "")
    shown = [lead for lead in every if lead.is_ahead or lead.group.data.startswith(DATA)]
    if not shown:
        return _histograms(experiment)
    columns: dict[str, tables.Column[Lead]] = {
        "method": "group.method",
        "data": lambda lead: experiment.setting_name(lead.group),
        "over the best exact score": lambda lead: scores.show(lead.interval, "%", signed=True),
        "over the clone": lambda lead: scores.show(lead.over_clone, "%", signed=True),
        "runs": lambda lead: str(lead.num_runs),
    }
    table = tables.table(shown, columns, left=2)
    return [
        document.Heading("Beyond the best single walk", 3),
        table,
        document.note("stitching", data=DATA),
        document.Paragraph(_with_history(experiment, every)),
        *_histograms(experiment),
    ]


def _with_history(experiment: Experiment, every: Sequence[Lead]) -> str:
    """Says on which data models that see more than one step are surely ahead."""
    ahead: dict[str, list[str]] = {}
    for lead in every:
        if ONE_STEP not in lead.changes and lead.is_ahead:
            name = experiment.setting_name(lead.group)
            ahead.setdefault(name, []).append(lead.group.method)
    where = verdicts.join([f"{name} ({', '.join(methods)})" for name, methods in ahead.items()])
    text = f"on {where}" if ahead else "nowhere"
    if ahead and not any(name.startswith(DATA) for name in ahead):
        text += f"; nowhere on `{DATA}` data"
    return document.text("notes", "models with a history", where=text)


def _histograms(experiment: Experiment) -> list[document.Block]:
    """Shows how many steps walks took; a panel for each setting of a sequence model."""
    key = f"histogram_{experiment.judged_by}"
    groups = [
        group
        for group in experiment.groups
        if group.method in load.MIXERS and len(group.values(key)) == len(group.rows)
    ]
    if not groups:
        return []
    suffixes = load.distinguish(groups)
    panels: dict[str, list[load.Group]] = {}
    for group in groups:
        title = document.join(group.data, group.variant, suffixes[group.setting])
        panels.setdefault(title, []).append(group)
    rows = experiment.rows
    shown = plots.picture(
        f"{experiment.name}-histogram",
        document.text("notes", "histogram title", kind=experiment.judged_by),
        [*rows.references, *rows.scored],
        lambda canvas: _draw_histograms(canvas, panels, rows.references, key),
    )
    note = document.note("histogram", kind=experiment.judged_by)
    return [document.Heading("Steps to the goal", 3), shown, note]


def _draw_histograms(
    canvas: mpl_figure.Figure,
    panels: Mapping[str, Sequence[load.Group]],
    references: Sequence[load.Row],
    key: str,
) -> None:
    num_rows = -(-len(panels) // plots.COLUMNS)
    canvas.set_size_inches(plots.WIDTH if len(panels) > 1 else plots.NARROW, 2.6 * num_rows + 0.5)
    drawn = plots.make_panels(canvas, len(panels), [1.0] * num_rows)
    for axes, (title, groups) in zip(drawn, panels.items(), strict=True):
        datasets = {row["dataset"] for group in groups for row in group.rows}
        curves: list[tuple[list, dict[str, Any]]] = []
        for method, dash in DASHES.items():
            own = (r for r in references if r["method"] == method and r["dataset"] in datasets)
            style = {"label": method, "color": figures.INK, "ls": dash, "lw": 1.1}
            curves.append((load.values(own, "histogram"), style))
        for group in groups:
            color = figures.color(group.method)
            style = {"label": group.method, "color": color, "marker": "o", "ms": 3.5, "lw": 1.4}
            curves.append((group.values(key), style))
        for values, style in curves:
            if values:
                shares = 100 * np.mean(values, axis=0)
                places = np.arange(1, len(shares) + 1)
                axes.plot(places, shares, **style)
                axes.set_xticks(places, [*map(str, places[:-1]), "never"])
        axes.set_title(title, fontsize=10, loc="left")
        axes.set(xlabel="steps to the goal", ylabel="walks, %")
    plots.draw_legend(canvas, drawn)
