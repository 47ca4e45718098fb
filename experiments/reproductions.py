"""Do committed result lines come out again? Cells whose lines name a lost commit are trained once more.

    python -m experiments.reproductions            # resumable
    python -m experiments.reproductions --experiments memory tokens --cells 4

Of each experiment some cells are taken, in the order of their digests, which nobody chose; those that took long are
left out. All seeds of a cell are trained and judged as the experiment does it, and `make report` holds the new lines,
`experiments/results/reproductions.jsonl`, against the old ones, number by number. On the same processor, with as many
cores, all of them should be the same to the last digit.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import rich.console

from experiments import (
    cartpole,
    cells,
    checkpoints,
    history,
    key_door,
    key_to_door,
    memory,
    pendulum,
    random_walk,
    suites,
    tokens,
    umbrella,
)
from jax_s4rl import cache_folders, stack
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows

SUITES = {
    module.SUITE.name: module.SUITE
    for module in (
        random_walk,
        umbrella,
        memory,
        key_door,
        key_to_door,
        cartpole,
        pendulum,
        tokens,
        checkpoints,
    )
}

LINES = suites.path("reproductions")


@dataclasses.dataclass(frozen=True)
class Options:
    """What is trained again."""

    experiments: tuple[str, ...] = tuple(SUITES)
    """Names of scripts."""
    cells: int = 2
    """Cells of each."""
    longest: float = 150.0
    """Cells that took more seconds, all seeds together, are left out."""
    out: Path = LINES
    """Where the new lines go."""


def main(options: Options) -> None:
    """Trains again what is chosen and not yet done."""
    if unknown := [name for name in options.experiments if name not in SUITES]:
        raise ValueError(f"got experiments {', '.join(unknown)}; choose from {', '.join(SUITES)}")
    cache_folders.enable_cache()
    stack.require()
    console = rich.console.Console(soft_wrap=True)
    for name in options.experiments:
        suite, rows = SUITES[name], list(result_rows.read_rows(suites.path(name)))
        for cell, seeds in choose(planned(suite), rows, options):
            console.print(f"[bold]{name}[/bold]")
            cells.run(name, [cell], seeds, suite.judge, options.out, console, suite.train)


def planned(suite: suites.Suite) -> Iterator[cells.Cell]:
    """All cells of an experiment, as a full run plans them."""
    for part in suite.parts.values():
        yield from part.plan(suites.Options())


def choose(
    every: Iterable[cells.Cell], rows: Iterable[dict[str, Any]], options: Options
) -> list[tuple[cells.Cell, list[int]]]:
    """Cells with their seeds: all of whose lines name a lost commit, none too long, the first by digest.

    Args:
      every: planned cells.
      rows: committed result lines of the experiment.
      options: how many, and how long.
    """
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault(row["metrics"].get("cell", ""), []).append(row)
    known = {cell.digest: cell for cell in every}
    found = []
    for digest in sorted(known.keys() & lines.keys()):
        own = lines[digest]
        is_lost = all(row["commit"] in history.LOST for row in own)
        if is_lost and sum(sum(row["seconds"].values()) for row in own) <= options.longest:
            found.append((known[digest], sorted(row["seed"] for row in own)))
    return found[: options.cells]


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
