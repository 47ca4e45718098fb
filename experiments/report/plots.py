"""Pictures of the report, as PNG: the forest plot, times by length, and one for each task."""

import functools
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments import figures
from experiments.report import comparisons, document, load, scores, tables
from experiments.report.comparisons import Measured
from experiments.report.tasks import Point, Task

# Inches, and dots of an inch: about 1,000 dots, which a page shows at 60 or 40 of an inch.
WIDTH, DOTS = 7.4, 140
COLUMNS = 2
# Percent of the way from floor to ceiling that the forest plot shows; the rest is at its edge.
FARTHEST = 40.0
REFERENCES = {"random": ":", "optimal": "-", "lookup": "-."}
# Curves of the picture of times: method, tokens and label.
TIMED = (
    ("attention", "interleaved", "attention, three tokens"),
    ("attention", "concatenated", "attention, one token"),
    ("s4d/matched", "concatenated", "S4D, as many parameters"),
    ("s4d", "concatenated", "S4D, no feed-forward part"),
)
DASHES = {"interleaved": "--", "concatenated": "-"}
# An axis of times whose ends differ by less has three marks in each power of ten.
SHORT_AXIS = 30.0


def canvas(fill: Callable[[mpl_figure.Figure], None], stamp: str) -> bytes:
    """Draws a PNG picture, the same whenever `fill` does the same; it holds the stamp as text."""
    with mpl.rc_context(figures.STYLE):
        empty = mpl_figure.Figure(layout="constrained")
        fill(empty)
        data = io.BytesIO()
        empty.savefig(data, format="png", dpi=DOTS, metadata={"Software": None, "Rows": stamp})
    return data.getvalue()


def picture(
    name: str, text: str, rows: Iterable[load.Row], fill: Callable[[mpl_figure.Figure], None]
) -> document.Picture:
    """Returns a picture that is drawn at most once, stamped with the digest of its rows."""
    stamp = digest(list(rows))
    return document.Picture(name, text, functools.cache(lambda: canvas(fill, stamp)), stamp)


