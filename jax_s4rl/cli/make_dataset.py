"""Makes named data sets, or lists them all: `jax-s4rl make-dataset cartpole/mixed --seed 0`, `--list`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich import console, table

from jax_s4rl.cli import entry_point
from jax_s4rl.collection import datasets
from jax_s4rl.data import storage, trajectories


@dataclasses.dataclass(frozen=True)
class Config:
    """Which data sets to make."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Names of data sets; with `--list` those that exist."""
    seeds: tuple[int, ...] = (0,)
    """One data set per seed."""
    folder: Path | None = None
    """Where they are kept; by default $JAX_S4RL_DATA, or the user's cache folder."""
    list_names: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Prints the names and makes nothing."""


def main(config: Config) -> None:
    """Makes what is not there yet, and says what is."""
    out = console.Console()
    if config.list_names or not config.names:
        out.print("\n".join(datasets.names()), highlight=False)
        return
    for name in config.names:
        datasets.find(name)
    rows = table.Table(
        table.Column("data set", no_wrap=True), "seed", "episodes", "steps", "return", "best", "hash", box=None
    )
    for name in config.names:
        for seed in config.seeds:
            record, metadata = datasets.load(name, seed, config.folder)
            rows.add_row(*describe(name, seed, record, metadata))
    out.print(rows)
    files = [datasets.path_of(name, seed, config.folder) for name in config.names for seed in config.seeds]
    for file in files:
        out.print(f"{file} (and {storage.side_file(file).name})", highlight=False, soft_wrap=True)


def describe(name: str, seed: int, record: trajectories.Trajectories, metadata: dict[str, Any]) -> tuple[str, ...]:
    """Gives the cells of a data set's row: mean return with its standard deviation, best return, start of the hash."""
    returns = record.episode_returns
    spread = f"{returns.mean():.2f} ± {returns.std():.2f}"
    best = f"{np.max(returns):.2f}"
    return name, str(seed), str(record.num_episodes), str(record.num_steps), spread, best, metadata["content_hash"][:8]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
