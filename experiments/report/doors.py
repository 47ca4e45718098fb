"""Key-to-door for the report: with balanced batches, and with uniform ones tuned by themselves."""

import dataclasses
from collections.abc import Sequence

from experiments.report import load
from experiments.report.tasks import SHARE, Point, Setting, Task

BALANCED = "balanced batches"
# Data of the Decision Transformer's table, and uniform batches after the most updates.
SIZES = {"1K": "key_to_door/dt/random-1000", "10K": "key_to_door/dt/random-10000"}
UNIFORM = {"1K": "uniform batches, 4500 updates", "10K": "uniform batches, 2000 updates"}
UNTUNED = Setting(
    "uniform batches",
    tuple(Point(f"uniform, {size}", (SIZES[size],), UNIFORM[size]) for size in SIZES),
)
KEY_TO_DOOR = Task(
    name="key_to_door",
    file="key_to_door",
    title="Key-to-door",
    score="success",
    label="success",
    unit=SHARE,
    settings=(
        Setting(
            "balanced batches",
            tuple(Point(size, (data,), BALANCED) for size, data in SIZES.items()),
            is_shown=False,
        ),
        UNTUNED,
        Setting(
            "apples between",
            (
                Point("apples, 1K", ("key_to_door/low_var/random-1000",), BALANCED),
                Point("apples, 10K", ("key_to_door/low_var/random-10000",), BALANCED),
            ),
        ),
        Setting(
            "longer waits",
            (
                Point("90 steps", ("key_to_door/dt_90/random-1000",), BALANCED),
                Point("300 steps", ("key_to_door/dt_300/random-1000",), BALANCED),
            ),
        ),
    ),
)
UNIFORM_BATCHES = Task(
    name="uniform_batches",
    file="uniform_batches",
    title="Uniform batches, tuned",
    score="success",
    label="success",
    unit=SHARE,
    settings=(
        Setting(
            "1K and 10K",
            tuple(Point(size, (data,), "uniform batches, tuned") for size, data in SIZES.items()),
        ),
    ),
    prepare=load.of_uniform,
    further={"% of the published updates": "updates_percent"},
)


def settle(tasks: Sequence[Task]) -> list[Task]:
    """Returns the tasks, with uniform batches judged once.

    When there are results with settings of their own, those of settings that were tuned for
    balanced batches are no setting of key-to-door any more.

    Args:
        tasks: Tasks with their rows.
    """
    if not any(task.name == UNIFORM_BATCHES.name and task.rows.scored for task in tasks):
        return list(tasks)
    kept = [setting for setting in KEY_TO_DOOR.settings if setting is not UNTUNED]
    return [
        dataclasses.replace(task, settings=kept) if task.name == KEY_TO_DOOR.name else task
        for task in tasks
    ]
