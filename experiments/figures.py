"""Pictures of result lines, as SVG text that an HTML page can hold."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

Row = dict[str, Any]

COLORS = {
    "attention": "#1f6fb4",
    "s4d": "#d1580a",
    "s4": "#b0306a",
    "s5": "#2a8a4a",
    "lstm": "#7a4bb5",
    "bc": "#6d6d6d",
    "percent_bc": "#1d1d1d",
    "cql": "#8a6d00",
}
OTHER_COLORS = ("#00808a", "#5a4a2f", "#8a3a3a", "#4a5a8a")
INK, FAINT = "#222222", "#8a8a8a"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "jax_s4rl",
}


def draw(
    plot: Callable[[Axes, Sequence[Row]], None], rows: Sequence[Row], *, width: float = 5.2
) -> str:
    """Draws one picture.

    Args:
      plot: one of the functions of this file.
      rows: result lines of one task.
      width: in inches.

    Returns:
      An `<svg>` element, the same for the same rows.
    """

    def fill(figure: mpl_figure.Figure) -> None:
        figure.set_size_inches(width, 3.6)
        plot(figure.subplots(), rows)

    # Several pictures share a page, so their ids must not meet.
    return canvas(fill, stamp=f"{plot.__name__}-{rows[0]['env']}")


def canvas(fill: Callable[[mpl_figure.Figure], None], *, stamp: str) -> str:
    """Draws a picture of any number of panels.

    Args:
      fill: draws it.
      stamp: stands before every id of the picture; no two pictures of a page may have the same.

    Returns:
      An `<svg>` element, the same whenever `fill` does the same.
    """
    with mpl.rc_context(STYLE):
        empty = mpl_figure.Figure(layout="constrained")
        fill(empty)
        text = io.StringIO()
        empty.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{stamp.replace('/', '-')}-", svg)


def learning_curves(axes: Axes, rows: Sequence[Row]) -> None:
    """Training loss against updates, one line for each seed."""
    for method, group in by_method(rows).items():
        for row in group:
            curve = row["metrics"]["learning_curve"]
            label = method if row is group[0] else None
            axes.plot(
                curve["updates"],
                curve["loss"],
                color=color(method),
                lw=1.4,
                alpha=0.85,
                label=label,
            )
    axes.set(xlabel="updates", ylabel="training loss", title="Learning curves, every seed")
    axes.legend()


def asked_against_achieved(axes: Axes, rows: Sequence[Row]) -> None:
    """Achieved return against the return asked for, with what the data hold beside it."""
    first = rows[0]["metrics"]
    asked = np.array(first["asked"], float)
    axes.plot(asked, asked, color=FAINT, lw=1, ls=":", label="delivered as asked")
    for name, label, style in (
        ("data_best", "best in data", (0, (6, 2))),
        ("data_mean", "mean of data", (0, (3, 2))),
        ("random", "random actions", (0, (1, 1.5))),
    ):
        axes.axhline(first[name], color=INK, lw=0.9, ls=style, label=label)
    _by_target(axes, rows, asked, "achieved")
    axes.set(
        xlabel="return asked for",
        ylabel="mean return achieved",
        title="Asked against achieved, every seed",
    )
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def first_actions(axes: Axes, rows: Sequence[Row]) -> None:
    """Share of right first actions under the umbrella, beside the closed form."""
    first = rows[0]["metrics"]
    asked = np.array(first["asked"], float)
    form = first["first_action_closed_form"]
    axes.plot(asked, form, color=INK, lw=1.2, label="closed form, sampled: 1/2 + R/2n")
    ideal = np.where(asked > 0, 1.0, 0.0)
    axes.step(asked, ideal, color=INK, lw=0.9, ls=":", where="mid", label="closed form, greedy")
    _by_target(axes, rows, asked, "first_action")
    axes.set(
        xlabel="return R asked for",
        ylabel="share of right first actions",
        title="First actions, every seed",
    )
    axes.set_ylim(-0.04, 1.04)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def updates_per_second(axes: Axes, rows: Sequence[Row]) -> None:
    """Speed of training, compilation not included."""
    _bars(axes, rows, lambda metrics: metrics["updates_per_second"])
    axes.set(ylabel="updates per second", title="Training speed (more is better)")


def milliseconds_per_action(axes: Axes, rows: Sequence[Row]) -> None:
    """Time of one action, with all environments acting at once."""
    _bars(
        axes, rows, lambda metrics: metrics["milliseconds_per_call"] / metrics["episodes_at_once"]
    )
    count = rows[0]["metrics"]["episodes_at_once"]
    axes.set(
        ylabel=f"ms per action, {count} environments at once", title="Acting speed (less is better)"
    )


def by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Lines grouped by method, in the order in which the methods come."""
    return {
        name: [row for row in rows if row["method"] == name]
        for name in dict.fromkeys(r["method"] for r in rows)
    }


def number(value: float) -> str:
    """A number with one decimal, and no sign before zero."""
    return f"{round(value, 1) + 0.0:.1f}"


def color(method: str) -> str:
    """A method's color, the same in every picture."""
    if method in COLORS:
        return COLORS[method]
    return OTHER_COLORS[sum(method.encode()) % len(OTHER_COLORS)]


def _by_target(axes: Axes, rows: Sequence[Row], targets: np.ndarray, metric: str) -> None:
    """Draws a metric over target returns: means as lines, seeds as markers, for both kinds."""
    for method, group in by_method(rows).items():
        for kind, marker, line in (("greedy", "o", "-"), ("sampled", "s", "--")):
            values = np.array([row["metrics"][f"{metric}_{kind}"] for row in group])
            axes.plot(
                targets,
                values.mean(axis=0),
                line,
                color=color(method),
                lw=1.6,
                label=f"{method}, {kind}",
            )
            for seed in values:
                axes.plot(targets, seed, marker, color=color(method), ms=3.5, alpha=0.6)


def _bars(axes: Axes, rows: Sequence[Row], value: Callable[[Row], float]) -> None:
    groups = by_method(rows)
    for place, (method, group) in enumerate(groups.items()):
        values = [value(row["metrics"]) for row in group]
        mean = float(np.mean(values))
        axes.bar(place, mean, color=color(method), alpha=0.85, width=0.55)
        axes.plot([place] * len(values), values, "o", color=INK, ms=3.5)
        axes.annotate(
            f"{mean:.3g}",
            (place, max(values)),
            ha="center",
            va="bottom",
            xytext=(0, 3),
            textcoords="offset points",
        )
    axes.set_axisbelow(True)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.margins(y=0.15)
    axes.grid(visible=False, axis="x")
