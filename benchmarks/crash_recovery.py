"""Kills and resumes a short training many times and compares it with an uninterrupted one.

    python -m benchmarks.crash_recovery

appends a row to `benchmarks/results/crash_recovery.jsonl`. Signal 9 leaves a process no time to
clean up. Most kills wait for the training to reach a random update, and then for a random moment
more, so that they also hit checkpoints that are being written; the others come while the process is
still starting. Parameters, optimizer and random key must equal those of the uninterrupted run bit
for bit, and `metrics.jsonl` must hold each update once, with the same losses.
"""

import dataclasses
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from jax_s4rl import self_test
from jax_s4rl.agents import run_directory
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import checkpoints
from jax_s4rl.training import metrics as training_metrics

RESULTS = Path(__file__).parent / "results" / "crash_recovery.jsonl"
DATASET = "umbrella_length/9/random"
UPDATES_PER_DISPATCH, CHECKPOINT_EVERY = 10, 20
# One kill out of this many comes while the process is starting.
EARLY = 5
# Longest wait for a process without progress, in seconds.
PATIENCE = 300


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    num_kills: int = 20
    """Number of kills of the run."""
    num_updates: int = 2000
    """Number of updates of the training."""
    seed: int = 0
    """Seed of the moments of the kills."""
    path: Path = RESULTS
    """File to which the result row is appended."""


def main(config: Config) -> None:
    """Runs the comparison and appends the result row.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If the killed run differs from the uninterrupted one.
    """
    with tempfile.TemporaryDirectory() as folder:
        row = measure(config, Path(folder))
    result_rows.append_row(config.path, row)
    print(row["metrics"])
    if not row["metrics"]["identical"]:
        sys.exit(
            "error: the killed run differs from the uninterrupted one; resuming is broken, "
            "see the metrics above"
        )


def measure(config: Config, folder: Path) -> dict[str, Any]:
    """Trains without interruption, trains with kills, and compares.

    Args:
        config: Options of the benchmark.
        folder: Folder for both runs.

    Returns:
        The result row.

    Raises:
        RuntimeError: If a run fails, makes no progress, or ends before its last kill.
    """
    uninterrupted, killed = folder / "peaceful", folder / "killed"
    begin = time.perf_counter()
    _finish(config, uninterrupted)
    seconds = time.perf_counter() - begin
    rng = np.random.default_rng(config.seed)
    begin, output = time.perf_counter(), ""
    for number in range(config.num_kills):
        output += _run_and_kill(config, killed, number, rng)
    output += _finish(config, killed)
    ends = [
        checkpoints.load(path / run_directory.CHECKPOINTS, {}) for path in (uninterrupted, killed)
    ]
    lines = [
        [(row["step"], row["loss"]) for row in training_metrics.read(path)]
        for path in (uninterrupted, killed)
    ]
    # The phrases that are counted are reports of `checkpoints` and `run_directory`.
    metrics = {
        "kills": config.num_kills,
        "identical": ends[0].digest == ends[1].digest
        and ends[0].step == ends[1].step == config.num_updates,
        "same_lines": lines[0] == lines[1],
        "kills_while_writing": output.count("was not complete when the run ended"),
        "damaged_checkpoints": output.count("is damaged"),
        "resumed_from": [
            int(line.split()[-1])
            for line in output.splitlines()
            if line.startswith("going on after")
        ],
    }
    # The trainings ran the self-test before their work; this one adds its verdict to the row.
    self_test.require()
    return result_rows.make_row(
        experiment="benchmarks/kills",
        method="s4d",
        dataset=DATASET,
        updates=config.num_updates,
        metrics=metrics | {"identical": metrics["identical"] and metrics["same_lines"]},
        seconds={"in_peace": seconds, "killed": time.perf_counter() - begin},
    )


def _run_and_kill(config: Config, folder: Path, number: int, rng: np.random.Generator) -> str:
    """Starts or resumes the run and kills it; returns its output."""
    is_early = number % EARLY == EARLY - 1
    target = config.num_updates * (number + rng.uniform()) / (config.num_kills + 1)
    process = subprocess.Popen(
        command(config, folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if not is_early:
        _wait_for(target, folder, process)
    time.sleep(rng.uniform(0, 5 if is_early else 0.3))
    process.send_signal(signal.SIGKILL)
    output = process.communicate()[0]
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(
            f"the run ended by itself before kill {number}; "
            f"choose more updates. Its output:\n{output}"
        )
    return output


def _wait_for(target: float, folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    before = _newest(folder)
    # Resuming may remove lines after the last checkpoint, so only a new line counts as progress.
    while process.poll() is None and (_newest(folder) < target or _newest(folder) == before):
        if time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(
                f"the run made no progress in {PATIENCE} s; its output:\n{process.communicate()[0]}"
            )
        time.sleep(0.01)


def _newest(folder: Path) -> int:
    return max((row["step"] for row in training_metrics.read(folder)), default=0)


def _finish(config: Config, folder: Path) -> str:
    ended = subprocess.run(
        command(config, folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if ended.returncode:
        raise RuntimeError(f"the run failed; its output:\n{ended.stdout}")
    return ended.stdout


def command(config: Config, folder: Path) -> list[str]:
    """Returns the command that starts or resumes the training.

    The training is so small that most of its time goes into checkpoints.
    """
    model = {
        "width": 8,
        "num-layers": 1,
        "mlp-ratio": 1,
        "context-length": 10,
        "mixer.state-size": 4,
    }
    options = {
        "dataset": DATASET,
        "folder": folder,
        "checkpoint-every": CHECKPOINT_EVERY,
        "episodes": 1,
        "batch-size": 8,
        "num-updates": config.num_updates,
        "updates-per-dispatch": UPDATES_PER_DISPATCH,
    } | {f"model.{name}": value for name, value in model.items()}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", "jax_s4rl.cli.train", "--resume-or-start", *words]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
