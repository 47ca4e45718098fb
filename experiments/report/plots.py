"""Pictures of experiments, with every run in them."""

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
from experiments.report.catalog import Experiment

COLUMNS = 2
# Inches: pictures of several panels and of one, and the height of a single row of panels.
WIDTH, NARROW, HEIGHT = 11.0, 0.62 * 11.0, 3.6
MARKERS = {load.GREEDY: "o", load.SAMPLED: "s"}
REFERENCES = {
    "random": ":",
    "optimal": "-",
    "best_in_data": "--",
    "lookup": "-.",
    "blind": (0, (6, 2)),
}
OTHER_DASH = (0, (6, 2, 1, 2))
# Reference rows with exact histograms, and their dashes.
EXACT = {"random": ":", "lookup": "-.", "optimal": "-"}
# Dashes of variants, in their order.
DASHES = ("-", "--", ":", "-.", (0, (10, 3)), (0, (4, 1, 1, 1, 1, 1)))
# Axes with at most this many places name all of them.
FEW = 6
# Steps of an episode of key-to-door, and where its phases end.
STEPS, PHASES = 60, (15, 45)
# Inches of a letter of a legend, of its mark with the space around it, and of a line.
LETTER, MARK, LINE = 0.075, 0.55, 0.18

Plot = Callable[..., None]
"""Draws on a canvas, its first argument."""


def of_experiment(experiment: Experiment) -> list[document.Block]:
    """Returns all pictures of an experiment, each with an explanation."""
    rows = [*experiment.rows.references, *experiment.rows.scored]

    def add(kind: str, text: str, plot: Plot, note: str) -> list[document.Block]:
        name, text = f"{experiment.name}-{kind}", f"{experiment.title}: {text}"
        return [picture(name, text, rows, plot, experiment), document.Note(note)]

    dots = document.text(
        "notes",
        "dots of two kinds" if experiment.other_kind else "dots",
        kind=experiment.judged_by,
        other=experiment.other_kind,
    )
    content = add("runs", "every run", runs, document.text("notes", "runs", dots=dots))
    if experiment.axis:
        note = document.text("notes", "axis")
        if experiment.closed_form:
            note += " " + document.text("notes", "closed form")
        text = f"score against {experiment.axis[0]}, every run"
        content += add("axis", text, against_axis, note)
    if experiment.sweeps and any(map(_has_targets, experiment.groups)):
        text = "achieved return against target return, every run"
        content += add("sweep", text, sweep, document.text("notes", "sweep"))
    return content


def picture(
    name: str, text: str, rows: Iterable[load.Row], plot: Plot, *shown: Any
) -> document.Picture:
    """Returns a picture that is drawn at most once, with the digest of its rows."""

    @functools.cache
    def draw() -> str:
        return figures.canvas(lambda canvas: plot(canvas, *shown), stamp=name)

    return document.Picture(name, text, draw, digest(list(rows)))


