"""Key-to-door for the report: with balanced batches, and with uniform ones tuned by themselves."""

from collections.abc import Mapping

from experiments.report import load
from experiments.report.tasks import SHARE, Point, Setting, Task

BALANCED = "balanced batches"
# Data of the Decision Transformer's table, and uniform batches after the most updates.
SIZES = {"1K": "key_to_door/dt/random-1000", "10K": "key_to_door/dt/random-10000"}
UNIFORM = {"1K": "uniform batches, 4500 updates", "10K": "uniform batches, 2000 updates"}
# The same with a learning rate, dropout and decay of their own.
TUNED = "uniform batches, tuned"
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
        Setting(
            "uniform batches",
            tuple(Point(f"uniform, {size}", (SIZES[size],), UNIFORM[size]) for size in SIZES),
            # Its learning rates were tuned for balanced batches.
            replaced_by="uniform_batches",
        ),
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
            tuple(Point(size, (data,), TUNED) for size, data in SIZES.items()),
        ),
    ),
    prepare=load.of_uniform,
    further={"% of the published updates": "updates_percent"},
)


def uniform(untuned: Task, tuned: Task) -> tuple[Task, Mapping[str, str]]:
    """Returns the task that has uniform batches, with its variants by number of episodes.

    Args:
        untuned: Key-to-door, whose settings were tuned for balanced batches.
        tuned: Uniform batches with settings of their own, which count once they have results.
    """
    return (tuned, dict.fromkeys(SIZES, TUNED)) if tuned.rows.scored else (untuned, UNIFORM)