def digest(rows: Sequence[load.Row]) -> str:
    """Returns twelve hexadecimal digits that identify rows."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:12]


def forest(measured: Measured) -> document.Picture:
    """Draws the difference to attention on every task, greedy and sampled side by side."""
    lines = comparisons.of_tasks(measured.judged)
    places = list(dict.fromkeys((line.title, line.counts) for line in lines))
    rows = [row for task in measured.tasks if task.is_judged for row in task.rows.scored]

    def fill(drawn: mpl_figure.Figure) -> None:
        drawn.set_size_inches(WIDTH, 1.2 + 0.5 * len(places))
        panels = drawn.subplots(1, 2, sharey=True)
        for axes, kind in zip(panels, (load.GREEDY, load.SAMPLED), strict=True):
            for line in lines:
                if line.kind == kind:
                    _difference(axes, line, places.index((line.title, line.counts)))
            _forest_axes(axes, kind, len(places))
        names = [name + ("" if counts else " *") for name, counts in places]
        panels[0].set_yticks(range(len(places)), names, fontsize=9)
        panels[0].set_ylim(len(places) - 0.4, -0.6)
        methods = [m for m in comparisons.SHOWN if any(line.method == m for line in lines)]
        handles = [
            Line2D(
                [], [], color=figures.color(m), marker="o", ms=4, label=comparisons.method_name(m)
            )
            for m in methods
        ]
        drawn.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9)

    text = (
        "Differences to attention on every task, with 95 % intervals; left with greedy, right "
        "with sampled actions"
    )
    return picture("forest", text, rows, fill)


def _difference(axes: Axes, line: comparisons.Line, number: int) -> None:
    """Draws one difference with those of its settings; too far out, a triangle at the edge."""
    methods = comparisons.SHOWN
    place = number + 0.19 * (methods.index(line.method) - (len(methods) - 1) / 2)
    value, low, high = (100 * end for end in line.gain)
    alpha = 1.0 if line.counts else 0.4
    style: Any = {"color": figures.color(line.method), "alpha": alpha}
    if len(line.settings) > 1:
        each = np.clip([100 * gain for gain in line.settings], -FARTHEST, FARTHEST)
        axes.plot(each, [place] * len(each), "o", ms=3.2, mfc="none", mew=0.7, **style)
    if abs(value) > FARTHEST:
        edge = FARTHEST if value > 0 else -FARTHEST
        axes.plot([edge], [place], ">" if value > 0 else "<", ms=5, **style)
        return
    axes.plot(np.clip([low, high], -FARTHEST, FARTHEST), [place, place], lw=1.3, **style)
    axes.plot([value], [place], "o", ms=5, **style)


def _forest_axes(axes: Axes, kind: str, count: int) -> None:
    limit = 100 * scores.MATTERS
    axes.axvspan(-limit, limit, color="#eeeeee", lw=0, zorder=0)
    axes.axvline(0, color=figures.INK, lw=0.9)
    for line in range(1, count):
        axes.axhline(line - 0.5, color="#e6e6e6", lw=0.7)
    axes.grid(visible=False)
    axes.set_xlim(-FARTHEST - 2, FARTHEST + 2)
    axes.set_title(f"{kind} actions", fontsize=10, loc="left")
    axes.set_xlabel("worse than attention   |   better, %")


def speed(rows: Sequence[load.Row]) -> document.Picture:
    """Draws the time of an update by context, and that of an action by history."""
    own = scores.on_main_machine(rows)

    def fill(drawn: mpl_figure.Figure) -> None:
        drawn.set_size_inches(WIDTH, 3.4)
        panels = drawn.subplots(1, 2)
        times(panels[0], own, "training")
        times(panels[1], own, "acting")
        handles, names = panels[0].get_legend_handles_labels()
        drawn.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9)

    text = "Milliseconds of an update by steps of context, and of an action by steps of history."
    return picture("speed", text, own, fill)


def times(axes: Axes, rows: Sequence[load.Row], kind: str) -> None:
    """Draws the time of an update ("training") or of an action ("acting") by length."""
    for method, tokens, label in TIMED:
        found = {
            row["context_length"]: 1e3 * row["seconds"]["median"] / row["metrics"]["batch"]
            for row in rows
            if row["metrics"]["kind"] == kind
            and (row["method"], row["tokens"]) == (method, tokens)
            and row["seconds"].get("median")
        }
        if found:
            style: Any = {"ls": DASHES[tokens], "label": label, "marker": "o", "ms": 3.5}
            # Hollow: without feed-forward part, so with fewer parameters.
            style |= {"mfc": "white"} if method == "s4d" else {}
            lengths = sorted(found)
            values = [found[length] for length in lengths]
            axes.loglog(lengths, values, color=figures.color(method.partition("/")[0]), **style)
    if not axes.lines:
        return
    low, high = axes.get_ylim()
    is_short = high < SHORT_AXIS * low
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if is_short else (1, 3)))
    axes.yaxis.set_major_formatter("{x:,g}")
    # Few marks, because long numbers would touch each other.
    axes.xaxis.set_major_locator(ticker.LogLocator(numticks=4))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    is_training = kind == "training"
    axes.set(xlabel="steps of context" if is_training else "steps of history", ylabel="ms")
    title = "an update, per row of a batch" if is_training else "an action, batch of one"
    axes.set_title(title, fontsize=10, loc="left")


def of_task(task: Task) -> document.Picture | None:
    """Draws a task: scores against a number if it has one, else every run; None without runs."""
    points = [point for point in task.points if scores.methods_at(task, point)]
    if not points:
        return None
    rows = [*task.rows.references, *task.rows.scored]
    fill = _against_axis if task.axis else _every_run
    what = f"{task.label} against {task.axis[0]}" if task.axis else f"{task.label} of every run"
    return picture(
        task.name, f"{task.title}: {what}", rows, lambda drawn: fill(drawn, task, points)
    )


def _every_run(drawn: mpl_figure.Figure, task: Task, points: Sequence[Point]) -> None:
    columns = min(COLUMNS, len(points))
    heights = []
    every = [_methods(task, point) for point in points]
    for first in range(0, len(points), columns):
        # In lower panels the names of methods would touch.
        heights.append(1.3 + max(4, *map(len, every[first : first + columns])))
    drawn.set_size_inches(WIDTH if columns > 1 else 0.72 * WIDTH, 0.24 * sum(heights) + 0.5)
    grid = drawn.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    panels = list(grid.ravel())
    for axes, point, methods in zip(panels, points, every, strict=False):
        for place, (name, strata) in enumerate(methods.items()):
            for kind in task.kinds:
                _dots(axes, task, name, strata, kind, place)
        for name, dash in REFERENCES.items():
            value = _reference(task, methods, name)
            if value is not None:
                axes.axvline(
                    value, color=figures.INK, lw=0.9, ls=dash, label=tables.REFERENCES[name]
                )
        axes.set_yticks(range(len(methods)), list(map(comparisons.method_name, methods)))
        axes.set_ylim(len(methods) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_title(point.title, fontsize=10, loc="left")
        axes.set_xlabel(_label(task), fontsize=9)
    for empty in panels[len(points) :]:
        empty.remove()
    _legend(drawn, panels[: len(points)], task)


def _methods(task: Task, point: Point) -> dict[str, scores.Strata]:
    methods = scores.methods_at(task, point)
    return {name: methods[name] for name in sorted(methods, key=tables.place)}


def _dots(
    axes: Axes, task: Task, method: str, strata: scores.Strata, kind: str, place: float
) -> None:
    """Draws all runs of a method, and its mean with the interval of the judged actions."""
    is_judged = kind == task.judged_by
    lift = 0.0 if len(task.kinds) == 1 else -0.18 if is_judged else 0.18
    every = [scores.runs(rows, task.key(kind)) for rows in strata.values()]
    shown = [_scaled(task, value) for own in every for value in own]
    style: Any = {
        "color": figures.color(method),
        "mfc": figures.color(method) if is_judged else "white",
    }
    axes.plot(shown, [place + lift] * len(shown), "o", ms=3.4, mew=0.8, alpha=0.6, **style)
    mean = scores.mean(every)
    if mean is not None:
        value, low, high = (_scaled(task, end) for end in mean)
        axes.plot([low, high], [place + lift] * 2, color=figures.INK, lw=1.1, zorder=4)
        axes.plot([value], [place + lift], "|", color=figures.INK, ms=8, mew=1.5, zorder=4)


def _reference(task: Task, methods: Mapping[str, scores.Strata], name: str) -> float | None:
    """Returns the score of a method without training if it is one on all data of a panel."""
    datasets = {row["dataset"] for own in methods.values() for rows in own.values() for row in rows}
    values = {task.reference(name, dataset, task.judged_by) for dataset in datasets}
    value = values.pop() if len(values) == 1 else None
    return None if value is None else _scaled(task, value)


def _legend(drawn: mpl_figure.Figure, panels: Sequence[Axes], task: Task) -> None:
    entries: dict[str, Any] = {}
    for kind in task.kinds:
        face = figures.FAINT if kind == task.judged_by else "white"
        entries[kind] = Line2D([], [], ls="", marker="o", color=figures.FAINT, mfc=face, ms=5)
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    place: Any = {"loc": "outside lower center", "ncols": 5, "fontsize": 9}
    drawn.legend(entries.values(), entries.keys(), **place)


def _against_axis(drawn: mpl_figure.Figure, task: Task, points: Sequence[Point]) -> None:
    """Draws means and runs against a number of the rows; a panel for each setting or kind."""
    assert task.axis is not None
    label, number = task.axis
    panels_of = [
        (setting, kind)
        for setting in ([None] if len(task.points) == len(task.settings) else task.settings)
        for kind in task.kinds
    ]
    count = len(panels_of)
    drawn.set_size_inches(WIDTH if count > 1 else 0.72 * WIDTH, 3.2 * -(-count // COLUMNS) + 0.6)
    grid = drawn.subplots(-(-count // COLUMNS), min(COLUMNS, count), squeeze=False)
    for axes, (setting, kind) in zip(grid.ravel(), panels_of, strict=True):
        shown = setting.points if setting else points
        for method in dict.fromkeys(name for point in shown for name in _methods(task, point)):
            found: dict[float, list[float]] = {}
            for point in shown:
                for rows in scores.at_point(task, point, method).values():
                    for place, own in load.group_by(rows, lambda r: r["metrics"][number]).items():
                        found[place] = scores.runs(own, task.key(kind))
            _curve(axes, task, method, found)
        axes.set(xlabel=label, ylabel=_label(task), xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(", ".join(filter(None, (setting and setting.title, kind))), fontsize=10)
    for empty in grid.ravel()[count:]:
        empty.remove()
    handles, names = grid.ravel()[0].get_legend_handles_labels()
    columns = 2 if count == 1 else 3
    drawn.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=8.5)


def _curve(axes: Axes, task: Task, method: str, found: Mapping[float, Sequence[float]]) -> None:
    places = sorted(place for place, own in found.items() if own)
    if not places:
        return
    means = [_scaled(task, sum(found[place]) / len(found[place])) for place in places]
    dash = "--" if "whole" in method else ":" if "," in method else "-"
    style: Any = {"color": figures.color(method.partition(",")[0])}
    if "sinusoidal" in method:
        style["alpha"] = 0.45
    axes.plot(places, means, ls=dash, lw=1.5, label=comparisons.method_name(method), **style)
    for place in places:
        values = [_scaled(task, value) for value in found[place]]
        axes.plot([place] * len(values), values, "o", ms=2.6, **(style | {"alpha": 0.4}))


def _scaled(task: Task, value: float) -> float:
    return 100 * value if task.unit else value


def _label(task: Task) -> str:
    return f"{task.label}, {task.unit}" if task.unit else task.label
