"""How many times longer attention takes than every mixer, at the tasks of the experiments."""

from experiments.reporting import blocks, descriptions, lines, speeds, studies

# Heads of columns, by what stands in the lines before "_median" and "_turns".
TIMES = {"to train": "update", "to act, 1 at once": "act_1", "to act, 64 at once": "act_64"}


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """A table with a line for each task and mixer, for the section of the experiment."""
    arms = lines.arms(found.scored, about.group)
    known = {arm.setting: arm for arm in arms if arm.method == studies.ATTENTION}
    rows = [
        [
            arm.rows[0]["metrics"]["task"],
            arm.method,
            *(_ratio(arm, known[arm.setting], name) for name in TIMES.values()),
        ]
        for arm in arms
        if arm.method != studies.ATTENTION and arm.setting in known
    ]
    if not rows:
        return []
    note = (
        "Ratio of medians, above one where attention takes longer; in brackets a 95 % interval, for which turns are "
        "drawn again with the times that both took in them. Five turns of acting say little: there it is hardly wider "
        "than from the lowest ratio to the highest."
    )
    return [
        blocks.Heading("How many times longer attention takes", 3),
        blocks.Table(["task", "mixer", *TIMES], rows, left=2),
        blocks.Note(note),
    ]


def _ratio(arm: lines.Arm, attention: lines.Arm, name: str) -> str:
    model, other = (each.rows[-1]["metrics"] for each in (arm, attention))
    median, turns = f"{name}_median", f"{name}_turns"
    if median not in model or median not in other:
        return "-"
    return speeds.show(other[median] / model[median], speeds.interval(model.get(turns, []), other.get(turns, [])))
