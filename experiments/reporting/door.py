"""What key-to-door shows beside success: longer waits, and the model as critic."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import figures
from experiments.reporting import blocks, descriptions, lines, pictures, scores

LONGER, CRITIC = "tested with longer waits*", "critic"
# Between key and door, in training and in tests.
TRAINED, TESTED = 30, (90, 300, 1_000, 4_000)
MEMORIES = {"": "as in training", "_whole": "whole episode"}
WIDTH, HEIGHT = 11.0, 3.6

# Heads of columns, with names in the lines and of the exact values beside them.
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
SHARES = {
    "gradient of the return": "return_on_key",
    "gradient of the action at the door": "action_on_key",
    "attention, return": "attention_return_on_key",
    "attention, action": "attention_action_on_key",
}


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """All of it, for the section of the experiment."""
    arms = lines.arms(found.scored, about.group)
    longer = [arm for arm in arms if arm.setting.variant.startswith(LONGER.rstrip("*"))]
    critics = [arm for arm in arms if arm.setting.variant == CRITIC]
    return [*_waits(longer), *_critics(critics)]


def _waits(arms: Sequence[lines.Arm]) -> list[blocks.Block]:
    if not arms:
        return []
    rows = [
        [
            arm.method,
            _told(arm),
            MEMORIES[memory],
            str(len(arm.rows)),
            *map(functools.partial(_show, arm, unit="%"), keys),
        ]
        for arm in arms
        for memory, keys in _keys(arm).items()
    ]
    head = ["method", "time", "memory", "runs", *(f"{steps:,} steps" for steps in (TRAINED, *TESTED))]
    note = (
        f"Success in %, actions sampled; all models were trained with {TRAINED} steps between key and door, and none "
        "of them has a learned table of time steps, which would end there. States are carried on; attention sees a "
        "window as long as the episodes of its training, or, in a cache, all of the longer episode. The key in hand is "
        "a part of every observation: this asks whether a model works after long waits, not whether it remembers. In "
        "the picture a dot is a run, and lines go through means, dashed where attention sees the whole episode."
    )
    return [
        blocks.Heading("Longer waits than in training", 3),
        blocks.Table(head, rows, left=3),
        blocks.Note(note),
        picture("waits", "Success against steps between key and door", arms, _draw_waits),
    ]


def _critics(arms: Sequence[lines.Arm]) -> list[blocks.Block]:
    if not arms:
        return []
    exact = {
        title: mean([row for arm in arms for row in arm.rows], key) if key else "-"
        for title, (_, key) in EXPECTED.items()
    }
    # By definition: no reward without the key, and the key is what AUROC asks for.
    exact |= {"without": "0", "AUROC of the key": "1"}
    rows = [["exact", "-", *exact.values()]]
    rows += [[arm.method, str(len(arm.rows)), *(_show(arm, key) for key, _ in EXPECTED.values())] for arm in arms]
    expected = (
        "The return that models expect along a thousand random episodes that none has seen, before each action; with "
        "and without the key right before the last phase, where AUROC and Brier score are taken, too, if no other is "
        "named. Exact are the chances of random play. The picture has means over runs and episodes, a panel for each "
        "outcome."
    )
    shares = [[arm.method, str(len(arm.rows)), *(over(arm, key) for key in SHARES.values())] for arm in arms]
    rested = (
        "Share (in %) of the three steps around the one that took the key in all that a prediction rests on, and in "
        "brackets what it would be if all steps counted the same. Explained are the return predicted right before the "
        "last phase, and the action that opened the door. The key in hand is seen at every step, so that a model need "
        "not look back."
    )
    return [
        blocks.Heading("The model as critic", 3),
        blocks.Table(["method", "runs", *EXPECTED], rows),
        blocks.Note(expected),
        picture("critic", "Predicted return along random episodes, by what became of them", arms, _draw_critics),
        blocks.Table(["method", "runs", *SHARES], shares),
        blocks.Note(rested),
    ]


def _keys(arm: lines.Arm) -> dict[str, list[str]]:
    """Names in the lines of success at every wait, by memory; only memories that were tested."""
    found = {}
    for memory in MEMORIES:
        keys = [f"success{memory}_at_{steps}_sampled" for steps in TESTED]
        if any(key in row["metrics"] for row in arm.rows for key in keys):
            found[memory] = ["success_sampled", *keys]
    return found


def _told(arm: lines.Arm) -> str:
    return arm.setting.variant.partition(", ")[2] or "by its state"


def _show(arm: lines.Arm, key: str, unit: str = "") -> str:
    return scores.show(scores.middle(scores.strata(arm.rows, key)), unit)


def over(arm: lines.Arm, key: str) -> str:
    """A share, and what equal weights would have."""
    if not scores.strata(arm.rows, key):
        return "-"
    uniform = f"{key.removeprefix('attention_')}_uniform"
    return f"{mean(arm.rows, key, '%')} ({mean(arm.rows, uniform, '%')})"


def mean(rows: Sequence[lines.Row], key: str, unit: str = "") -> str:
    """Mean of a metric over runs as text."""
    known = [value for row in rows if (value := row["metrics"].get(key)) is not None]
    return scores.number(sum(known) / len(known), unit) if known else "-"


def picture(
    name: str, text: str, arms: Sequence[lines.Arm], plot: Callable[[mpl_figure.Figure, Sequence[lines.Arm]], None]
) -> blocks.Picture:
    """A picture of some arms.

    Args:
      name: what follows the name of the experiment.
      text: what it shows.
      arms: that are drawn.
      plot: draws them.
    """
    full = f"key_to_door-{name}"

    @functools.cache
    def draw() -> str:
        return figures.canvas(lambda canvas: plot(canvas, arms), stamp=full)

    return blocks.Picture(full, text, draw, pictures.digest([row for arm in arms for row in arm.rows]))


def _draw_waits(canvas: mpl_figure.Figure, arms: Sequence[lines.Arm]) -> None:
    canvas.set_size_inches(0.62 * WIDTH, HEIGHT)
    axes = canvas.subplots()
    for arm in arms:
        for style, (memory, keys) in zip(("-", "--"), _keys(arm).items(), strict=False):
            points = {
                steps: [100 * value for row in arm.rows if (value := row["metrics"].get(key)) is not None]
                for steps, key in zip((TRAINED, *TESTED), keys, strict=True)
            }
            points = {steps: values for steps, values in points.items() if values}
            label = ", ".join(filter(None, [arm.method, arm.setting.variant.partition(", ")[2], memory.strip("_")]))
            color = figures.color(arm.method if arm.method != "attention" else arm.name)
            axes.plot(list(points), [np.mean(values) for values in points.values()], style, color=color, label=label)
            for steps, values in points.items():
                axes.plot([steps] * len(values), values, "o", color=color, ms=3.2, alpha=0.5)
    axes.set(xlabel="steps between key and door", ylabel="success, %", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_critics(canvas: mpl_figure.Figure, arms: Sequence[lines.Arm]) -> None:
    """Means over runs; a panel for each outcome."""
    names = list(dict.fromkeys(name for arm in arms for row in arm.rows for name in row["metrics"]["critic_curves"]))
    canvas.set_size_inches(WIDTH, HEIGHT)
    panels = canvas.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        for arm in arms:
            curves = [row["metrics"]["critic_curves"][name] for row in arm.rows]
            axes.plot(np.mean(curves, axis=0), color=figures.color(arm.method), lw=1.4, label=arm.method)
        axes.set(xlabel="step", title=name)
    panels[0].set_ylabel("predicted return")
    pictures.draw_legend(canvas, panels)
