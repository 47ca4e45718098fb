"""Prints the curves of `experiments.online_budget`: the score after some online evaluations.

python -m experiments.online_budget_report
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments import online_budget, runner
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents

LINES = runner.results_file(online_budget.NAME)
# Numbers of online evaluations that are shown.
SHOWN = (1, 3, 10, 30, 100, 200)


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command line."""

    lines: Path = LINES
    """File of result rows."""
    repeats: int = 1_000
    """Number of simulated choices."""


def main(config: Config) -> None:
    """Prints the table."""
    print(table(documents.read_rows(config.lines), num_repeats=config.repeats))


def table(rows: Iterable[Mapping[str, Any]], **options: Any) -> str:
    """Returns a Markdown table: the mean true score of the chosen policy and its middle 95 %.

    Args:
        rows: Result rows of the experiment.
        **options: Options of `jax_s4rl.evaluation.online_budget.curve`.
    """
    lines = [
        f"| dataset | mixer | {' | '.join(f'{number} episodes' for number in SHOWN)} |",
        f"| --- | --- |{' ---: |' * len(SHOWN)}",
    ]
    found = online_budget.curves(rows, num_evaluations=max(SHOWN), **options)
    for (dataset, method), curve in sorted(found.items()):
        cells = [
            f"{curve.mean[number - 1]:.1f} [{curve.low[number - 1]:.1f}, "
            f"{curve.high[number - 1]:.1f}]"
            for number in SHOWN
        ]
        lines.append(f"| {dataset} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
