"""Figures of `benchmarks.lengths`: time and memory of an update, and time of an action."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import lengths_fit, tables
from jax_s4rl.data import atomic_files

Line = tuple[str, str, str]
"""Method, token layout, and colour."""
Points = Mapping[int, float]
"""Values by length."""

# Colours that people with any colour vision tell apart (Okabe and Ito), each with its label.
BLUE, SKY, GREEN, ORANGE, RED, GREY = (
    "#0072B2",
    "#56B4E9",
    "#009E73",
    "#B87900",
    "#D55E00",
    "#555555",
)
LINES: dict[str, Line] = {
    "attention, 3 tokens": ("attention", "interleaved", RED),
    "attention": ("attention", "concatenated", ORANGE),
    "LSTM": ("lstm", "concatenated", GREY),
    "S4D, as many\nparameters": ("s4d/matched", "concatenated", SKY),
    "S4D": ("s4d", "concatenated", BLUE),
    "S5": ("s5", "concatenated", GREEN),
}
MATCHED_LABEL = "S4D, as many\nparameters"
ACTION_AIM_MS = 0.2
SIZE, DOTS_PER_INCH = (5.2, 3.9), 100


def draw(found: tables.Newest, folder: Path) -> dict[str, str]:
    """Draws the figures; without matplotlib nothing is drawn.

    Args:
        found: Newest rows of one machine by kind, group, method, tokens and length.
        folder: Folder of the files.

    Returns:
        Names of the figures for which there are rows, with their descriptions.
    """
    times = {name: points(found, "training", line[:2], _row_time) for name, line in LINES.items()}
    memory = {
        name: points(found, "training", line[:2], _row_memory) for name, line in LINES.items()
    }
    actions = {name: points(found, "acting", line[:2], _time) for name, line in LINES.items()}
    plans = {
        "lengths_time.png": (
            "Time of an update against length",
            times,
            "milliseconds of an update, per row of the batch",
        ),
        "lengths_memory.png": (
            "Memory of an update against length",
            memory,
            "MiB of temporaries of an update, per row of the batch",
        ),
        "lengths_acting.png": (
            "Time of an action against history",
            actions,
            "milliseconds of one action",
        ),
    }
    kept = {name: plan for name, plan in plans.items() if any(plan[1].values())}
    for name, (title, curves, label) in kept.items():
        _figure(folder / name, title, {key: own for key, own in curves.items() if own}, label)
    return {name: plan[0] for name, plan in kept.items()}


def points(found: tables.Newest, kind: str, model: Sequence[str], measure: Any) -> Points:
    """Returns the values of one model by length; those of its first group, if it is in several.

    Args:
        found: Newest rows of one machine by kind, group, method, tokens and length.
        kind: "training" or "acting".
        model: Method and token layout.
        measure: Function from a row to its value; None where it has none.

    Returns:
        Values by length, in ascending order.
    """
    values: dict[int, float] = {}
    for key, row in sorted(found.items(), key=lambda item: item[0][4]):
        value = measure(row) if (key[0], key[2:4]) == (kind, tuple(model)) else None
        if value is not None and key[4] not in values:
            values[key[4]] = value
    return values


def _time(row: tables.Row) -> float | None:
    return 1e3 * row["seconds"]["median"] if "median" in row["seconds"] else None


def _row_time(row: tables.Row) -> float | None:
    time = _time(row)
    return None if time is None else time / row["metrics"]["batch"]


def _row_memory(row: tables.Row) -> float | None:
    # Known of programs that were too large to run, too.
    needed = row["metrics"]["temporary_mib"]
    return None if needed is None else needed / row["metrics"]["batch"]


def _figure(path: Path, title: str, curves: Mapping[str, Points], label: str) -> None:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axis = plt.subplots(figsize=SIZE)
    for name, own in curves.items():
        axis.loglog(
            list(own), list(own.values()), "o-", markersize=3.5, linewidth=1.6, color=LINES[name][2]
        )
    _decorate(axis, title, curves, label)
    if path.name == "lengths_acting.png":
        _mark_aim(axis)
    else:
        _mark_crossover(axis, curves)
    _label_ends(axis, curves)
    figure.tight_layout()
    kind = path.suffix[1:]
    atomic_files.write_whole(
        path, lambda file: figure.savefig(file, format=kind, dpi=DOTS_PER_INCH)
    )
    plt.close(figure)


def _decorate(axis: Any, title: str, curves: Mapping[str, Points], label: str) -> None:
    lengths = sorted({length for own in curves.values() for length in own})
    axis.set_xticks(lengths, [_short(length) for length in lengths])
    axis.minorticks_off()
    axis.yaxis.set_major_formatter("{x:,g}")
    axis.tick_params(labelsize=8)
    axis.set_xlabel("steps of context" if "update" in title else "steps of history", fontsize=9)
    axis.set_ylabel(label, fontsize=9)
    axis.set_title(title, fontsize=10, loc="left")
    axis.grid(visible=True, which="major", linewidth=0.4, color="#dddddd")
    axis.spines[["top", "right"]].set_visible(False)


def _short(length: int) -> str:
    for unit, name in ((1_000_000, "M"), (1024, "K")):
        if length >= unit and length % unit == 0:
            return f"{length // unit}{name}"
    return str(length)


def _mark_crossover(axis: Any, curves: Mapping[str, Points]) -> None:
    """Marks where attention becomes dearer than S4D with as many parameters."""
    over, under = curves.get("attention", {}), curves.get(MATCHED_LABEL, {})
    shared = sorted(over.keys() & under.keys())
    if len(shared) < 2:
        return
    length = lengths_fit.crossover(
        {key: [over[key]] for key in shared}, {key: [under[key]] for key in shared}
    ).value
    if not shared[0] <= length <= shared[-1]:
        return
    height = np.exp(
        np.interp(np.log(length), np.log(shared), np.log([under[key] for key in shared]))
    )
    axis.plot([length], [height], "o", markersize=9, markerfacecolor="none", color="black")
    axis.annotate(
        f"attention = S4D with as many\nparameters at {length:,.0f} steps",
        (length, height),
        # In the lower right corner, below all lines.
        xytext=(0.5, 0.08),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "linewidth": 0.7, "shrinkB": 5},
        fontsize=8,
    )


def _mark_aim(axis: Any) -> None:
    axis.axhline(ACTION_AIM_MS, linestyle=":", linewidth=1, color="black")
    axis.annotate(
        f"aim: {ACTION_AIM_MS} ms",
        (0.02, ACTION_AIM_MS),
        xycoords=("axes fraction", "data"),
        xytext=(0, -4),
        textcoords="offset points",
        va="top",
        fontsize=8,
    )
    # Room for the words below the line.
    axis.set_ylim(bottom=min(axis.get_ylim()[0], ACTION_AIM_MS / 2))


def _label_ends(axis: Any, curves: Mapping[str, Points]) -> None:
    """Writes the name of each line beside its last point, without overlap."""
    last = max(length for own in curves.values() for length in own)
    # Lines that end early are labelled there; the others share a column at the right.
    right = {name: own[last] for name, own in curves.items() if last in own}
    low, high = axis.get_ylim()
    heights = spread(
        {name: float(np.log(value / low) / np.log(high / low)) for name, value in right.items()},
        {name: 0.062 * (1 + name.count("\n")) for name in right},
    )
    for name, height in heights.items():
        axis.annotate(
            name,
            (1.01, height),
            xycoords="axes fraction",
            color=LINES[name][2],
            fontsize=8.5,
            va="center",
            annotation_clip=False,
        )
    for name in curves.keys() - right.keys():
        end = max(curves[name])
        axis.annotate(
            f"{name}\n(ends here)",
            (end, curves[name][end]),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=LINES[name][2],
            fontsize=8.5,
        )


def spread(heights: Mapping[str, float], sizes: Mapping[str, float]) -> dict[str, float]:
    """Moves labels apart that would overlap, as little as two passes allow.

    Args:
        heights: Wanted heights of the labels, as shares of the axis.
        sizes: Heights that the labels take, in the same unit.

    Returns:
        Heights without overlap, in the same order from bottom to top.

    Example:
        >>> spread({"a": 0.5, "b": 0.5}, {"a": 0.1, "b": 0.1})
        {'a': 0.45, 'b': 0.55}
    """
    names = sorted(heights, key=lambda name: heights[name])
    placed = [heights[name] for name in names]
    for _ in range(100):
        for i in range(len(names) - 1):
            gap = (sizes[names[i]] + sizes[names[i + 1]]) / 2
            lack = gap - (placed[i + 1] - placed[i])
            if lack > 1e-9:
                placed[i] -= lack / 2
                placed[i + 1] += lack / 2
    return {name: round(height, 6) for name, height in zip(names, placed, strict=True)}
