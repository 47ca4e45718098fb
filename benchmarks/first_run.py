"""How long does a first look at each experiment take, from nothing: data made, programs compiled, models trained?

    python -m benchmarks.first_run

runs `python -m experiments.NAME --quick` for every experiment, one after the other, each in an empty folder and without
anything that an earlier run left in a cache, and appends a line of each to `benchmarks/results/first_run.jsonl`.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jax_s4rl import cache_folders, stack
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import datasets
from jax_s4rl.evaluation import result_rows

RESULTS = Path(__file__).parent / "results" / "first_run.jsonl"
EXPERIMENTS = (
    "random_walk",
    "umbrella",
    "memory",
    "key_door",
    "key_to_door",
    "cartpole",
    "pendulum",
    "tokens",
    "checkpoints",
    "speed_per_task",
)


@dataclasses.dataclass(frozen=True)
class Config:
    """What is looked at, and where lines go."""

    experiments: tuple[str, ...] = EXPERIMENTS
    """Names of scripts."""
    path: Path = RESULTS
    """Where the result lines go."""


def main(config: Config) -> None:
    """Looks, and writes the result lines."""
    for name in config.experiments:
        with tempfile.TemporaryDirectory() as folder:
            row = look(name, Path(folder))
        result_rows.append_row(config.path, row)
        print(f"{name}: {row['seconds']['look']:.0f} s, {row['metrics']['lines']} lines", flush=True)


def look(name: str, folder: Path) -> dict[str, Any]:
    """Looks at one experiment.

    Args:
      name: of its script.
      folder: an empty one, for data, programs and lines.

    Returns:
      A result line.

    Raises:
      RuntimeError: the script failed; with what it said.
    """
    emptied = {
        variable: str(folder / variable) for variable in (datasets.FOLDER_VARIABLE, cache_folders.FOLDER_VARIABLE)
    }
    known = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *([known] if known else [])])
    command = [sys.executable, "-m", f"experiments.{name}", "--quick"]
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **emptied, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}; it said:\n{done.stdout}")
    lines = sum(len(list(result_rows.read_rows(path))) for path in folder.glob("runs/*.jsonl"))
    metrics = {"look": name, "lines": lines, "cores": os.cpu_count()}
    stack.require()  # The script did so before its work; this is for the line.
    return result_rows.make_row(
        experiment="benchmarks/quick_looks", method="quick", metrics=metrics, seconds={"look": seconds}
    )


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
