"""Result lines: one JSON object a line, the same fields for every experiment and benchmark."""

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from jax_s4rl import stack
from jax_s4rl.data import atomic_files

# The checkout that the package is imported from; of an installed package, the folder of all packages.
ROOT = Path(__file__).resolve().parents[2]

# The order in which the fields stand in a line.
FIELDS = (
    "experiment",
    "env",
    "dataset",
    "method",
    "tokens",
    "context_length",
    "seed",
    "parameters",
    "updates",
    "metrics",
    "seconds",
    "machine",
    "commit",
    "versions",
)
TOKENS = ("interleaved", "concatenated", None)
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "gymnasium", "bsuite", "minigrid", "mujoco")


def make_row(
    *,
    experiment: str,
    method: str,
    metrics: Mapping[str, Any],
    seconds: Mapping[str, float],
    env: str | None = None,
    dataset: str | None = None,
    tokens: str | None = None,
    context_length: int | None = None,
    seed: int | None = None,
    parameters: int | None = None,
    updates: int | None = None,
) -> dict[str, Any]:
    """Makes a result line; machine, commit and versions are added here.

    Args:
      experiment: the script that measured, for instance "demo" or "benchmarks/kernels".
      method: attention, s4, s4d, s5, lstm, bc, percent_bc, cql, random, lookup, optimal, or a function's name.
      metrics: what was measured; numbers, strings, or lists and mappings of them.
      seconds: wall-clock seconds by phase; trained methods hold at least compile, train and evaluate.
      env: id of the environment.
      dataset: name of the dataset.
      tokens: "interleaved", "concatenated", or None where there are none.
      context_length: environment steps that the model sees in training.
      seed: of the training run.
      parameters: number of trained scalars.
      updates: gradient steps.

    Returns:
      A mapping with exactly the fields `FIELDS`.

    Raises:
      ValueError: `tokens` is not one of the known names.
    """
    if tokens not in TOKENS:
        raise ValueError(f"tokens is {tokens!r}; a result line knows {TOKENS}")
    given = dict(locals())
    return {field: given[field] for field in FIELDS[:-3]} | {
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
    }


def append_row(path: str | Path, row: Mapping[str, Any]) -> None:
    """Appends one line to `path`, making its folder; NaN and infinity become null, for JSON knows neither."""
    line = _line(row)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(line)


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes lines in place of those that were there; if it cannot be done, these stay."""
    text = "".join(map(_line, rows))
    atomic_files.write_whole(Path(path), lambda file: file.write(text.encode()))


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of `path` in order; a file that is not there has none.

    Raises:
      ValueError: the file is no text, or a line of it no result line.
    """
    path = Path(path)
    if not path.exists():
        return
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text; name a file of result lines") from None
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number} is not JSON ({error.msg}); delete that line and run again"
            ) from None
        if missing := [field for field in FIELDS if field not in row]:
            raise ValueError(
                f"{path}, line {number} is no result line: it lacks {', '.join(missing)}; delete it, or name another "
                "file"
            )
        yield row


def machine() -> str:
    """Names the accelerator, or the processor and its cores where there is none."""
    import jax

    device = jax.devices()[0]
    if device.platform != "cpu":
        return f"{jax.device_count()} x {device.device_kind}"
    return f"{_processor()}, {_num_cores()} cores"


def commit() -> str | None:
    """Returns the commit that ran, with "+" if the tree had changes; None outside of a checkout."""
    if not (ROOT / ".git").exists():
        return None
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        # Result lines themselves change while an experiment runs; they are no change of the code.
        code = ["jax_s4rl", "experiments/*.py", "benchmarks/*.py", "pyproject.toml"]
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--", *code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that move results, and the verdict of the self-test under "stack"."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"stack": stack.summary()}


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _line(row: Mapping[str, Any]) -> str:
    """A row as it stands in a file."""
    if missing := [field for field in FIELDS if field not in row]:
        raise ValueError(f"the result line lacks {missing}; make it with make_row")
    return json.dumps(_plain(row), allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Numbers of NumPy and JAX as Python's own; what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
