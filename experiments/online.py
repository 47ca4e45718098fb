"""Runs of methods that learn online: a result row for each, and none twice."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rich.console

from experiments import runner
from jax_s4rl import cache_folders, self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import config_io


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of one method."""

    env: str
    """Name of the environment and its setting."""
    method: str
    """Name of the method."""
    settings: Any
    """Configuration that, with environment and seed, fixes the run."""
    seed: int
    """Seed of the training."""
    measure: Callable[["Run"], dict[str, Any]] = dataclasses.field(compare=False, repr=False)
    """Function that trains, and returns metrics, with the time under "seconds" and the number of
    trained scalars under "parameters"."""
    variant: str = ""
    """Difference from other runs of the same method and environment."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of everything that fixes the run but its seed."""
        values = config_io.identity({"env": self.env, "settings": self.settings})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line of trainings in environments."""

    parts: tuple[str, ...] = ()
    """Parts of the experiment; all of them if none is named."""
    seeds: int = 3
    """Training runs of each."""
    steps: int | None = None
    """Environment steps of each training; those of its task if None."""
    quick: bool = False
    """A look in a few minutes: the shortest task, few steps, one seed; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


def chosen_parts(options: Options, known: Iterable[str]) -> tuple[str, ...]:
    """Returns the parts of an experiment that are run, after a check of the options.

    Args:
        options: Options of the command line.
        known: Names of all parts.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    known = tuple(known)
    if unknown := [part for part in options.parts if part not in known]:
        raise ValueError(f"got parts {', '.join(unknown)}; choose from {', '.join(known)}")
    if options.seeds < 1:
        raise ValueError(f"got seeds={options.seeds}; ask for 1 or more")
    return options.parts or known


def run_script(
    name: str,
    options: Options,
    quick: Mapping[str, Any],
    planned: Callable[[Options], Sequence[Run]],
) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        name: Name of the experiment.
        options: Options of the command line.
        quick: Options that a quick look replaces.
        planned: Function that returns every run of some options.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    out = out_file(name, options.out, quick=options.quick)
    if options.quick:
        options = dataclasses.replace(options, **quick)
    run_missing(name, planned(options), out, "score_sampled")


def out_file(name: str, out: Path | None, *, quick: bool) -> Path:
    """Returns the file of the rows of an experiment, under runs/ for a quick look."""
    return out or (Path("runs") / f"{name}-quick.jsonl" if quick else runner.results_file(name))


def run_missing(name: str, runs: Sequence[Run], out: Path, score: str) -> None:
    """Runs what has no row yet, and appends a row for each run.

    Args:
        name: Name of the experiment.
        runs: Runs, in their order.
        out: File of result rows.
        score: Metric that is printed.
    """
    entry_point.check_writable(out)
    cache_folders.enable_compilation_cache()
    self_test.require()
    console = rich.console.Console(soft_wrap=True)
    rows = list(result_rows.read_rows(out)) if out.exists() else []
    done = {(row["metrics"]["cell"], row["seed"]) for row in rows}
    for number, run in enumerate(runs, start=1):
        if (run.digest, run.seed) in done:
            continue
        metrics = run.measure(run)
        seconds, parameters = (metrics.pop(name) for name in ("seconds", "parameters"))
        row = result_rows.make_row(
            experiment=name,
            env=run.env,
            method=run.method,
            seed=run.seed,
            parameters=parameters,
            updates=run.settings.num_updates,
            metrics={"cell": run.digest, "variant": run.variant} | metrics,
            seconds={"train": seconds},
        )
        result_rows.append_row(out, row)
        console.print(
            f"{number}/{len(runs)} {run.env}, {run.method}, seed {run.seed}: "
            f"{score} {metrics[score]:.3f}, {seconds:.0f} s",
            highlight=False,
        )
