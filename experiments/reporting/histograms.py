"""How many steps walks took to the goal, as the Decision Transformer paper draws its example on a graph."""

import functools
from collections.abc import Sequence

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

from experiments import figures
from experiments.reporting import blocks, descriptions, lines, pictures, stitching

# Lines that need no training, and their dashes; their histograms are exact.
EXACT = {"random": ":", "lookup": "-.", "optimal": "-"}


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """The picture, for the section of the experiment; a panel for each setting that a decision model has lines of."""
    key = f"histogram_{about.judged_by}"
    arms = [
        arm
        for arm in lines.arms(found.scored, about.group)
        if arm.method in stitching.MIXERS and all(key in row["metrics"] for row in arm.rows)
    ]
    if not arms:
        return []
    apart = lines.apart(arms)
    panels: dict[str, list[lines.Arm]] = {}
    for arm in arms:
        panels.setdefault(lines.join(arm.setting.name, apart[arm.setting]), []).append(arm)
    name = f"{about.name}-histogram"

    def plot(canvas: mpl_figure.Figure) -> None:
        draw(canvas, panels, found.references, key)

    @functools.cache
    def svg() -> str:
        return figures.canvas(plot, stamp=name)

    text = f"{about.title}: steps to the goal, actions {about.judged_by}, mean over runs"
    note = (
        f"Steps to the goal, actions {about.judged_by}, mean over all runs: the histogram of the Decision "
        "Transformer paper. The last bin has walks that did not arrive. Lines without dots are exact: random play, "
        "repeating the best recorded walk, shortest paths."
    )
    picture = blocks.Picture(name, text, svg, pictures.digest([*found.references, *found.scored]))
    return [blocks.Heading("Steps to the goal", 3), picture, blocks.Note(note)]


def draw(
    canvas: mpl_figure.Figure, panels: dict[str, list[lines.Arm]], references: Sequence[lines.Row], key: str
) -> None:
    """Shares of walks by the steps that they took.

    Args:
      canvas: drawn on.
      panels: arms, by title.
      references: lines that need no training; those of a panel's data are drawn.
      key: name of the histogram in the lines of runs.
    """
    height = 2.6 * -(-len(panels) // pictures.COLUMNS) + 0.5
    canvas.set_size_inches(pictures.WIDTH if len(panels) > 1 else 0.62 * pictures.WIDTH, height)
    drawn = pictures.make_panels(canvas, len(panels), [1.0] * (-(-len(panels) // pictures.COLUMNS)))
    for axes, (title, arms) in zip(drawn, panels.items(), strict=True):
        known = {row["dataset"] for arm in arms for row in arm.rows}
        for method, dash in EXACT.items():
            own = [row for row in references if row["method"] == method and row["dataset"] in known]
            found = [row["metrics"]["histogram"] for row in own if "histogram" in row["metrics"]]
            _line(axes, found, label=method, color=figures.INK, ls=dash, lw=1.1)
        for arm in arms:
            found = [row["metrics"][key] for row in arm.rows]
            _line(axes, found, label=arm.method, color=figures.color(arm.method), marker="o", ms=3.5, lw=1.4)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set(xlabel="steps to the goal", ylabel="walks, %")
    pictures.draw_legend(canvas, drawn)


def _line(axes: Axes, histograms: Sequence[Sequence[float]], **style: object) -> None:
    if not histograms:
        return
    shares = 100 * np.mean(histograms, axis=0)
    places = np.arange(1, len(shares) + 1)
    axes.plot(places, shares, **style)  # pyright: ignore[reportArgumentType]
    axes.set_xticks(places, [*map(str, places[:-1]), "never"])
