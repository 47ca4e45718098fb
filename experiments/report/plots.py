"""Pictures of an experiment, with every run in them."""

import functools
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments import figures
from experiments.report import document, load, scores
from experiments.report.experiment import Experiment

COLUMNS = 2
WIDTH, NARROW = 11.0, 0.62 * 11.0
MARKERS = {load.GREEDY: "o", load.SAMPLED: "s"}
REFERENCES = {
    "random": ":",
    "optimal": "-",
    "best_in_data": "--",
    "lookup": "-.",
    "blind": (0, (6, 2)),
}
OTHER_DASH = (0, (6, 2, 1, 2))
# Dashes of variants, in their order.
DASHES = ("-", "--", ":", "-.", (0, (10, 3)), (0, (4, 1, 1, 1, 1, 1)))
# Axes with at most this many places name all of them.
FEW = 6
# Inches of a letter of a legend, of its mark with the space around it, and of a line.
LETTER, MARK, LINE = 0.075, 0.55, 0.18

Plot = Callable[[mpl_figure.Figure], None]


def of_experiment(experiment: Experiment) -> list[document.Block]:
    """Returns all pictures of an experiment, each with an explanation."""
    title = experiment.title
    fields = {"kind": experiment.judged_by, "other": experiment.other_kind}
    dots = document.text(
        "notes", "dots of two kinds" if experiment.other_kind else "dots", **fields
    )

    def rows() -> list[load.Row]:
        return [*experiment.rows.references, *experiment.rows.scored]

    def add(
        kind: str, text: str, plot: Callable[[mpl_figure.Figure, Experiment], None]
    ) -> document.Picture:
        name = f"{experiment.name}-{kind}"
        return picture(name, f"{title}: {text}", rows(), lambda canvas: plot(canvas, experiment))

    content: list[document.Block] = [
        add("runs", "every run", runs),
        document.note("runs", dots=dots),
    ]
    if axis := experiment.axis:
        form = document.text("notes", "closed form") if axis.closed_form else ""
        content.append(add("axis", f"score against {axis.label}, every run", against_axis))
        content.append(document.Note(document.join(document.text("notes", "axis"), form, by=" ")))
    if experiment.sweeps and any(map(_has_targets, experiment.groups)):
        content.append(add("sweep", "achieved return against target return, every run", sweep))
        content.append(document.note("sweep"))
    return content


def picture(name: str, text: str, rows: Iterable[load.Row], plot: Plot) -> document.Picture:
    """Returns a picture that is drawn at most once, with the digest of its rows."""

    @functools.cache
    def draw() -> str:
        return figures.canvas(plot, stamp=name)

    return document.Picture(name, text, draw, digest(list(rows)))


