"""Prints the scores of methods that learn online, with bootstrap intervals over their seeds.

python -m experiments.online_report
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments import linear_key_to_door, runner, value_transport_online
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import bootstrap, documents

# Score of each experiment, in words.
SCORES = {
    linear_key_to_door.NAME: ("treasure", "last episodes that found the treasure"),
    value_transport_online.NAME: ("key", "last episodes that took the key"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command line."""

    folder: Path = runner.results_file(linear_key_to_door.NAME).parent
    """Folder of the files of result rows."""


def main(config: Config) -> None:
    """Prints a table for each experiment that has rows."""
    for name in SCORES:
        path = config.folder / f"{name}.jsonl"
        if path.exists():
            print(table(name, documents.read_rows(path)) + "\n")


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns a Markdown table: a column for each environment, mean and interval of each method.

    Args:
        name: Name of the experiment.
        rows: Its result rows; of two of one environment, method and seed the later one counts.
    """
    metric, title = SCORES[name]
    scores: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        by_env = scores.setdefault(row["method"], {})
        by_env.setdefault(row["env"], {})[row["seed"]] = row["metrics"][metric]
    environments = list(dict.fromkeys(env for by_env in scores.values() for env in by_env))
    lines = [
        f"| {title} | {' | '.join(environments)} |",
        f"| --- |{' ---: |' * len(environments)}",
    ]
    for method, by_env in scores.items():
        cells = [_cell(list(by_env.get(env, {}).values())) for env in environments]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.1%} of 1" if values else "-"
    found = bootstrap.mean([np.array(values)])
    return f"{found.value:.1%} [{found.low:.1%}, {found.high:.1%}] of {len(values)}"


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
