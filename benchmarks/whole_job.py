"""Seconds of a whole job as a user runs it, with an empty and with a filled cache of programs.

    python -m benchmarks.whole_job            # everything; --quick for a short run

The job is a process of its own: it imports the package, loads recorded episodes of CartPole, trains
S4D as in `experiments.cartpole`, and acts in episodes side by side. Each turn does it twice: first
without compiled programs of earlier runs, then with those of the first. The episodes are recorded
before the first turn. Appends rows to `benchmarks/results/whole_job.jsonl`, then writes the table
of `benchmarks/README.md`.
"""

import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import tables, whole_job_worker
from jax_s4rl import cache_folders, self_test
from jax_s4rl.agents import tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows

RESULTS = Path(__file__).parent / "results" / "whole_job.jsonl"
SECTION = "whole-job"
EMPTY, FILLED = "empty cache", "filled cache"
# Seconds that are aimed at.
AIMS = {EMPTY: 20, FILLED: 10}
PARTS = ("import", "train", "evaluate")


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    updates: int = 400
    """Number of updates."""
    episodes: int = 100
    """Number of episodes that are acted."""
    repeats: int = 3
    """Number of turns."""
    quick: bool = False
    """Whether to make one turn of few updates and episodes, with an empty cache."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times jobs, then writes the table.

    Args:
        config: Options of the benchmark.
    """
    if config.quick:
        config = dataclasses.replace(config, updates=10, episodes=4, repeats=1)
    for row in [] if config.report_only else measure(config):
        result_rows.append_row(config.out, row)
        print(f"{row['method']}: {row['seconds']['whole']:.1f} s", flush=True)
    tables.publish(config.out, RESULTS, SECTION, table)


def measure(config: Config) -> list[dict[str, Any]]:
    """Times jobs with both caches, in turns.

    Args:
        config: Options of the benchmark.

    Returns:
        A result row for each cache.

    Raises:
        SystemExit: If a job failed.
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    tasks.load(whole_job_worker.DATASET)
    caches = (EMPTY,) if config.quick else (EMPTY, FILLED)
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in caches}
    for _ in range(config.repeats):
        with tempfile.TemporaryDirectory() as compiled:
            for done in turns.values():
                done.append(_job(config, compiled))
    return [
        result_rows.make_row(
            experiment="benchmarks/whole_job",
            dataset=whole_job_worker.DATASET,
            method=method,
            updates=config.updates,
            seconds={
                name: statistics.median(one[name] for one in done)
                for name in ("whole", "cpu", *PARTS)
            },
            metrics={
                "episodes": config.episodes,
                "peak_mib": max(one["peak_mib"] for one in done),
                "turns": [{name: round(number, 3) for name, number in one.items()} for one in done],
            },
        )
        for method, done in turns.items()
    ]


def _job(config: Config, compiled: str) -> dict[str, float]:
    """Does one job, with its compiled programs in a folder; returns its seconds and its memory."""
    module = whole_job_worker.__name__
    command = [sys.executable, "-m", module, str(config.updates), str(config.episodes)]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, cache_folders.COMPILED_VARIABLE: compiled},
        capture_output=True,
        text=True,
        check=False,
    )
    whole, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{done.stderr}error: the job ended with status {done.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"whole": whole, "cpu": cpu, **json.loads(done.stdout.splitlines()[-1])}


def table(rows: list[tables.Row]) -> str:
    """Formats the section: one line for each cache, on each machine.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = [
        "## A whole job",
        "Seconds from the start of the process to its end: S4D learns CartPole from recorded "
        "episodes as in `experiments.cartpole`, then acts; medians of turns. *Memory*: the largest "
        "resident memory up to the end of training.",
    ]
    head = ["programs", "updates", "episodes", "whole", "aim", *PARTS, "processor", "memory, MiB"]
    for machine, found in tables.newest_by_machine(rows, ("method",)).items():
        lines = [
            [
                method,
                f"{row['updates']:,}",
                f"{row['metrics']['episodes']:,}",
                f"{row['seconds']['whole']:.1f}",
                str(AIMS[method]),
                *(f"{row['seconds'][name]:.1f}" for name in PARTS),
                f"{row['seconds']['cpu']:.1f}",
                f"{row['metrics']['peak_mib']:,.0f}",
            ]
            for (method,), row in found.items()
        ]
        parts += [f"### {machine}", tables.markdown(head, lines, left=1)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
