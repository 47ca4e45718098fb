"""Records named datasets, or lists them.

    jax-s4rl make-dataset cartpole/mixed --seeds 0 1
    jax-s4rl make-dataset --list

Datasets that exist already are not recorded again.
"""

import dataclasses
from collections.abc import Sequence
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
    """Options of the command: names, seeds and folder of the datasets."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Names of the datasets to record; without any, all names are listed."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the recording; each gives a dataset for every name."""
    folder: Path | None = None
    """Folder of the datasets; by default $JAX_S4RL_DATA, or the user's cache folder."""
    list_names: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Whether to print all names and record nothing."""


def make(config: Config) -> None:
    """Records the datasets that do not exist yet, and prints a table and the paths of all.

    Args:
        config: Options of the command.

    Raises:
        ValueError: If there is no dataset of a name; then nothing is recorded.
    """
    screen = console.Console()
    if config.list_names or not config.names:
        screen.print("\n".join(datasets.names()), highlight=False)
        return
    # All names are checked before the first dataset is recorded.
    for name in config.names:
        datasets.find(name)
    rows = table.Table(
        table.Column("dataset", no_wrap=True),
        "seed",
        "episodes",
        "steps",
        "return",
        "best",
        "hash",
        box=None,
    )
    for name in config.names:
        for seed in config.seeds:
            record, metadata = datasets.load(name, seed, config.folder)
            rows.add_row(*describe(name, seed, record, metadata))
    screen.print(rows)
    files = [
        datasets.path_of(name, seed, config.folder)
        for name in config.names
        for seed in config.seeds
    ]
    for file in files:
        screen.print(
            f"{file} (and {storage.side_file(file).name})", highlight=False, soft_wrap=True
        )


def describe(
    name: str, seed: int, record: trajectories.Trajectories, metadata: dict[str, Any]
) -> tuple[str, ...]:
    """Formats the row of a dataset in the table.

    Args:
        name: Name of the dataset.
        seed: Seed of the recording.
        record: Episodes of the dataset.
        metadata: Metadata of the dataset.

    Returns:
        The cells: name, seed, episodes, steps, mean return with its standard deviation, best
        return, and the start of the hash.
    """
    returns = record.episode_returns
    spread = f"{returns.mean():.2f} ± {returns.std():.2f}"
    best = f"{np.max(returns):.2f}"
    return (
        name,
        str(seed),
        str(record.num_episodes),
        str(record.num_steps),
        spread,
        best,
        metadata["content_hash"][:8],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    entry_point.run(make, Config, __doc__, arguments, "jax-s4rl make-dataset")


if __name__ == "__main__":
    main()
