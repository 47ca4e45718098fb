"""Result rows of experiments and benchmarks: one JSON object per line, all with the same fields."""

import errno
import fcntl
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from jax_s4rl import self_test
from jax_s4rl.data import atomic_files

# Root of the checkout that the package is imported from; for an installed package, the folder of
# all packages.
ROOT = Path(__file__).resolve().parents[2]

# Fields of a result row, in the order of the file.
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
# Types of the fields that readers rely on.
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("experiment", "method"), str),
    **dict.fromkeys(("env", "dataset", "tokens", "machine", "commit"), str | None),
    **dict.fromkeys(("metrics", "seconds"), dict),
    **dict.fromkeys(("seed", "parameters", "updates", "context_length"), int | float | None),
    "versions": dict | None,
}
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
    """Makes a result row; adds the machine, the commit and the versions.

    Args:
        experiment: Name of the script that measured, for instance "demo" or "benchmarks/kernels".
        method: Name of the method: attention, s4, s4d, s5, lstm, bc, percent_bc, cql, random,
            lookup, optimal, or a function's name.
        metrics: Measured values: numbers, strings, or lists and mappings of them.
        seconds: Wall-clock seconds by phase; trained methods have at least compile, train and
            evaluate.
        env: Id of the environment.
        dataset: Name of the dataset.
        tokens: Token layout, "interleaved" or "concatenated"; None for methods without tokens.
        context_length: Number of environment steps in a training window.
        seed: Seed of the training run.
        parameters: Number of trained scalars.
        updates: Number of gradient steps.

    Returns:
        A mapping with exactly the fields `FIELDS`.

    Raises:
        ValueError: If `tokens` is not one of the known names.
    """
    if tokens not in TOKENS:
        raise ValueError(f"got tokens {tokens!r}; choose one of {TOKENS}")
    # The arguments have the names of the fields; copied, because `locals` changes with new
    # variables.
    arguments = dict(locals())
    return {field: arguments[field] for field in FIELDS[:-3]} | {
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
    }


def append_row(path: str | Path, row: Mapping[str, Any]) -> None:
    """Appends one row to a file and makes its folder.

    NaN and infinity become null, because JSON has neither.

    Args:
        path: File of result rows.
        row: Row with all fields of `FIELDS`.

    Raises:
        ValueError: If the row lacks a field, or the file holds something else.
        OSError: If the disk refuses; the file is then as before.
    """
    append_rows(path, [row])


def append_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Appends rows to a file, all of them or none, and makes its folder.

    Several processes may append to one file. Where the file system has no locks, some network file
    systems can mix their lines; give each machine a file of its own there.

    Args:
        path: File of result rows.
        rows: Rows with all fields of `FIELDS`.

    Raises:
        ValueError: If a row lacks a field, or the file holds something else.
        OSError: If the disk refuses; the file is then as before.
    """
    text = "".join(map(_line, rows)).encode()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a buffer, which would split a long line into several writes.
    with path.open("a+b", buffering=0) as file:
        _lock(file)
        _finish_last_line(file, path)
        end = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(text)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except BaseException as error:
            file.truncate(end)
            if isinstance(error, OSError):
                error.filename = str(path)
            raise


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replaces all rows of a file; if writing fails, the old rows stay.

    Args:
        path: File of result rows.
        rows: Rows with all fields of `FIELDS`.

    Raises:
        ValueError: If a row lacks a field.
    """
    text = "".join(map(_line, rows))
    atomic_files.write_whole(Path(path), lambda file: file.write(text.encode()))


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file in order; a missing file has no rows.

    A last line without an end is left out: another process is writing it, or died while it did.

    Args:
        path: File of result rows.

    Yields:
        One row.

    Raises:
        ValueError: If the file is not text, or one of its lines is not a result row.
    """
    path = Path(path)
    if not path.exists():
        return
    # In bytes, so that a byte that is no text belongs to one line.
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            row = json.loads(line.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            if _is_cut_off(line.decode(errors="replace")):
                return
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise ValueError(
                f"{path}, line {number} is not JSON ({reason}); delete that line and run again, or "
                "name another file"
            ) from None
        if wrong := _wrong_fields(row):
            raise ValueError(
                f"{path}, line {number} is not a result line: {wrong}; delete it, or name another "
                "file"
            )
        yield row


def machine() -> str:
    """Returns the name of the accelerator, or of the processor and its number of cores."""
    # Imported here, so that reading rows does not start JAX.
    import jax

    device = jax.devices()[0]
    if device.platform != "cpu":
        return f"{jax.device_count()} x {device.device_kind}"
    return f"{_processor()}, {_num_cores()} cores"


def machine_of_longest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the machine on which the longest training was timed last.

    Curves of times are shown of one machine. A later run on another one may have left out what
    takes longest, and has no whole curve then.

    Args:
        rows: Rows of a benchmark by length, oldest first. Their metrics name the kind of work, and
            in "skipped" why nothing was timed.

    Returns:
        Name of the machine; of the last row if no training was timed, and empty without rows.

    Example:
        >>> timed = {"kind": "training", "skipped": ""}
        >>> machine_of_longest([
        ...     {"machine": "a", "context_length": 9, "metrics": timed},
        ...     {"machine": "b", "context_length": 4, "metrics": timed}])
        'a'
    """
    name, longest = "", 0
    for row in rows:
        is_timed = row["metrics"].get("kind") == "training" and not row["metrics"].get("skipped")
        length = row["context_length"] if is_timed else 0
        if length >= longest:
            name, longest = row["machine"], length
    return name


