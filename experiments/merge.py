"""Appends the rows of all shards of an experiment to one file.

    python -m experiments.merge runs/umbrella.jsonl

The file is the one that the shards were given as `--out`. Rows that it has already are left out,
so it can be merged again when more shards have finished. Two different rows for the same trial and
seed are refused, and then nothing is written. The files of the shards stay.
"""

import dataclasses
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from experiments import shards
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import run_lock


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    out: tyro.conf.Positional[Path]
    """File of result rows to append to, for instance runs/umbrella.jsonl."""


class Place(NamedTuple):
    """A row and its place.

    Attributes:
        row: Result row.
        path: File of the row.
        line: Number of its line, from 1.
    """

    row: dict[str, Any]
    path: Path
    line: int


def merge(out: Path) -> tuple[int, int]:
    """Appends the rows of all shards that a file lacks, all of them or none.

    Args:
        out: File of result rows.

    Returns:
        The number of appended rows, and that of rows that were there already.

    Raises:
        ValueError: If there are no shards, rows contradict each other, or a line is not a row.
    """
    files = shards.files(out)
    if not files:
        raise ValueError(
            f"there are no rows of shards in {shards.folder(out)}; name the file that the shards "
            "were given as --out, or run them first"
        )
    # So that two merges at once do not both append.
    with run_lock.Lock(shards.folder(out)):
        known: dict[Hashable, list[Place]] = {}
        for place in _read(out):
            known.setdefault(_trial_and_seed(place.row), []).append(place)
        new: list[dict[str, Any]] = []
        conflicts: list[tuple[Place, Place]] = []
        repeated = 0
        for path in files:
            for place in _read(path):
                others = known.setdefault(_trial_and_seed(place.row), [])
                if any(place.row == other.row for other in others):
                    repeated += 1
                elif others:
                    conflicts.append((others[0], place))
                else:
                    others.append(place)
                    new.append(place.row)
        if conflicts:
            raise ValueError(_explain(conflicts))
        result_rows.append_rows(out, new)
    return len(new), repeated


def _read(path: Path) -> list[Place]:
    rows = result_rows.read_rows(path)
    return [Place(row, path, line) for line, row in enumerate(rows, start=1)]


def _trial_and_seed(row: dict[str, Any]) -> Hashable:
    """Returns what two rows for the same trial and seed have in common; references have no seed."""
    names = ("experiment", "dataset", "method", "seed")
    return (row["metrics"].get("cell"), *(row[name] for name in names))


def _explain(conflicts: list[tuple[Place, Place]]) -> str:
    first, second = conflicts[0]
    differing = [name for name in first.row if first.row[name] != second.row[name]]
    of = f"{first.row['dataset']}, {first.row['method']}"
    seed = "" if first.row["seed"] is None else f", seed {first.row['seed']}"
    more = f" ({len(conflicts)} such pairs in all)" if len(conflicts) > 1 else ""
    return (
        f"{of}{seed} has two rows that differ in {', '.join(differing)}: {first.path}, line "
        f"{first.line}, and {second.path}, line {second.line}{more}; delete one of the two lines, "
        "or the folder of the shard that should not count, and merge again; nothing was written"
    )


def main(options: Options) -> None:
    """Merges, and says how many rows were appended.

    Args:
        options: Options of the command line.
    """
    appended, repeated = merge(options.out)
    print(f"{options.out}: {appended} rows appended, {repeated} were there already")


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
