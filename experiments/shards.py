"""Shards: disjoint shares of an experiment's trials, one for each of several processes or machines.

Each shard appends to a file of its own, so that no two machines write into one:

    runs/umbrella.jsonl                       rows without shards, and merged rows
    runs/umbrella.shards/2-of-4/rows.jsonl    rows of the second of four shards

All shards read all of these files and skip what is finished in any of them; `experiments.merge`
appends their rows to the first one.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import run_lock

ROWS = "rows.jsonl"
# Set by Slurm in every task of a job array.
SLURM = tuple(f"SLURM_ARRAY_TASK_{name}" for name in ("ID", "MIN", "MAX", "COUNT"))


class Trial(Protocol):
    """What a shard knows of a trial."""

    @property
    def digest(self) -> str:
        """Digits that name the trial."""
        ...

    @property
    def settings(self) -> Any:
        """Settings with `num_updates`."""
        ...


@dataclasses.dataclass(frozen=True)
class Shard:
    """A share of the trials.

    Raises:
        ValueError: If there is no such shard.
    """

    number: int
    """Number of the shard, from 1."""
    count: int
    """Number of shards."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"got shard {self}; number shards from 1, as in 1/4 to 4/4")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def folder(self, out: Path) -> Path:
        """Returns the folder of the rows of this shard, beside the file of all rows."""
        return folder(out) / f"{self.number}-of-{self.count}"

    def choose(self, costs: Mapping[str, int]) -> set[str]:
        """Chooses the trials of this shard; shards have about the same cost.

        The choice depends on the arguments alone, so that shards need not talk to each other.

        Args:
            costs: Cost of each trial, by digest.

        Returns:
            The digests of this shard.
        """
        loads = [0] * self.count
        chosen = set()
        # The costliest first, each to the shard that has the least to do.
        for digest in sorted(costs, key=lambda digest: (-costs[digest], digest)):
            lightest = loads.index(min(loads))
            loads[lightest] += costs[digest]
            if lightest == self.number - 1:
                chosen.add(digest)
        return chosen

    def summary(self, costs: Mapping[str, int]) -> str:
        """Returns how many trials and updates belong to this shard, and of how many.

        Args:
            costs: Number of updates of each trial, by digest.
        """
        chosen = self.choose(costs)
        updates = sum(costs[digest] for digest in chosen)
        return (
            f"shard {self}: {len(chosen)} of {len(costs)} trials, {updates:,} of "
            f"{sum(costs.values()):,} updates"
        )


def parse(text: str) -> Shard:
    """Reads a shard.

    Args:
        text: Number of the shard and of all shards.

    Returns:
        The shard.

    Raises:
        ValueError: If the text is something else.

    Example:
        >>> parse("2/4")
        Shard(number=2, count=4)
    """
    if not (found := re.fullmatch(r"(\d+)/(\d+)", text)):
        raise ValueError(f"got shard {text!r}; give number/count, as in 2/4 for the second of four")
    return Shard(int(found[1]), int(found[2]))


def of_array(variables: Mapping[str, str] = os.environ) -> Shard:
    """Returns the shard of this task of a Slurm job array.

    Args:
        variables: Environment variables.

    Returns:
        The shard.

    Raises:
        ValueError: If this is no task of an array, or its tasks are not numbered without gaps.
    """
    if missing := [name for name in SLURM if not variables.get(name, "").isdecimal()]:
        raise ValueError(
            f"--array needs {', '.join(missing)}, which Slurm sets in a job array; submit with "
            "sbatch --array=1-4, or give --shard 1/4 to 4/4 yourself"
        )
    task, first, last, count = (int(variables[name]) for name in SLURM)
    if count == 1:
        raise ValueError(
            f"the job array has one task, {task}, so it has nothing to share; give --shard i/n to "
            "run one shard again, or leave --array out to run all trials"
        )
    # The number of a task says which shard it is only if none is left out.
    if last - first != count - 1:
        raise ValueError(
            f"the job array has {count} tasks from {first} to {last}, with gaps; submit all of "
            "them, as in sbatch --array=1-4 (finished shards end at once), or give --shard i/n"
        )
    return Shard(task - first + 1, count)


def costs(planned: Iterable[tuple[Sequence[Trial], Sequence[int]]]) -> dict[str, int]:
    """Returns the cost of trials, the updates of all their seeds, by digest.

    Args:
        planned: Trials and seeds of each part of an experiment; a trial may be in several.
    """
    found: dict[str, int] = {}
    for trials, seeds in planned:
        for trial in trials:
            cost = len(seeds) * trial.settings.num_updates
            found[trial.digest] = max(cost, found.get(trial.digest, 0))
    return found


def folder(out: Path) -> Path:
    """Returns the folder of all shards, beside the file of all rows."""
    # Files in folders of their own are not taken for rows of an experiment, as beside `out`.
    return out.with_suffix(".shards")


def rows_file(out: Path, shard: Shard | None) -> Path:
    """Returns the file to append to: that of a shard, or the file of all rows without one."""
    return out if shard is None else shard.folder(out) / ROWS


def files(out: Path) -> list[Path]:
    """Returns the files that shards have written beside the file of all rows, in order."""
    found = {}
    for path in folder(out).glob(f"*/{ROWS}"):
        if name := re.fullmatch(r"(\d+)-of-(\d+)", path.parent.name):
            found[int(name[2]), int(name[1])] = path
    return [found[key] for key in sorted(found)]


def read_rows(out: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file and of all shards beside it; rows may repeat after a merge.

    Args:
        out: File of result rows.

    Yields:
        One row.

    Raises:
        ValueError: If a line is not a result row.
    """
    for path in (out, *files(out)):
        yield from result_rows.read_rows(path)


@contextlib.contextmanager
def held(shard: Shard | None, out: Path) -> Iterator[None]:
    """Keeps other processes from running the same shard; without a shard, it does nothing.

    Args:
        shard: Shard to run.
        out: File of all rows.

    Yields:
        Nothing.

    Raises:
        ValueError: If another living process runs the shard.
    """
    if shard is None:
        yield
        return
    with run_lock.Lock(shard.folder(out)):
        yield
