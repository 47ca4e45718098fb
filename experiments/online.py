"""Runs of methods that learn online: a result row for each, and none twice."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
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
    """Function that trains, and returns the metrics and under "seconds" the time."""
    variant: str = ""
    """Difference from other runs of the same method and environment."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of everything that fixes the run but its seed."""
        values = config_io.identity({"env": self.env, "settings": self.settings})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


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
        seconds = metrics.pop("seconds")
        row = result_rows.make_row(
            experiment=name,
            env=run.env,
            method=run.method,
            seed=run.seed,
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
