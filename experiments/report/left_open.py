"""What the searches for settings have left open, as the rows of their results say."""

from collections.abc import Sequence

from experiments.report import load
from experiments.report.tasks import Task

# Names in rows, in words.
AT_EDGE, RISING = "rate_at_edge", "still_rising"
WORDS = {AT_EDGE: "best learning rate at the edge", RISING: "tuning curve still rising"}


def text(task: Task) -> str:
    """Returns of how many models the search has left something open; empty if it never said so.

    Args:
        task: Task with its rows. A model is a method on a data set.
    """
    models: dict[tuple[str, str], load.Row] = {
        (row["dataset"], row["method"]): row for row in task.rows.scored
    }
    counts = [_count(list(models.values()), name) for name in WORDS]
    return "".join(f"; {count}" for count in counts if count)


def _count(rows: Sequence[load.Row], name: str) -> str:
    known = load.values(rows, name)
    return f"{WORDS[name]} for {sum(known)} of {len(known)} models" if known else ""
