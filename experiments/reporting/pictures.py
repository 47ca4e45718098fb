"""Pictures of an experiment, with every run in them."""

import functools
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

from experiments import figures
from experiments.reporting import blocks, descriptions, lines, scores, studies
from jax_s4rl.evaluation import return_sweep

COLUMNS = 2
WIDTH = 11.0
MARKERS = {descriptions.GREEDY: "o", descriptions.SAMPLED: "s"}
REFERENCES = {"random": ":", "optimal": "-", "best_in_data": "--", "lookup": "-.", "blind": (0, (6, 2))}
OTHER_DASH = (0, (6, 2, 1, 2))
# So many places of an axis are all named.
FEW = 6
# Inches that a letter of a legend takes, its mark with the space around, and a line.
LETTER, MARK, LINE = 0.075, 0.55, 0.18
# Of variants, in their order.
DASHES = ("-", "--", ":", "-.", (0, (10, 3)), (0, (4, 1, 1, 1, 1, 1)))

SWEPT = (
    "A dot for each run, lines through their means; colors are methods, dashes variants (those that change one thing "
    "are left out). Dots are hollow where the data do not support what is asked for: no recorded return lies nearer to "
    f"it than {100 * return_sweep.TOLERANCE:g} % of the range of returns. On the thin dotted line as much is achieved as was "
    "asked."
)

Plot = Callable[[mpl_figure.Figure], None]


def of_study(study: studies.Study) -> list[blocks.Picture | blocks.Note]:
    """All pictures of an experiment, what is seen in it under each."""
    about = study.about
    text = f"{about.title}: every run"
    found = [_picture(study, "runs", text, lambda canvas: runs(canvas, study)), blocks.Note(_about_runs(about))]
    if about.axis is not None:
        text = f"{about.title}: score against {about.axis.label}, every run"
        found.append(_picture(study, "axis", text, lambda canvas: against_axis(canvas, study)))
        found.append(blocks.Note(_about_axis(about.axis)))
    if about.sweeps and any(_asked(arm) for arm in study.arms):
        text = f"{about.title}: return achieved against return asked for, every run"
        found += [_picture(study, "sweep", text, lambda canvas: sweep(canvas, study)), blocks.Note(SWEPT)]
    return found


