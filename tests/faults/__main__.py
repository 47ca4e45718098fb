"""Injects faults of every kind, and counts what becomes of them.

    python -m tests.faults --count 500 --kinds damage --out faults.jsonl

tries that many faults of each name of each kind, in a process of its own, which is started again if
a fault ends it. Rows are appended as they come, and a run that was stopped goes on behind them. The
same seed gives the same faults.
"""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal

from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from tests.faults import children, outcomes, table

Kind = Literal["damage", "kills", "full_disks", "worlds", "processes"]
# Tries in a row, and the longest time of one try, in seconds.
CHUNKS = {"damage": 50, "kills": 5, "full_disks": 5, "worlds": 50, "processes": 1}
PATIENCE = {"damage": 60, "kills": 900, "full_disks": 900, "worlds": 60, "processes": 900}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the fault suite."""

    count: int = 10
    """Number of faults of each name."""
    seed: int = 0
    """Seed of the faults."""
    kinds: tuple[Kind, ...] = ("damage", "worlds", "kills", "full_disks", "processes")
    """Kinds of faults."""
    names: tuple[str, ...] = ()
    """Parts of the names to try; all names if there are none."""
    out: Path = Path("faults.jsonl")
    """File to which rows are appended."""


def main(config: Config) -> None:
    """Tries all faults that the file does not hold yet, and prints the table.

    Args:
        config: Options of the suite.

    Raises:
        SystemExit: If a fault had a bad outcome.
    """
    with tempfile.TemporaryDirectory(prefix="faults-cache-") as cache:
        os.environ[children.CACHE] = cache
        for kind in config.kinds:
            for name in importlib.import_module(f"tests.faults.{kind}").NAMES:
                if not config.names or any(part in name for part in config.names):
                    _try_all(kind, name, config)
    rows = list(result_rows.read_rows(config.out))
    print(table.table(rows))
    for text in (text for row in rows for text in row["metrics"]["bad"]):
        print(text)
    if any(row["metrics"]["bad"] for row in rows):
        sys.exit("error: some faults had a bad outcome; see the lines above")


def _try_all(kind: str, name: str, config: Config) -> None:
    first = table.done(result_rows.read_rows(config.out), kind, name, config.seed)
    while first < config.count:
        begin = time.monotonic()
        tried: list[outcomes.Tried] = []
        for one in _tries(kind, name, config.seed, first, config.count - first):
            tried.append(one)
            if one.outcome in outcomes.BAD:
                print(f"{kind}, {name}: {one.outcome}: {one.detail[:400]}", flush=True)
            if len(tried) == CHUNKS[kind]:
                _append(config, kind, name, first, tried, begin)
                first, tried, begin = first + len(tried), [], time.monotonic()
        if tried:
            _append(config, kind, name, first, tried, begin)
            first += len(tried)


def _append(
    config: Config, kind: str, name: str, first: int, tried: list[outcomes.Tried], begin: float
) -> None:
    row = table.make_row(kind, name, config.seed, first, tried, time.monotonic() - begin)
    result_rows.append_row(config.out, row)
    print(f"{kind}, {name}: {first + len(tried)} of {config.count}", flush=True)


def _tries(kind: str, name: str, seed: int, first: int, count: int):
    """Yields what a worker says of its tries; the try in which it ends or hangs is the last."""
    words = [kind, name, str(seed), str(first), str(count)]
    worker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.worker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    assert worker.stdout is not None
    for _ in range(count):
        # The first try also waits for imports, and for the commands in peace.
        watchdog = threading.Timer(PATIENCE[kind] + 240, worker.kill)
        watchdog.start()
        line = worker.stdout.readline()
        watchdog.cancel()
        if not line.endswith("\n"):
            yield outcomes.Tried(
                outcomes.TRACEBACK, f"the process ended with status {worker.wait()}"
            )
            return
        yield outcomes.Tried(*json.loads(line))
    worker.wait()


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