def digest(rows: Sequence[load.Row]) -> str:
    """Returns twelve hexadecimal digits that identify rows."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:12]


def runs(canvas: mpl_figure.Figure, experiment: Experiment) -> None:
    """Draws the score of every run as a dot, with interquartile mean and interval."""
    panels, suffixes = _by_data(experiment.groups), load.distinguish(experiment.groups)
    sizes = list(map(len, panels.values()))
    heights = [max(sizes[at : at + COLUMNS]) + 1.5 for at in range(0, len(sizes), COLUMNS)]
    canvas.set_size_inches(WIDTH if len(panels) > 1 else NARROW, 0.3 * sum(heights) + 0.55)
    kinds = experiment.metrics[0].kinds
    drawn = make_panels(canvas, len(panels), heights)
    for axes, (data, groups) in zip(drawn, panels.items(), strict=True):
        for place, group in enumerate(groups):
            for number, kind in enumerate(kinds or ("",)):
                lift = 0.4 * (number / (len(kinds) - 1) - 0.5) if len(kinds) > 1 else 0.0
                _dots(axes, experiment, group, kind, place + lift)
        for name, value in _references(experiment, data).items():
            dash = REFERENCES.get(name, OTHER_DASH)
            axes.axvline(value, color=figures.INK, lw=0.9, ls=dash, label=name)
        names = [document.join(group.name, suffixes[group.setting]) for group in groups]
        axes.set_yticks(range(len(groups)), names)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_title(data, fontsize=10, loc="left")
        axes.set_xlabel(_label(experiment))
        axes.margins(x=0.05)
    handles = {kind: _dot(kind, is_filled=kind == experiment.judged_by) for kind in kinds}
    middle = Line2D([], [], marker="|", color=figures.INK, lw=1.3, ms=10, mew=1.8)
    draw_legend(canvas, drawn, handles | {"interquartile mean, 95 % interval": middle})


def against_axis(canvas: mpl_figure.Figure, experiment: Experiment) -> None:
    """Draws the score of every run against a number; a panel for each way of choosing actions."""
    axis, metric = experiment.axis, experiment.metrics[0]
    assert axis is not None
    kinds = metric.kinds or ("",)
    canvas.set_size_inches(WIDTH if len(kinds) > 1 else NARROW, 3.8)
    panels, dashes = make_panels(canvas, len(kinds), [1.0]), _dashes(experiment.groups)
    curves: dict[tuple[str, str], list[load.Row]] = {}
    for group in experiment.groups:
        curves.setdefault((group.method, group.variant), []).extend(group.rows)
    for axes, kind in zip(panels, kinds, strict=True):
        forms: dict[float, Any] = {}
        for (method, variant), rows in curves.items():
            points: dict[float, list[float]] = {}
            for row in rows:
                place, value = row["metrics"].get(axis.metric), row["metrics"].get(metric.key(kind))
                if place is not None and value is not None:
                    points.setdefault(place, []).append(_scaled(experiment, value))
                    forms[place] = row["metrics"].get(axis.closed_form, forms.get(place))
            name = document.join(method, variant)
            _curve(axes, points, figures.color(method), label=name, ls=dashes[variant], lw=1.5)
        curve = {at: _scaled(experiment, v) for at, v in sorted(forms.items()) if v is not None}
        if curve and kind != load.GREEDY:
            axes.plot(
                list(curve),
                list(curve.values()),
                color=figures.INK,
                lw=1.2,
                ls="--",
                label="closed form",
            )
        axes.set(xlabel=axis.label, ylabel=_label(experiment), title=kind)
        if forms:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
            if len(forms) <= FEW:
                axes.set_xticks(sorted(forms))
    draw_legend(canvas, panels)


def sweep(canvas: mpl_figure.Figure, experiment: Experiment) -> None:
    """Draws achieved against target returns; dots of unsupported targets are hollow."""
    suffixes, kind = load.distinguish(experiment.groups), experiment.judged_by
    shown = [
        group
        for group in experiment.groups
        if _has_targets(group) and not experiment.split(group.variant)[1]
    ]
    panels, dashes = _by_data(shown), _dashes(shown)
    num_rows = math.ceil(len(panels) / COLUMNS) or 1
    canvas.set_size_inches(WIDTH if len(panels) > 1 else NARROW, 3.3 * num_rows + 0.5)
    drawn = make_panels(canvas, len(panels), [1.0] * num_rows)
    for axes, (data, groups) in zip(drawn, panels.items(), strict=True):
        for group in groups:
            name = document.join(group.name, suffixes[group.setting])
            points, supported = _achieved(group, kind)
            hollow = {place for place, mark in supported.items() if not mark}
            style = {"label": name, "ls": dashes[group.variant], "lw": 1.4, "ms": 3.6, "alpha": 0.6}
            _curve(axes, points, figures.color(group.method), hollow=hollow, **style)
        ends = [
            target for group in groups for row in group.rows for target in row["metrics"]["asked"]
        ]
        line = [min(ends), max(ends)]
        axes.plot(line, line, color=figures.FAINT, lw=1, ls=":", label="achieved as targeted")
        axes.set(xlabel="target return", ylabel=f"achieved return, {kind}")
        axes.set_title(data, fontsize=10, loc="left")
    draw_legend(canvas, drawn)


def make_panels(canvas: mpl_figure.Figure, count: int, heights: Sequence[float]) -> list[Axes]:
    """Makes panels in rows of the given heights."""
    columns = min(count, COLUMNS) or 1
    rows = math.ceil(count / columns) or 1
    grid = canvas.subplots(rows, columns, squeeze=False, height_ratios=list(heights)[:rows])
    panels = list(grid.ravel())
    for empty in panels[count:]:
        empty.remove()
    return panels[:count]


def draw_legend(
    canvas: mpl_figure.Figure, panels: Sequence[Axes], handles: Mapping[str, Any] | None = None
) -> None:
    """Draws one legend for all panels, each name once; further lines make the canvas higher."""
    entries = dict(handles or {})
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    widest = MARK + LETTER * max(map(len, entries), default=0)
    columns = max(1, min(len(entries), int(canvas.get_figwidth() / widest)))
    canvas.set_figheight(canvas.get_figheight() + LINE * (math.ceil(len(entries) / columns) - 1))
    place = {"loc": "outside lower center", "ncols": columns, "fontsize": 9}
    canvas.legend(entries.values(), entries.keys(), **place)


def _dots(axes: Axes, experiment: Experiment, group: load.Group, kind: str, place: float) -> None:
    metric = experiment.metrics[0]
    values = [_scaled(experiment, value) for value in group.values(metric.key(kind))]
    if not values:
        return
    color = figures.color(group.method)
    face = color if kind == experiment.judged_by or not metric.kinds else "white"
    style: Any = {"color": color, "mfc": face, "ms": 4.2, "mew": 0.9, "alpha": 0.6}
    axes.plot(values, [place] * len(values), MARKERS.get(kind, "o"), **style)
    middle = scores.middle(scores.strata(group.rows, metric.key(kind)))
    if middle is not None and not math.isnan(middle.low):
        value, low, high = (_scaled(experiment, end) for end in middle)
        axes.plot([low, high], [place, place], color=figures.INK, lw=1.3, zorder=4)
        axes.plot([value], [place], "|", color=figures.INK, ms=10, mew=1.8, zorder=4)


def _curve(
    axes: Axes,
    points: Mapping[float, Sequence[float]],
    color: str,
    *,
    hollow: Iterable[float] = (),
    ms: float = 3.2,
    alpha: float = 0.5,
    **style: Any,
) -> None:
    """Draws values as dots, and a line through their means."""
    if not points:
        return
    places = sorted(points)
    axes.plot(places, [float(np.mean(points[place])) for place in places], color=color, **style)
    for place in places:
        face = "white" if place in set(hollow) else color
        dots = [place] * len(points[place]), points[place], "o"
        axes.plot(*dots, color=color, mfc=face, ms=ms, alpha=alpha)


def _achieved(group: load.Group, kind: str) -> tuple[dict[float, list[float]], dict[float, bool]]:
    """Returns achieved returns by target, and whether the data support each target."""
    achieved: dict[float, list[float]] = {}
    supported: dict[float, bool] = {}
    for row in group.rows:
        metrics = row["metrics"]
        marks = metrics.get("supported") or [True] * len(metrics["asked"])
        means = metrics[f"achieved_{kind}"]
        for target, mean, mark in zip(metrics["asked"], means, marks, strict=True):
            if mean is not None:
                achieved.setdefault(target, []).append(mean)
                supported[target] = mark
    return achieved, supported


def _dashes(groups: Sequence[load.Group]) -> dict[str, Any]:
    return dict(zip(dict.fromkeys(group.variant for group in groups), itertools.cycle(DASHES)))


def _has_targets(group: load.Group) -> bool:
    return all(row["metrics"].get("asked") for row in group.rows)


def _by_data(groups: Sequence[load.Group]) -> dict[str, list[load.Group]]:
    by_data: dict[str, list[load.Group]] = {}
    for group in groups:
        by_data.setdefault(group.data, []).append(group)
    return by_data


def _references(experiment: Experiment, data: str) -> dict[str, float]:
    """Returns the references of a group that are the same on all of its data sets."""
    by_method: dict[str, set[float]] = {}
    for row in experiment.rows.references:
        value = experiment.reference(row)
        if experiment.group_name(row["dataset"]) == data and value is not None:
            by_method.setdefault(row["method"], set()).add(_scaled(experiment, value))
    return {name: values.pop() for name, values in by_method.items() if len(values) == 1}


def _scaled(experiment: Experiment, value: float) -> float:
    return 100 * value if experiment.metrics[0].unit else value


def _label(experiment: Experiment) -> str:
    return experiment.metrics[0].label + experiment.metrics[0].in_unit


def _dot(kind: str, *, is_filled: bool) -> Line2D:
    face = figures.FAINT if is_filled else "white"
    return Line2D([], [], ls="", marker=MARKERS[kind], color=figures.FAINT, mfc=face, ms=5)
