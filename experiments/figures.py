"""Pictures of result lines, as SVG text that an HTML page can hold."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

from experiments import methods

Row = dict[str, Any]

# Of methods that have none.
OTHER_COLORS = ("#8a3a3a", "#4a5a8a", "#6f7d2c")
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
      plot: function that draws into axes.
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
    if method in methods.METHODS:
        return methods.METHODS[method].color
    return OTHER_COLORS[sum(method.encode()) % len(OTHER_COLORS)]
