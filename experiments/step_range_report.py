"""The table of `README.md` about ranges of initial steps, written from the lines of `experiments.step_ranges`.

python -m experiments.step_range_report
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments import memory, step_ranges, suites
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

SECTION = "step-ranges"
LINES = suites.path("step_ranges")
# Titles of the tasks, by data set and context, and the score that is shown of each with its factor.
TASKS = {
    (memory.CARTPOLE, 4): ("CartPole without velocities, context 4: return", "return_sampled", 1),
    (memory.memory_len(step_ranges.LONG), step_ranges.LONG + 1): (
        "a bit to remember for 100 steps: right answers, %",
        "correct_sampled",
        100,
    ),
    (step_ranges.WALK, 10): ("random walks, context 10: optimal paths, %", "optimal_share_sampled", 100),
    (memory.CARTPOLE, 20): ("CartPole without velocities, context 20: return", "return_sampled", 1),
}

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Config:
    """What is read and written."""

    lines: Path = LINES
    """Result lines."""
    readme: Path = Path(__file__).parents[1] / "README.md"
    """Where the table stands."""


def main(config: Config) -> None:
    """Writes the table.

    Raises:
      ValueError: the README has no place for it.
    """
    documents.write_section(config.readme, SECTION, table(result_rows.read_rows(config.lines)))


def table(rows: Iterable[Row]) -> str:
    """Mean and all seeds of every mixer and range, a block for each task; the best range of a mixer is bold."""
    found: dict[tuple[str, int], dict[tuple[str, str], dict[int, Row]]] = {}
    for row in rows:
        if row["seed"] is not None:
            task, name = (row["dataset"], row["context_length"]), (row["method"], row["metrics"]["variant"])
            found.setdefault(task, {}).setdefault(name, {})[row["seed"]] = row
    names = list(step_ranges.RANGES)
    head = ["task", "mixer", *(f"steps {name}" for name in names), "no steps"]
    lines = [f"| {' | '.join(head)} |", "| --- | --- |" + " --- |" * (len(names) + 1)]
    for task, (title, metric, factor) in TASKS.items():
        for mixer in (*step_ranges.STATE_SPACES, *step_ranges.CONTROLS):
            own = {
                name: [factor * seeds[seed]["metrics"][metric] for seed in sorted(seeds)]
                for (method, name), seeds in found.get(task, {}).items()
                if method == mixer
            }
            if own:
                best = max(own, key=lambda name, own=own: _mean(own[name]))
                cells = [_cell(own.get(name), is_best=name == best and len(own) > 1) for name in (*names, "")]
                lines.append(f"| {title} | {mixer} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float] | None, *, is_best: bool) -> str:
    if values is None:
        return ""
    mean = f"{_mean(values):.0f}"
    return f"{f'**{mean}**' if is_best else mean} ({', '.join(f'{value:.0f}' for value in values)})"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
