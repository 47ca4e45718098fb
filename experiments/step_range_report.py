"""Writes the table of ranges of initial steps in `docs/models.md`, from the rows of `step_ranges`.

python -m experiments.step_range_report
"""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

from experiments import memory, runner, step_ranges
from experiments.report import document, load, tables
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents

SECTION = "step-ranges"
LINES = runner.results_file("step_ranges")
# By dataset and context: title of the task, and its score with a factor.
TASKS = {
    (memory.CARTPOLE, 4): ("CartPole without velocities, context 4: return", "return_sampled", 1),
    (memory.memory_len(step_ranges.LONG), step_ranges.LONG + 1): (
        "a bit to remember for 100 steps: right answers, %",
        "correct_sampled",
        100,
    ),
    (step_ranges.WALK, 10): (
        "random walks, context 10: optimal paths, %",
        "optimal_share_sampled",
        100,
    ),
    (memory.CARTPOLE, 20): ("CartPole without velocities, context 20: return", "return_sampled", 1),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command line."""

    lines: Path = LINES
    """File of result rows."""
    readme: Path = Path(__file__).parents[1] / "docs" / "models.md"
    """File that holds the table."""


def main(config: Config) -> None:
    """Writes the table.

    Raises:
        ValueError: If the document has no place for it.
    """
    documents.write_section(config.readme, SECTION, table(documents.read_rows(config.lines)))


def table(rows: Iterable[load.Row]) -> str:
    """Returns mean and seeds of every mixer and range, by task; the best range is bold."""
    mixers = (*step_ranges.STATE_SPACES, *reversed(step_ranges.CONTROLS))
    tasks = list(TASKS)
    # Of runs with the same seed the last counts; lines are sorted by task, mixer and seed.
    runs = {
        (tasks.index(_task(row)), mixers.index(row["method"]), row["seed"], load.variant(row)): row
        for row in rows
        if row["seed"] is not None and _task(row) in TASKS
    }
    columns = {f"steps {name}": functools.partial(_cell, name=name) for name in step_ranges.RANGES}
    made = tables.table(
        [runs[key] for key in sorted(runs)],
        {"task": lambda row: TASKS[_task(row)][0], "mixer": lambda row: row["method"]},
        columns | {"no steps": functools.partial(_cell, name="")},
        left=len(columns) + 3,
    )
    return document.markdown([made], folder="").strip()


def _task(row: load.Row) -> tuple[str, int]:
    return row["dataset"], row["context_length"]


def _cell(rows: list[load.Row], name: str) -> str:
    """Returns mean and seeds of one range, bold if it is the best of several."""
    _, metric, factor = TASKS[_task(rows[0])]
    by_range: dict[str, list[float]] = {}
    for row in rows:
        by_range.setdefault(load.variant(row), []).append(factor * row["metrics"][metric])
    if name not in by_range:
        return ""
    means = {each: sum(values) / len(values) for each, values in by_range.items()}
    is_best = len(means) > 1 and name == max(means, key=lambda each: means[each])
    mean, seeds = f"{means[name]:.0f}", ", ".join(f"{value:.0f}" for value in by_range[name])
    return f"{f'**{mean}**' if is_best else mean} ({seeds})"


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
