"""Seconds of a quick run of every experiment without caches: datasets, compilation and training.

    python -m benchmarks.first_run

runs `python -m experiments.NAME --quick` for every experiment, one after the other, each in an
empty folder and with empty caches, and appends a row for each to
`benchmarks/results/first_run.jsonl`.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jax_s4rl import cache_folders, self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import datasets
from jax_s4rl.evaluation import result_rows

RESULTS = Path(__file__).parent / "results" / "first_run.jsonl"
EXPERIMENTS = (
    "random_walk",
    "umbrella",
    "memory",
    "long_memory",
    "key_door",
    "key_to_door",
    "cartpole",
    "pendulum",
    "founding_report",
    "trajectory_transformer",
    "future_latents",
    "tokens",
    "checkpoints",
    "hindsight_credit",
    "value_transport",
    "recurrent_ppo",
    "future_ppo",
    "algorithm_distillation",
    "linear_key_to_door",
    "value_transport_online",
    "carried_state",
    "hidden_state",
    "online_budget",
    "paper_size",
    "uniform_batches",
    "speed_per_task",
)
# Packages of the scripts that are not in `experiments`.
PACKAGES = {"speed_per_task": "benchmarks"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    experiments: tuple[str, ...] = EXPERIMENTS
    """Names of the experiments' scripts."""
    path: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Runs the chosen experiments and appends the result rows.

    Args:
        config: Options of the benchmark.

    Raises:
        RuntimeError: If a script fails.
    """
    for name in config.experiments:
        with tempfile.TemporaryDirectory() as folder:
            row = look(name, Path(folder))
        result_rows.append_row(config.path, row)
        print(
            f"{name}: {row['seconds']['look']:.0f} s, {row['metrics']['lines']} lines", flush=True
        )


def look(name: str, folder: Path) -> dict[str, Any]:
    """Runs one experiment with `--quick`.

    Args:
        name: Name of its script.
        folder: Empty folder for data, compiled programs and result rows.

    Returns:
        A result row.

    Raises:
        RuntimeError: If the script fails; the message has its output.
    """
    empty_caches = {
        variable: str(folder / variable)
        for variable in (datasets.FOLDER_VARIABLE, cache_folders.COMPILED_VARIABLE)
    }
    # The script runs in another folder, so the checkout has to be on its path.
    before = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *([before] if before else [])])
    command = [sys.executable, "-m", f"{PACKAGES.get(name, 'experiments')}.{name}", "--quick"]
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **empty_caches, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with status {done.returncode}; its output:\n{done.stdout}"
        )
    lines = sum(len(list(result_rows.read_rows(path))) for path in folder.glob("runs/*.jsonl"))
    metrics = {"look": name, "lines": lines, "cores": os.cpu_count()}
    # The script ran the self-test before its work; this one adds its verdict to the row.
    self_test.require()
    return result_rows.make_row(
        experiment="benchmarks/quick_looks",
        method="quick",
        metrics=metrics,
        seconds={"look": seconds},
    )


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