def digest(rows: Sequence[load.Row]) -> str:
    """Returns twelve hexadecimal digits that identify rows."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:12]


def runs(canvas: mpl_figure.Figure, experiment: Experiment) -> None:
    """Draws the score of every run as a dot, with interquartile mean and interval."""
    panels = load.group_by(experiment.groups, lambda group: group.data)
    suffixes = load.distinguish(experiment.groups)
    sizes = list(map(len, panels.values()))
    heights = [max(sizes[at : at + COLUMNS]) + 1.5 for at in range(0, len(sizes), COLUMNS)]
    kinds = experiment.metrics[0].kinds
    drawn = make_panels(canvas, len(panels), heights, 0.55, unit=0.3)
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
    assert experiment.axis is not None
    (label, number), metric = experiment.axis, experiment.metrics[0]
    kinds = metric.kinds or ("",)
    panels, dashes = make_panels(canvas, len(kinds), [3.8]), _dashes(experiment.groups)
    curves: dict[tuple[str, str], list[load.Row]] = {}
    for group in experiment.groups:
        curves.setdefault((group.method, group.variant), []).extend(group.rows)
    for axes, kind in zip(panels, kinds, strict=True):
        forms: dict[float, Any] = {}
        for (method, variant), rows in curves.items():
            points: dict[float, list[float]] = {}
            for row in rows:
                place, value = row["metrics"].get(number), row["metrics"].get(metric.key(kind))
                if place is not None and value is not None:
                    points.setdefault(place, []).append(_scaled(experiment, value))
                    forms[place] = row["metrics"].get(experiment.closed_form, forms.get(place))
            name = document.join(method, variant)
            curve(axes, points, figures.color(method), label=name, ls=dashes[variant], lw=1.5)
        exact = {at: _scaled(experiment, v) for at, v in sorted(forms.items()) if v is not None}
        if exact and kind != load.GREEDY:
            style = {"color": figures.INK, "lw": 1.2, "ls": "--", "label": "closed form"}
            axes.plot(list(exact), list(exact.values()), **style)
        axes.set(xlabel=label, ylabel=_label(experiment), title=kind)
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
    panels, dashes = load.group_by(shown, lambda group: group.data), _dashes(shown)
    drawn = make_panels(canvas, len(panels), [3.3] * math.ceil(len(panels) / COLUMNS), 0.5)
    for axes, (data, groups) in zip(drawn, panels.items(), strict=True):
        for group in groups:
            name = document.join(group.name, suffixes[group.setting])
            points: dict[float, list[float]] = {}
            hollow = set()
            for row in group.rows:
                targets, means = row["metrics"]["asked"], row["metrics"][f"achieved_{kind}"]
                marks = row["metrics"].get("supported") or [True] * len(targets)
                for target, mean, mark in zip(targets, means, marks, strict=True):
                    if mean is not None:
                        points.setdefault(target, []).append(mean)
                        (hollow.discard if mark else hollow.add)(target)
            style = {"label": name, "ls": dashes[group.variant], "lw": 1.4, "ms": 3.6, "alpha": 0.6}
            curve(axes, points, figures.color(group.method), hollow=hollow, **style)
        ends = [
            target for group in groups for row in group.rows for target in row["metrics"]["asked"]
        ]
        line = [min(ends), max(ends)]
        axes.plot(line, line, color=figures.FAINT, lw=1, ls=":", label="achieved as targeted")
        axes.set(xlabel="target return", ylabel=f"achieved return, {kind}")
        axes.set_title(data, fontsize=10, loc="left")
    draw_legend(canvas, drawn)


def histograms(
    canvas: mpl_figure.Figure,
    panels: Mapping[str, Sequence[load.Group]],
    references: Sequence[load.Row],
    key: str,
) -> None:
    """Draws how many steps walks took; a panel for each setting."""
    drawn = make_panels(canvas, len(panels), [2.6] * math.ceil(len(panels) / COLUMNS), 0.5)
    for axes, (title, groups) in zip(drawn, panels.items(), strict=True):
        datasets = {row["dataset"] for group in groups for row in group.rows}
        curves: list[tuple[list, dict[str, Any]]] = []
        for method, dash in EXACT.items():
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
    draw_legend(canvas, drawn)


def attribution(canvas: mpl_figure.Figure, groups: Sequence[load.Group]) -> None:
    """Draws gradients by step, a line for each mixer, and attention by layer and step."""
    maps = [values for group in groups for values in group.values("attention_action_curve")]
    panels = make_panels(canvas, 2 if maps else 1, [HEIGHT])
    for group in groups:
        shares = 100 * np.mean(np.array(group.values("action_curve"), float), axis=0)
        panels[0].plot(shares, color=figures.color(group.method), lw=1.4, label=group.method)
    panels[0].set(title="gradient", xlabel="step", ylabel="share, %")
    panels[0].legend(fontsize=8)
    if maps:
        shares = 100 * np.mean(np.array(maps, float), axis=0)
        style: Any = {"cmap": "cividis", "origin": "lower", "interpolation": "nearest"}
        image = panels[1].imshow(shares, aspect="auto", **style)
        panels[1].set(title="attention, mean over heads", xlabel="step", ylabel="layer")
        panels[1].set_yticks(range(len(shares)), [str(layer + 1) for layer in range(len(shares))])
        panels[1].grid(visible=False)
        canvas.colorbar(image, ax=panels[1], label="share, %")
    for axes, color in zip(panels, (figures.FAINT, "white"), strict=False):
        for end in PHASES:
            axes.axvline(end - 0.5, color=color, lw=1, ls=":")
        axes.set_xlim(-0.5, STEPS - 0.5)


def waits(
    canvas: mpl_figure.Figure, curves: Iterable[tuple[str, str, str, Mapping[float, Any]]]
) -> None:
    """Draws success against steps between key and door.

    Args:
        canvas: Empty canvas.
        curves: Name, color, dash, and the runs' shares in percent by number of steps.
    """
    (axes,) = make_panels(canvas, 1, [HEIGHT])
    for name, color, dash, points in curves:
        curve(axes, points, color, label=name, ls=dash)
    axes.set(xlabel="steps between key and door", ylabel="success, %", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def critics(canvas: mpl_figure.Figure, groups: Sequence[load.Group]) -> None:
    """Draws predicted returns, means over runs, a panel for each outcome."""
    curves = [(group, group.values("critic_curves")) for group in groups]
    names = list(dict.fromkeys(name for _, own in curves for each in own for name in each))
    canvas.set_size_inches(WIDTH, HEIGHT)
    panels = canvas.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        for group, own in curves:
            mean = np.mean([each[name] for each in own], axis=0)
            axes.plot(mean, color=figures.color(group.method), lw=1.4, label=group.method)
        axes.set(xlabel="step", title=name)
    panels[0].set_ylabel("predicted return")
    draw_legend(canvas, panels)


def make_panels(
    canvas: mpl_figure.Figure,
    count: int,
    heights: Sequence[float],
    border: float = 0.0,
    *,
    unit: float = 1.0,
) -> list[Axes]:
    """Makes panels in rows of the given heights, and a canvas with a border below, in inches."""
    columns = min(count, COLUMNS) or 1
    heights = heights or [1.0]
    canvas.set_size_inches(WIDTH if count > 1 else NARROW, unit * sum(heights) + border)
    grid = canvas.subplots(len(heights), columns, squeeze=False, height_ratios=list(heights))
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


def curve(
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


def _dashes(groups: Sequence[load.Group]) -> dict[str, Any]:
    return dict(zip(dict.fromkeys(group.variant for group in groups), itertools.cycle(DASHES)))


def _has_targets(group: load.Group) -> bool:
    return all(row["metrics"].get("asked") for row in group.rows)


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
