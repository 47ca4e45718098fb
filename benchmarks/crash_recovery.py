"""Kills a short training again and again, resumes it each time, and compares it with one that was left in peace.

    python -m benchmarks.crash_recovery

appends a line to `benchmarks/results/crash_recovery.jsonl`. Signal 9 leaves a process no time for anything. Most kills wait for
the training to reach a random update, and then for a random moment more, so that they also hit checkpoints that are
being written; the others come while the process is still starting. Parameters, optimizer and random key have to be bit
for bit those of the run in peace, and `metrics.jsonl` has to hold each update once, with the same losses.
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

from jax_s4rl import stack
from jax_s4rl.agents import run_directory
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import checkpoints
from jax_s4rl.training import metrics as training_metrics

RESULTS = Path(__file__).parent / "results" / "crash_recovery.jsonl"
DATASET = "umbrella_length/9/random"
UPDATES_PER_DISPATCH, CHECKPOINT_EVERY = 10, 20
# One kill in this many comes while the process is starting.
EARLY = 5
# Longest wait for a process that makes no progress, in seconds.
PATIENCE = 300


@dataclasses.dataclass(frozen=True)
class Config:
    """How often to kill, and where to write."""

    num_kills: int = 20
    """Kills of the one run."""
    num_updates: int = 2000
    """Length of the training."""
    seed: int = 0
    """Of the moments."""
    path: Path = RESULTS
    """Where the result line goes."""


def main(config: Config) -> None:
    """Measures, and writes the result line."""
    with tempfile.TemporaryDirectory() as folder:
        row = measure(config, Path(folder))
    result_rows.append_row(config.path, row)
    print(row["metrics"])
    if not row["metrics"]["identical"]:
        sys.exit("error: the killed run learned something else; resuming is broken")


def measure(config: Config, folder: Path) -> dict[str, Any]:
    """Trains in peace, trains under fire, compares.

    Args:
      config: how often to kill.
      folder: where both runs go.

    Returns:
      The result line.
    """
    peaceful, killed = folder / "peaceful", folder / "killed"
    begin = time.perf_counter()
    _finish(config, peaceful)
    seconds = time.perf_counter() - begin
    rng = np.random.default_rng(config.seed)
    begin, said = time.perf_counter(), ""
    for number in range(config.num_kills):
        said += _run_and_kill(config, killed, number, rng)
    said += _finish(config, killed)
    ends = [checkpoints.load(path / run_directory.CHECKPOINTS, {}) for path in (peaceful, killed)]
    lines = [[(row["step"], row["loss"]) for row in training_metrics.read(path)] for path in (peaceful, killed)]
    metrics = {
        "kills": config.num_kills,
        "identical": ends[0].digest == ends[1].digest and ends[0].step == ends[1].step == config.num_updates,
        "same_lines": lines[0] == lines[1],
        "kills_while_writing": said.count("was not complete when the run ended"),
        "damaged_checkpoints": said.count("is damaged"),
        "resumed_from": [int(line.split()[-1]) for line in said.splitlines() if line.startswith("going on after")],
    }
    stack.require()  # The trainings did so before their work; this is for the line.
    return result_rows.make_row(
        experiment="benchmarks/kills",
        method="s4d",
        dataset=DATASET,
        updates=config.num_updates,
        metrics=metrics | {"identical": metrics["identical"] and metrics["same_lines"]},
        seconds={"in_peace": seconds, "killed": time.perf_counter() - begin},
    )


def _run_and_kill(config: Config, folder: Path, number: int, rng: np.random.Generator) -> str:
    """Starts or resumes the run, and kills it; returns what it said."""
    is_early = number % EARLY == EARLY - 1
    target = config.num_updates * (number + rng.uniform()) / (config.num_kills + 1)
    process = subprocess.Popen(command(config, folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not is_early:
        _wait_for(target, folder, process)
    time.sleep(rng.uniform(0, 5 if is_early else 0.3))
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0]
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run ended by itself before kill {number}; take more updates. It said:\n{said}")
    return said


def _wait_for(target: float, folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    before = _newest(folder)
    # What is there already may be taken back on resuming: only a line that was added counts.
    while process.poll() is None and (_newest(folder) < target or _newest(folder) == before):
        if time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the run made no progress in {PATIENCE} s; it said:\n{process.communicate()[0]}")
        time.sleep(0.01)


def _newest(folder: Path) -> int:
    return max((row["step"] for row in training_metrics.read(folder)), default=0)


def _finish(config: Config, folder: Path) -> str:
    ended = subprocess.run(command(config, folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode:
        raise RuntimeError(f"the run failed:\n{ended.stdout}")
    return ended.stdout


def command(config: Config, folder: Path) -> list[str]:
    """The command that starts or resumes a training so small that most of its time goes into checkpoints."""
    model = {"width": 8, "num-layers": 1, "mlp-ratio": 1, "context-length": 10, "mixer.state-size": 4}
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
    return [sys.executable, "-m", "jax_s4rl.cli.train", "--resume", *words]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