def commit() -> str | None:
    """Returns the commit of the checkout, with "+" if its code has changes.

    Returns:
        Twelve hex digits, or None outside of a checkout and if git fails.
    """
    if not (ROOT / ".git").exists():
        return None
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        # Files of result rows change while an experiment runs; only changes of the code count.
        code = ["jax_s4rl", "experiments/*.py", "benchmarks/*.py", "pyproject.toml"]
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--", *code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that affect results.

    Returns:
        Versions by package, of installed packages only; "stack" has the verdict of the self-test of
        JAX.
    """
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed | {"stack": self_test.summary()}


def _refuse(name: str) -> None:
    raise ValueError(f"it holds {name}, which JSON does not have")


def _wrong_fields(row: Any) -> str:
    """Says in which way a value is not a result row; nothing if it is one."""
    if not isinstance(row, dict):
        return "it is not an object"
    if missing := [field for field in FIELDS if field not in row]:
        return f"it lacks {', '.join(missing)}"
    wrong = [name for name, kinds in _KINDS.items() if not isinstance(row[name], kinds)]
    return f"its {wrong[0]} is {repr(row[wrong[0]])[:60]}" if wrong else ""


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _num_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _lock(file: IO[bytes]) -> None:
    """Waits for the lock of an open file, which its closing releases."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        # Some network file systems have no locks. A single write to the end is all there is then.
        if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
            raise


def _finish_last_line(file: IO[bytes], path: Path) -> None:
    """Removes what a process that died left of a row, so that no other row is glued to it."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if file.read(1) in (b"\n", b""):
        return
    file.seek(0)
    text = file.read()
    begin = text.rfind(b"\n") + 1
    last = text[begin:].decode(errors="replace")
    try:
        json.loads(last)
    except ValueError:
        if not _is_cut_off(last):
            raise ValueError(
                f"the last line of {path} is not a result row; delete it, or name another file"
            ) from None
        file.truncate(begin)
    else:
        # A whole row that only lacks its end, as some editors save it.
        file.write(b"\n")


def _is_cut_off(line: str) -> bool:
    """Returns whether a line, which is not JSON, is the beginning of a row without its end."""
    # Only what `_line` writes: the end of a file of another kind must not be removed.
    begin = f'{{"{FIELDS[0]}":'
    return not line.endswith("\n") and (line.startswith(begin) or begin.startswith(line))


def _line(row: Mapping[str, Any]) -> str:
    """Formats a row as a line of a file."""
    if missing := [field for field in FIELDS if field not in row]:
        raise ValueError(f"the result line lacks {missing}; make it with make_row")
    plain = _plain(row)
    if wrong := _wrong_fields(plain):
        raise ValueError(f"of the result line, {wrong}; make it with make_row")
    return json.dumps(plain, allow_nan=False, separators=(",", ":")) + "\n"


def _plain(value: Any) -> Any:
    """Converts numbers of NumPy and JAX to Python's own, and those that are not finite to None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
