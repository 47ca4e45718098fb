"""What the action at the door rests on: gradients of every mixer, and the attention of attention."""

from collections.abc import Sequence

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

from experiments import figures
from experiments.reporting import blocks, descriptions, door, lines

# Steps of an episode, and where its phases end.
STEPS, PHASES = 60, (15, 45)
CURVE, MAP = "action_curve", "attention_action_curve"


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """Picture and table, for the section of the experiment; nothing where no line tells."""
    arms = [
        arm
        for arm in lines.arms(found.scored, about.group)
        if arm.setting.variant == about.main_variant and _known(arm, "action_on_key")
    ]
    if not arms:
        return []
    rows = [
        [
            arm.method,
            arm.setting.data,
            str(len(_known(arm, "action_on_key"))),
            door.over(arm, "action_on_key"),
            door.mean(arm.rows, "action_key_rank"),
            door.over(arm, "attention_action_on_key"),
        ]
        for arm in arms
    ]
    head = ["method", "data", "runs", "gradient, three steps around the key", "rank of the step of the key"]
    note = (
        "Explained is the action that opened the door, in successful episodes that no model has seen. Shares in % of "
        "all steps up to it, and in brackets what they would be if all steps counted the same; rank 1 is the step "
        "that counts most. The key in hand is a part of every observation, so that a model need not look back. "
        f"The picture is of {arms[0].setting.data}, mean over runs and episodes: on the left gradients, on the right "
        "the attention of each layer; phases end at the dotted lines."
    )
    drawn = [arm for arm in arms if arm.setting.data == arms[0].setting.data and _known(arm, CURVE)]
    text = "What the action at the door rests on, by step of the episode"
    return [
        blocks.Heading("What the action at the door rests on", 3),
        *([door.picture("resting", text, drawn, draw)] if drawn else []),
        blocks.Table([*head, "attention, three steps around the key"], rows, left=2),
        blocks.Note(note),
    ]


def draw(canvas: mpl_figure.Figure, arms: Sequence[lines.Arm]) -> None:
    """Gradient by step, a line for each mixer; attention by layer and step, mean over heads."""
    maps = [values for arm in arms for values in _known(arm, MAP)]
    canvas.set_size_inches(door.WIDTH if maps else 0.62 * door.WIDTH, door.HEIGHT)
    panels = canvas.subplots(1, 2 if maps else 1, squeeze=False)[0]
    for arm in arms:
        shares = 100 * np.mean(np.array(_known(arm, CURVE), float), axis=0)
        panels[0].plot(shares, color=figures.color(arm.method), lw=1.4, label=arm.method)
    panels[0].set(title="gradient", xlabel="step", ylabel="share, %")
    _mark_phases(panels[0], figures.FAINT)
    panels[0].legend(fontsize=8)
    if maps:
        shares = 100 * np.mean(np.array(maps, float), axis=0)
        image = panels[1].imshow(shares, aspect="auto", cmap="cividis", origin="lower", interpolation="nearest")
        panels[1].set(title="attention, mean over heads", xlabel="step", ylabel="layer")
        panels[1].set_yticks(range(len(shares)), [str(layer + 1) for layer in range(len(shares))])
        panels[1].grid(visible=False)
        _mark_phases(panels[1], "white")
        canvas.colorbar(image, ax=panels[1], label="share, %")


def _mark_phases(axes: Axes, color: str) -> None:
    for end in PHASES:
        axes.axvline(end - 0.5, color=color, lw=1, ls=":")
    axes.set_xlim(-0.5, STEPS - 0.5)


def _known(arm: lines.Arm, key: str) -> list:
    return [value for row in arm.rows if (value := row["metrics"].get(key)) is not None]
