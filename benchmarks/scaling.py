"""Seconds of an update on one or two devices, with more seeds, and in more micro-batches.

    python -m benchmarks.scaling                    # everything, resumable; --quick for a look
    python -m benchmarks.scaling --groups devices   # one group

The model is S4D with one token per step, three blocks of width 128, 32 steps and 64 rows. Devices
are those of the host: one process with two of them, or two processes with one each. Each case has
its own process, and the cases of a group take turns. Appends a row for each case to
`benchmarks/results/scaling.jsonl`, then writes the tables of `docs/scale.md`. A group whose rows
exist for this machine and commit is left out.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import scaling_report, scaling_worker, timing, workers
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "scaling.jsonl"
EXPERIMENT = "benchmarks/scaling"
# Seconds of untimed calls before each timed one.
SETTLE = 0.2

Job = scaling_worker.Job


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    groups: tuple[str, ...] = scaling_report.GROUPS
    """Groups of cases: any of devices, seeds, micro-batches."""
    spreads: tuple[str, ...] = tuple(scaling_worker.SPREADS)
    """Spreads of the group devices."""
    shared_seeds: tuple[int, ...] = (1, 2)
    """Numbers of seeds of the group devices: with one, the devices share the rows of a batch; with
    two, each device has its own seed."""
    seeds: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of seeds of the group seeds."""
    micro_batches: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of micro-batches of the group micro-batches."""
    rows: int = 64
    """Number of rows of a batch of one seed."""
    layers: int = 3
    """Number of blocks of the model."""
    updates: int = 2
    """Number of updates of a call."""
    repeats: int = 10
    """Number of turns."""
    quick: bool = False
    """Whether to measure only a few cases of a small model, in two turns."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Measures the groups that have no rows yet, then writes the tables.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a group or a spread is unknown, or a process ended.
    """
    for name, given, known in (
        ("groups", config.groups, scaling_report.GROUPS),
        ("spreads", config.spreads, scaling_worker.SPREADS),
    ):
        if unknown := [one for one in given if one not in known]:
            raise SystemExit(
                f"error: got {name} {', '.join(unknown)}; choose from {', '.join(known)}"
            )
    if config.quick:
        config = dataclasses.replace(
            config,
            groups=tuple(one for one in config.groups if one != scaling_report.DEVICES),
            seeds=(2,),
            micro_batches=(2,),
            rows=8,
            layers=1,
            repeats=2,
        )
    for group in () if config.report_only else config.groups:
        jobs = jobs_of(group, config)
        if not is_done(group, jobs, config.out):
            for row in measure(group, jobs, config.repeats):
                result_rows.append_row(config.out, row)
                print(scaling_report.line(row), flush=True)
    if config.out == RESULTS:
        scaling_report.write(list(documents.read_rows(config.out)))


def jobs_of(group: str, config: Config) -> list[Job]:
    """Lists the jobs of a group.

    Args:
        group: Name of the group, one of `scaling_report.GROUPS`.
        config: Options of the benchmark.

    Returns:
        The jobs.
    """
    sizes = config.rows, config.layers, config.updates
    if group == scaling_report.DEVICES:
        return [
            Job(spread, seeds, 1, *sizes)
            for seeds in config.shared_seeds
            for spread in config.spreads
        ]
    if group == scaling_report.SEEDS:
        return [Job(scaling_worker.TWO_CORES, seeds, 1, *sizes) for seeds in config.seeds]
    return [Job(scaling_worker.TWO_CORES, 1, parts, *sizes) for parts in config.micro_batches]


def is_done(group: str, jobs: list[Job], path: Path) -> bool:
    """Returns whether each job has a row of this machine and commit.

    A group is measured as a whole, because its cases are compared with each other.

    Args:
        group: Name of the group.
        jobs: Jobs of the group.
        path: File of result rows.
    """
    rows = list(result_rows.read_rows(path))
    if not rows:
        return False
    here = result_rows.machine(), result_rows.commit()
    done = {
        (*scaling_report.key(row), row["metrics"]["rows"], row["metrics"]["layers"])
        for row in rows
        if (row["machine"], row["commit"]) == here
    }
    return all(
        (group, job.spread, job.seeds, job.micro_batches, job.rows, job.layers) in done
        for job in jobs
    )


def measure(group: str, jobs: list[Job], repeats: int) -> Iterator[dict[str, Any]]:
    """Times the jobs of a group in turns, each in its own process.

    Args:
        group: Name of the group.
        jobs: Jobs of the group.
        repeats: Number of turns.

    Yields:
        One result row for each job.

    Raises:
        SystemExit: If a process ended.
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    with contextlib.ExitStack() as opened:
        running = {
            str(job): opened.enter_context(workers.apart("scaling_worker", *job.words))
            for job in jobs
        }
        turns = workers.take_turns(running, repeats, SETTLE)
    # After the timing, so that it takes no time from the workers, which ran it too.
    self_test.require()
    for job in jobs:
        yield _row(group, job, running[str(job)].facts, turns[str(job)])


def _row(group: str, job: Job, facts: dict[str, Any], turns: timing.Turns) -> dict[str, Any]:
    # The first of two equal processes measured its own processor time.
    whole = timing.Turns(turns.wall, [facts["processes"] * spent for spent in turns.cpu])
    own = whole.split(job.updates * job.seeds)
    spread = scaling_worker.SPREADS[job.spread]
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method=job.spread,
        tokens="concatenated",
        context_length=scaling_worker.CONTEXT,
        parameters=facts["parameters"],
        seconds={"compile": facts["compile"]} | own.seconds,
        metrics={
            "group": group,
            "seeds": job.seeds,
            "micro_batches": job.micro_batches,
            "rows": job.rows,
            "layers": job.layers,
            "devices": facts["devices"],
            "processes": facts["processes"],
            "cores": spread.all_cores,
            "temporary_mib": facts["temporary_mib"],
            "huge_pages": timing.has_huge_pages(),
            "turns": own.wall,
        },
    )


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
