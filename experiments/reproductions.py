"""Trains some trials again whose result rows name a lost commit: do the same numbers come out?

    python -m experiments.reproductions            # resumable
    python -m experiments.reproductions --experiments memory tokens --cells 4

`experiments/results/README.md` says how commits were lost. Of each experiment some trials are
taken, in the order of their digests, which nobody chose, and without those that took long. All
seeds of a trial are trained and scored as in its experiment. `make report` compares the new rows,
`experiments/results/reproductions.jsonl`, to the old ones, number by number. On the same processor
with as many cores, all of them should be the same to the last digit.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rich.console

from experiments import (
    cartpole,
    checkpoints,
    key_door,
    key_to_door,
    memory,
    pendulum,
    random_walk,
    runner,
    tokens,
    umbrella,
)
from jax_s4rl import cache_folders, self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows

# Commits that result rows name and that the history no longer has, and the commit of their work.
LOST = frozenset(
    {"0da8d21d9086", "aff99640f601", "28ecbbcc9dfb", "081d680baa63", "48dfa442f9cf", "f1800f7562e8"}
)
TAKEN_UP_BY = "b38ca2a20f21"

SCRIPTS = (
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
EXPERIMENTS = {script.EXPERIMENT.name: script.EXPERIMENT for script in SCRIPTS}


ROWS = runner.results_file("reproductions")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    experiments: tuple[str, ...] = tuple(EXPERIMENTS)
    """Names of scripts."""
    cells: int = 2
    """Number of trials of each experiment."""
    longest: float = 150.0
    """Seconds, all seeds together, above which a trial is left out."""
    out: Path = ROWS
    """File to which the new rows are appended."""


def main(options: Options) -> None:
    """Trains the chosen trials that are not finished.

    Raises:
        ValueError: If an experiment is unknown.
    """
    if unknown := [name for name in options.experiments if name not in EXPERIMENTS]:
        choices = ", ".join(EXPERIMENTS)
        raise ValueError(f"got experiments {', '.join(unknown)}; choose from {choices}")
    cache_folders.enable_compilation_cache()
    self_test.require()
    console = rich.console.Console(soft_wrap=True)
    for name in options.experiments:
        console.print(f"[bold]{name}[/bold]")
        parts = EXPERIMENTS[name].parts.values()
        trials = [trial for part in parts for trial in part(runner.Options())]
        rows = result_rows.read_rows(runner.results_file(name))
        for trial, seeds in choose(trials, rows, options):
            runner.run_trials(name, [trial], seeds, options.out, console)


def choose(
    trials: Iterable[runner.Trial], rows: Iterable[dict[str, Any]], options: Options
) -> list[tuple[runner.Trial, list[int]]]:
    """Chooses trials with rows of lost commits only, none too long, the first by digest.

    Args:
        trials: Trials of an experiment, as a full run plans them.
        rows: Committed result rows of the experiment.
        options: Number of trials, and longest time.

    Returns:
        The trials with the seeds of their rows.
    """
    by_digest: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_digest.setdefault(row["metrics"].get("cell", ""), []).append(row)
    chosen = []
    known = {trial.digest: trial for trial in trials}
    for digest, trial in sorted(known.items()):
        own = by_digest.get(digest, [])
        is_lost = own and all(row["commit"] in LOST for row in own)
        if is_lost and sum(sum(row["seconds"].values()) for row in own) <= options.longest:
            chosen.append((trial, sorted(row["seed"] for row in own)))
    return chosen[: options.cells]


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