def digest(rows: Sequence[lines.Row]) -> str:
    """Twelve hexadecimal digits of lines."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:12]


def runs(canvas: mpl_figure.Figure, study: studies.Study) -> None:
    """The score of every run as a dot, with interquartile mean and interval; a panel for each group of data sets."""
    about = study.about
    groups, apart = _by_data(study.arms), lines.apart(study.arms)
    heights = [max(map(len, row)) + 1.5 for row in _grid(list(groups.values()))]
    canvas.set_size_inches(WIDTH if len(groups) > 1 else 0.62 * WIDTH, 0.3 * sum(heights) + 0.55)
    panels = make_panels(canvas, len(groups), heights)
    for axes, (data, arms) in zip(panels, groups.items(), strict=True):
        for place, arm in enumerate(arms):
            for kind, lift in _kinds(about).items():
                _dots(axes, about, arm, kind, place + lift)
        for name, value in _references(study, data).items():
            axes.axvline(value, color=figures.INK, lw=0.9, ls=REFERENCES.get(name, OTHER_DASH), label=name)
        axes.set_yticks(range(len(arms)), [lines.join(arm.name, apart[arm.setting]) for arm in arms])
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_title(data, fontsize=10, loc="left")
        axes.set_xlabel(_label(about))
        axes.margins(x=0.05)
    draw_legend(canvas, panels, _kind_handles(about))


def against_axis(canvas: mpl_figure.Figure, study: studies.Study) -> None:
    """The score of every run against a number, lines through the means; a panel for each way of choosing actions."""
    about = study.about
    axis = about.axis
    assert axis is not None
    kinds = list(_kinds(about))
    canvas.set_size_inches(WIDTH if len(kinds) > 1 else 0.62 * WIDTH, 3.8)
    panels = make_panels(canvas, len(kinds), [1.0])
    dashes = _dashes(study.arms)
    for axes, kind in zip(panels, kinds, strict=True):
        drawn: dict[float, Any] = {}
        for name, rows in _series(study).items():
            points: dict[float, list[float]] = {}
            for row in rows:
                place, value = axis.value(row), row["metrics"].get(about.metrics[0].key(kind))
                if place is not None and value is not None:
                    points.setdefault(place, []).append(_scaled(about, value))
                    drawn[place] = row["metrics"].get(axis.closed_form, drawn.get(place))
            _curve(axes, points, name, figures.color(rows[0]["method"]), dashes[lines.variant(rows[0])])
        known = {place: _scaled(about, value) for place, value in sorted(drawn.items()) if value is not None}
        if known and kind != descriptions.GREEDY:
            axes.plot(list(known), list(known.values()), color=figures.INK, lw=1.2, ls="--", label="closed form")
        axes.set(xlabel=axis.label, ylabel=_label(about), title=kind)
        if drawn:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
            if len(drawn) <= FEW:
                axes.set_xticks(sorted(drawn))
    draw_legend(canvas, panels)


def sweep(canvas: mpl_figure.Figure, study: studies.Study) -> None:
    """Achieved return against the return asked for; targets that the data do not support are hollow."""
    about, apart = study.about, lines.apart(study.arms)
    shown = [arm for arm in study.arms if _asked(arm) and not about.split(arm.setting.variant)[1]]
    groups, dashes = _by_data(shown), _dashes(shown)
    rows_of_panels = math.ceil(len(groups) / COLUMNS) or 1
    canvas.set_size_inches(WIDTH if len(groups) > 1 else 0.62 * WIDTH, 3.3 * rows_of_panels + 0.5)
    panels = make_panels(canvas, len(groups), [1.0] * rows_of_panels)
    kind = about.judged_by
    for axes, (data, arms) in zip(panels, groups.items(), strict=True):
        for arm in arms:
            name = lines.join(arm.name, apart[arm.setting])
            _swept(axes, arm, kind, name=name, dash=dashes[arm.setting.variant])
        ends = [value for arm in arms for row in arm.rows for value in row["metrics"]["asked"]]
        axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=figures.FAINT, lw=1, ls=":", label="as asked")
        axes.set(xlabel="return asked for", ylabel=f"return achieved, {kind}")
        axes.set_title(data, fontsize=10, loc="left")
    draw_legend(canvas, panels)


def _about_runs(about: descriptions.Description) -> str:
    others = [kind for kind in about.metrics[0].kinds if kind != about.judged_by]
    dots = "A dot for each run"
    if others:
        dots += f", filled with {about.judged_by} actions, hollow with {others[0]} ones"
    return (
        f"{dots}; the short bar is the interquartile mean, the line through it its 95 % interval. Vertical lines are "
        "what needs no training, where it is the same on all data sets of a panel."
    )


def _about_axis(axis: descriptions.Axis) -> str:
    form = " The dashed line without dots is what sampling from perfect knowledge gives." if axis.closed_form else ""
    return f"A dot for each run, lines through their means; colors are methods, dashes variants.{form}"


def _picture(study: studies.Study, kind: str, text: str, plot: Plot) -> blocks.Picture:
    name = f"{study.about.name}-{kind}"
    stamp = digest([*study.found.references, *study.found.scored])

    @functools.cache
    def draw() -> str:
        return figures.canvas(plot, stamp=name)

    return blocks.Picture(name, text, draw, stamp)


def _dots(axes: Axes, about: descriptions.Description, arm: lines.Arm, kind: str, place: float) -> None:
    metric = about.metrics[0]
    known = [row["metrics"].get(metric.key(kind)) for row in arm.rows]
    values = [_scaled(about, value) for value in known if value is not None]
    if not values:
        return
    color = figures.color(arm.method)
    face = color if kind == about.judged_by or not metric.kinds else "white"
    axes.plot(values, [place] * len(values), MARKERS.get(kind, "o"), color=color, mfc=face, ms=4.2, mew=0.9, alpha=0.6)
    middle = scores.middle(scores.strata(arm.rows, metric.key(kind)))
    if middle is not None and not math.isnan(middle.low):
        value, low, high = (_scaled(about, end) for end in middle)
        axes.plot([low, high], [place, place], color=figures.INK, lw=1.3, zorder=4)
        axes.plot([value], [place], "|", color=figures.INK, ms=10, mew=1.8, zorder=4)


def _curve(axes: Axes, points: dict[float, list[float]], name: str, color: str, dash: Any) -> None:
    if not points:
        return
    places = sorted(points)
    axes.plot(places, [float(np.mean(points[place])) for place in places], ls=dash, color=color, lw=1.5, label=name)
    for place in places:
        axes.plot([place] * len(points[place]), points[place], "o", color=color, ms=3.2, alpha=0.5)


def _dashes(arms: Sequence[lines.Arm]) -> dict[str, Any]:
    """Of lines, by variant."""
    return dict(zip(dict.fromkeys(arm.setting.variant for arm in arms), itertools.cycle(DASHES)))


def _swept(axes: Axes, arm: lines.Arm, kind: str, *, name: str, dash: Any) -> None:
    achieved: dict[float, list[float]] = {}
    supported: dict[float, bool] = {}
    for row in arm.rows:
        metrics = row["metrics"]
        marks = metrics.get("supported") or [True] * len(metrics["asked"])
        for asked, value, mark in zip(metrics["asked"], metrics[f"achieved_{kind}"], marks, strict=True):
            if value is not None:
                achieved.setdefault(asked, []).append(value)
                supported[asked] = mark
    color = figures.color(arm.method)
    places = sorted(achieved)
    axes.plot(places, [float(np.mean(achieved[place])) for place in places], ls=dash, color=color, lw=1.4, label=name)
    for place in places:
        face = color if supported[place] else "white"
        axes.plot([place] * len(achieved[place]), achieved[place], "o", color=color, mfc=face, ms=3.6, alpha=0.6)


def _asked(arm: lines.Arm) -> bool:
    return all(row["metrics"].get("asked") for row in arm.rows)


def _by_data(arms: Sequence[lines.Arm]) -> dict[str, list[lines.Arm]]:
    found: dict[str, list[lines.Arm]] = {}
    for arm in arms:
        found.setdefault(arm.setting.data, []).append(arm)
    return found


def _series(study: studies.Study) -> dict[str, list[lines.Row]]:
    """Runs by method and variant, whatever they learned from."""
    found: dict[str, list[lines.Row]] = {}
    for arm in study.arms:
        found.setdefault(arm.name, []).extend(arm.rows)
    return found


def _references(study: studies.Study, data: str) -> dict[str, float]:
    """References of a group that are the same for all of its data sets."""
    found: dict[str, set[float]] = {}
    for row in study.found.references:
        value = study.about.reference(row)
        if study.about.group(row["dataset"]) == data and value is not None:
            found.setdefault(row["method"], set()).add(_scaled(study.about, value))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def _kinds(about: descriptions.Description) -> dict[str, float]:
    """Ways of choosing actions, each with how far it is drawn from the middle of its line."""
    kinds = about.metrics[0].kinds
    return (
        {kind: 0.4 * (number / (len(kinds) - 1) - 0.5) for number, kind in enumerate(kinds)}
        if kinds[1:]
        else (dict.fromkeys(kinds or ("",), 0.0))
    )


def _scaled(about: descriptions.Description, value: float) -> float:
    return 100 * value if about.metrics[0].unit == descriptions.SHARE else value


def _label(about: descriptions.Description) -> str:
    metric = about.metrics[0]
    return f"{metric.label}, %" if metric.unit == descriptions.SHARE else metric.label


def _grid(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[first : first + COLUMNS] for first in range(0, len(items), COLUMNS)]


def make_panels(canvas: mpl_figure.Figure, count: int, heights: Sequence[float]) -> list[Axes]:
    """So many panels, and the height of each row of them."""
    columns = min(count, COLUMNS) or 1
    rows = math.ceil(count / columns) or 1
    grid = canvas.subplots(rows, columns, squeeze=False, height_ratios=list(heights)[:rows])
    panels = list(grid.ravel())
    for empty in panels[count:]:
        empty.remove()
    return panels[:count]


def _kind_handles(about: descriptions.Description) -> dict[str, Any]:
    from matplotlib.lines import Line2D

    handles = {}
    for kind in about.metrics[0].kinds:
        face = figures.FAINT if kind == about.judged_by else "white"
        handles[kind] = Line2D([], [], ls="", marker=MARKERS[kind], color=figures.FAINT, mfc=face, ms=5)
    handles["interquartile mean, 95 % interval"] = Line2D([], [], marker="|", color=figures.INK, lw=1.3, ms=10, mew=1.8)
    return handles


def draw_legend(canvas: mpl_figure.Figure, panels: Sequence[Axes], handles: dict[str, Any] | None = None) -> None:
    """One legend for all panels, each name once, as wide as the canvas allows; its further lines make that higher."""
    known = dict(handles or {})
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            known.setdefault(name, handle)
    widest = MARK + LETTER * max(map(len, known), default=0)
    columns = max(1, min(len(known), int(canvas.get_figwidth() / widest)))
    canvas.set_figheight(canvas.get_figheight() + LINE * (math.ceil(len(known) / columns) - 1))
    canvas.legend(known.values(), known.keys(), loc="outside lower center", ncols=columns, fontsize=9)
