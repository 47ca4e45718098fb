"""Results for the project's README: a dozen lines, and one picture."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

from experiments import figures
from experiments.report import document, load, plots, scores
from experiments.report.catalog import Experiment

SHOWN = ("attention", "s4d", "s4")
# What the picture shows: data whose target returns are drawn, and models that are timed.
SWEEP, SWEPT = ("cartpole", "mixed"), ("attention", "s4d")
TIMED = {
    ("attention", "interleaved"): "attention, three tokens a step",
    ("attention", "concatenated"): "attention, one token",
    ("s4d", "concatenated"): "S4D, one token",
}
DASHES = {"interleaved": "-", "concatenated": "--"}
# Short names of methods for readers.
METHODS = {"percent_bc": "%BC", "bc": "BC", "cql": "CQL", "lstm": "LSTM", "mlp": "MLP"}


class Line(NamedTuple):
    """A line of the table.

    Attributes:
        title: Task and score in words.
        experiment: Name of the experiment.
        data: Name of a group of data sets.
        variant: Variant of the compared mixers.
    """

    title: str
    experiment: str
    data: str
    variant: str = ""


LINES = (
    Line("walks on graphs: optimal paths, %", "random_walk", "random-1000, all graphs"),
    Line("the same, to be joined from pieces", "random_walk", "nosuffix-1000, all graphs"),
    Line("umbrella, lengths 1 to 100: right choices, %", "umbrella", "all lengths, random data"),
    Line("a bit kept for 100 steps: return", "memory", "a bit, 100 steps", "whole episodes"),
    Line(
        "CartPole without velocities: return", "memory", "CartPole without velocities", "context 32"
    ),
    Line("key and door, random data: return", "key_door", "random-1000"),
    Line("key and door, mixed data: return", "key_door", "mixed"),
    Line(
        "key-to-door, 1,000 episodes: success, %",
        "key_to_door",
        "dt/random-1000",
        "balanced batches",
    ),
    Line("CartPole, random data: return", "cartpole", "random"),
    Line("CartPole, medium data: return", "cartpole", "medium"),
    Line("Pendulum, replay data: return", "pendulum", "replay"),
)


def table(experiments: Mapping[str, Experiment]) -> document.Table:
    """Shows the interquartile mean of attention, S4D and S4 at every task, and the best method.

    Args:
        experiments: The experiments with their rows, by name.

    Returns:
        The table; tasks without rows are left out.
    """
    rows = []
    for line in LINES:
        experiment = experiments[line.experiment]
        own = {
            group.method: group
            for group in _tried(experiment, line.data)
            if group.variant == line.variant
        }
        if "attention" not in own:
            continue
        unit = experiment.metrics[0].unit
        values = [
            document.number(_middle(experiment, own[name]), unit) if name in own else "-"
            for name in SHOWN
        ]
        name, value = max(_others(experiment, line, own["attention"]), key=lambda each: each[1])
        rows.append([line.title, *values, f"{document.number(value, unit)} {name}"])
    return document.Table(["task and score", *SHOWN, "best method tried"], rows)


def _tried(experiment: Experiment, data: str) -> list[load.Group]:
    """Returns the groups of some data that are no ablation and no probe."""
    return [
        group
        for group in experiment.groups
        if group.data == data
        and not experiment.split(group.variant)[1]
        and not group.variant.startswith(("tested with", "critic"))
        and len(group.rows) >= scores.LEAST_RUNS
    ]


def _others(
    experiment: Experiment, line: Line, attention: load.Group
) -> Iterator[tuple[str, float]]:
    """Yields name and score of every method on the same data sets, lookup among them."""
    datasets = {row["dataset"] for row in attention.rows}
    for group in _tried(experiment, line.data):
        if {row["dataset"] for row in group.rows} == datasets:
            variant = group.variant if group.variant != line.variant else ""
            name = METHODS.get(group.method, group.method)
            yield document.join(name, variant), _middle(experiment, group)
    lookup = {
        row["dataset"]: experiment.reference(row)
        for row in experiment.rows.references
        if row["method"] == "lookup" and row["dataset"] in datasets
    }
    known = [value for value in lookup.values() if value is not None]
    if len(known) == len(datasets):
        yield "lookup of the best recorded", sum(known) / len(known)


def _middle(experiment: Experiment, group: load.Group) -> float:
    return scores.middle_value(scores.strata(group.rows, experiment.score))


def picture(experiments: Mapping[str, Experiment], timings: Sequence[load.Row]) -> document.Picture:
    """Returns the picture: achieved against target returns, and times of training by context.

    Args:
        experiments: The experiments with their rows, by name.
        timings: Rows of the benchmark of training.
    """
    name, data = SWEEP
    groups = [
        group
        for group in experiments[name].groups
        if (group.data, group.variant) == (data, "") and group.method in SWEPT
    ]
    timed = [row for row in timings if (row["method"], row["tokens"]) in TIMED]

    def fill(canvas: mpl_figure.Figure) -> None:
        canvas.set_size_inches(9.0, 3.3)
        left, right = canvas.subplots(1, 2)
        _sweep(left, groups)
        _times(right, timed)

    rows = [row for group in groups for row in group.rows] + timed
    text = (
        "Left: CartPole, achieved against target return, of attention and S4D. "
        "Right: milliseconds of training on one row of a batch, by context length."
    )
    return document.Picture(
        "overview", text, lambda: figures.canvas(fill, stamp="overview"), plots.digest(rows)
    )


def _sweep(axes: Axes, groups: Sequence[load.Group]) -> None:
    for group in groups:
        by_target: dict[float, list[float]] = {}
        for row in group.rows:
            metrics = row["metrics"]
            pairs = zip(metrics.get("asked", ()), metrics.get("achieved_sampled", ()), strict=True)
            for target, mean in pairs:
                if mean is not None:
                    by_target.setdefault(target, []).append(mean)
        targets = sorted(target for target, own in by_target.items() if len(own) == len(group.rows))
        if not targets:
            continue
        every = np.array([by_target[target] for target in targets])
        color = figures.color(group.method)
        label = "S4D" if group.method == "s4d" else group.method
        axes.plot(targets, every.mean(axis=1), "o-", color=color, lw=1.8, ms=4, label=label)
        axes.fill_between(targets, every.min(1), every.max(1), color=color, alpha=0.15, lw=0)
    ends = [0.0, 500.0]
    axes.plot(ends, ends, ":", color=figures.FAINT, lw=1.2, label="achieved as targeted")
    axes.set(xlabel="target return", ylabel="achieved return")
    axes.set_title("CartPole: one model, many target returns", fontsize=10, loc="left")
    axes.legend(fontsize=8.5)


def _times(axes: Axes, rows: Sequence[load.Row]) -> None:
    for key, label in TIMED.items():
        own = {
            row["context_length"]: 1e3 * row["seconds"]["median"] / row["metrics"]["batch"]
            for row in rows
            if (row["method"], row["tokens"]) == key
        }
        lengths = sorted(own)
        axes.loglog(
            lengths,
            [own[length] for length in lengths],
            marker="o",
            ls=DASHES[key[1]],
            color=figures.color(key[0]),
            lw=1.8,
            ms=4,
            label=label,
        )
    axes.set(xlabel="context, steps", ylabel="ms, two CPU cores")
    axes.set_title("Training: time of one row of a batch", fontsize=10, loc="left")
    lengths = sorted({row["context_length"] for row in rows})
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths], minor=False)
    axes.set_xticks([], minor=True)
    axes.legend(fontsize=8.5)
