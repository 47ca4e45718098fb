"""Runs all benchmarks of this folder that time this package on this machine, one after the other.

    python -m benchmarks --quick    # each at its smallest, rows into `runs/`
    python -m benchmarks            # rows into `results/`

Each has a process of its own. Run by their own commands: all mixers at all lengths up to 16,384
(`benchmarks.lengths`, `benchmarks.training`), the peers in PyTorch (`benchmarks.peers`, extra
`peers`), an accelerator (`benchmarks.gpu`), the accuracy of long sequences, and the trainings of
the data sets. Nothing else should run on the machine.
"""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

from jax_s4rl.cli import entry_point

# Name of each benchmark, with the options of its full run; the others are its defaults.
FULL: dict[str, tuple[str, ...]] = {
    "kernels": ("--lengths", "256", "1024", "4096"),
    "dropout": (),
    "floor": (),
    "tried": (),
    "host_loop": (),
    "whole_job": (),
    "acting": ("--histories", "16", "1024"),
    "lengths": (
        *("--mixers", "s4d", "s4d/matched", "attention"),
        *("--lengths", "20", "100", "1024", "4096"),
    ),
    "recurrent_rows": (),
    "scaling": (),
}
# Where rows of quick runs go: they have too few turns to be kept.
QUICK_ROWS = Path("runs") / "benchmarks"


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the run."""

    names: tuple[str, ...] = tuple(FULL)
    """Benchmarks to run."""
    quick: bool = False
    """Whether to run each at its smallest."""


def main(config: Config) -> None:
    """Runs the benchmarks.

    Args:
        config: Options of the run.

    Raises:
        SystemExit: If a name is unknown, or a benchmark failed.
    """
    if unknown := [name for name in config.names if name not in FULL]:
        raise SystemExit(
            f"error: got the benchmark {unknown[0]}; choose from {', '.join(FULL)}, or run it as "
            f"python -m benchmarks.{unknown[0]}"
        )
    failed, begin = [], time.monotonic()
    for name in config.names:
        print(f"== {name}, after {time.monotonic() - begin:.0f} s", flush=True)
        if subprocess.run(command(name, quick=config.quick), check=False).returncode:
            failed.append(name)
    print(f"== {len(config.names)} benchmarks, {time.monotonic() - begin:.0f} s", flush=True)
    if failed:
        raise SystemExit(f"error: failed: {', '.join(failed)}; their output is above")


def command(name: str, *, quick: bool) -> list[str]:
    """Returns the command line of one benchmark.

    Args:
        name: Name of its module.
        quick: Whether to run it at its smallest, with its rows apart.
    """
    started = [sys.executable, "-m", f"benchmarks.{name}"]
    if not quick:
        return [*started, *FULL[name]]
    return [*started, "--quick", "--out", str(QUICK_ROWS / f"{name}.jsonl")]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
