"""Key-to-door: what actions depend on, longer waits than in training, and models as critics."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import figures
from experiments.report import document, load, plots, scores, tables
from experiments.report.experiment import Experiment

HEIGHT = 3.6
LONGER, CRITIC = "tested with longer waits", "critic"
# Steps between key and door, in training and in tests.
TRAINED, TESTED = 30, (90, 300, 1_000, 4_000)
MEMORIES = {"": "as in training", "_whole": "whole episode"}
# Steps of an episode, and where its phases end.
STEPS, PHASES = 60, (15, 45)
# Heads of columns, with names in the rows and of the exact values.
EXPECTED = {
    "at the start": ("critic_start", "critic_start_exact"),
    "with the key": ("critic_with_key", "critic_with_key_exact"),
    "without": ("critic_without_key", ""),
    "rise at the key": ("critic_jump", ""),
    "rise elsewhere": ("critic_jump_elsewhere", ""),
    "AUROC of success": ("critic_auroc", "critic_auroc_of_key"),
    "AUROC of the key": ("critic_auroc_key", ""),
    "Brier score": ("critic_brier", "critic_brier_exact"),
    "AUROC of success after the first phase": ("critic_auroc_first_phase", ""),
    "Brier score after it": ("critic_brier_first_phase", ""),
}
# By definition: no reward without the key, and the key is the label of its AUROC.
DEFINED = {"without": "0", "AUROC of the key": "1"}
SHARES = {
    "gradient of the return": "return_on_key",
    "gradient of the action at the door": "action_on_key",
    "attention, return": "attention_return_on_key",
    "attention, action": "attention_action_on_key",
}


def key_to_door(experiment: Experiment) -> list[document.Block]:
    """Shows what the action at the door depends on, longer waits, and models as critics."""
    longer = [group for group in experiment.groups if group.variant.startswith(LONGER)]
    critics = [group for group in experiment.groups if group.variant == CRITIC]
    main = [
        group
        for group in experiment.groups
        if group.variant == experiment.main_variants[0] and group.values("action_on_key")
    ]
    return [*_attribution(main), *_waits(longer), *_critics(critics)]


def _attribution(groups: Sequence[load.Group]) -> list[document.Block]:
    if not groups:
        return []
    columns: dict[str, tables.Column[load.Group]] = {
        "method": "method",
        "data": "data",
        "runs": lambda group: str(len(group.values("action_on_key"))),
        "gradient, three steps around the key": lambda group: share(group, "action_on_key"),
        "rank of the step of the key": lambda group: scores.mean(group.values("action_key_rank")),
        "attention, three steps around the key": lambda group: share(
            group, "attention_action_on_key"
        ),
    }
    table = tables.table(groups, columns, left=2)
    title, data = "What the action at the door depends on", groups[0].data
    drawn = [group for group in groups if group.data == data and group.values("action_curve")]
    picture = _picture("resting", f"{title}, by step of the episode", drawn, _draw_attribution)
    shown = [picture] if drawn else []
    return [document.Heading(title, 3), *shown, table, document.note("attribution", data=data)]


def _draw_attribution(canvas: mpl_figure.Figure, groups: Sequence[load.Group]) -> None:
    """Draws gradients by step, a line for each mixer, and attention by layer and step."""
    maps = [values for group in groups for values in group.values("attention_action_curve")]
    canvas.set_size_inches(plots.WIDTH if maps else plots.NARROW, HEIGHT)
    panels = canvas.subplots(1, 2 if maps else 1, squeeze=False)[0]
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


def _waits(groups: Sequence[load.Group]) -> list[document.Block]:
    if not groups:
        return []
    lines = [(group, memory) for group in groups for memory in MEMORIES if _tested(group, memory)]
    columns: dict[str, tables.Column[tuple[load.Group, str]]] = {
        "method": lambda line: line[0].method,
        "time": lambda line: line[0].variant.partition(", ")[2] or "by its state",
        "memory": lambda line: MEMORIES[line[1]],
        "runs": lambda line: str(len(line[0].rows)),
    }
    for at, wait in enumerate((TRAINED, *TESTED)):
        columns[f"{wait:,} steps"] = lambda line, at=at: scores.middle_of(
            line[0], _wait_keys(line[1])[at], "%"
        )
    table = tables.table(lines, columns, left=3)
    picture = _picture("waits", "Success against steps between key and door", groups, _draw_waits)
    note = document.note("waits", steps=TRAINED)
    return [document.Heading("Longer waits than in training", 3), table, note, picture]


def _wait_keys(memory: str) -> list[str]:
    """Returns the names in the rows of success at every wait, the one of training first."""
    return ["success_sampled", *(f"success{memory}_at_{steps}_sampled" for steps in TESTED)]


def _tested(group: load.Group, memory: str) -> bool:
    return any(group.values(key) for key in _wait_keys(memory)[1:])


def _draw_waits(canvas: mpl_figure.Figure, groups: Sequence[load.Group]) -> None:
    canvas.set_size_inches(plots.NARROW, HEIGHT)
    axes = canvas.subplots()
    for group in groups:
        memories = [memory for memory in MEMORIES if _tested(group, memory)]
        for dash, memory in zip(("-", "--"), memories, strict=False):
            name = document.join(group.method, group.variant.partition(", ")[2], memory.strip("_"))
            waits = zip((TRAINED, *TESTED), _wait_keys(memory), strict=True)
            points = {steps: [100 * v for v in group.values(key)] for steps, key in waits}
            points = {steps: values for steps, values in points.items() if values}
            # Attention has several lines, so its variants have colors of their own.
            color = figures.color(group.name if group.method == "attention" else group.method)
            means = [np.mean(values) for values in points.values()]
            axes.plot(list(points), means, dash, color=color, label=name)
            for steps, values in points.items():
                axes.plot([steps] * len(values), values, "o", color=color, ms=3.2, alpha=0.5)
    axes.set(xlabel="steps between key and door", ylabel="success, %", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _critics(groups: Sequence[load.Group]) -> list[document.Block]:
    if not groups:
        return []
    by: dict[str, tables.Column[load.Group]] = {
        "method": "method",
        "runs": lambda group: str(len(group.rows)),
    }
    values = {
        head: functools.partial(scores.middle_of, key=key) for head, (key, _) in EXPECTED.items()
    }
    shares = {head: functools.partial(share, key=key) for head, key in SHARES.items()}
    expected = tables.table(groups, by | values, left=1)
    rows = [row for group in groups for row in group.rows]
    exact = {head: scores.mean(load.values(rows, key)) for head, (_, key) in EXPECTED.items()}
    first = ["exact", "-", *(exact | DEFINED).values()]
    text = "Predicted return along random episodes, by their outcome"
    return [
        document.Heading("The model as critic", 3),
        expected._replace(rows=[first, *expected.rows]),
        document.note("critics"),
        _picture("critic", text, groups, _draw_critics),
        tables.table(groups, by | shares, left=1),
        document.note("critic shares"),
    ]


def _draw_critics(canvas: mpl_figure.Figure, groups: Sequence[load.Group]) -> None:
    """Draws means over runs, a panel for each outcome."""
    curves = [(group, group.values("critic_curves")) for group in groups]
    names = list(dict.fromkeys(name for _, own in curves for each in own for name in each))
    canvas.set_size_inches(plots.WIDTH, HEIGHT)
    panels = canvas.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        for group, own in curves:
            mean = np.mean([each[name] for each in own], axis=0)
            axes.plot(mean, color=figures.color(group.method), lw=1.4, label=group.method)
        axes.set(xlabel="step", title=name)
    panels[0].set_ylabel("predicted return")
    plots.draw_legend(canvas, panels)


def share(group: load.Group, key: str) -> str:
    """Returns a share in percent, and in brackets what equal weights would have."""
    values = group.values(key)
    uniform = group.values(f"{key.removeprefix('attention_')}_uniform")
    return f"{scores.mean(values, '%')} ({scores.mean(uniform, '%')})" if values else "-"


def _picture(name: str, text: str, groups: Sequence[load.Group], plot: Any) -> document.Picture:
    rows = [row for group in groups for row in group.rows]
    return plots.picture(f"key_to_door-{name}", text, rows, lambda canvas: plot(canvas, groups))
