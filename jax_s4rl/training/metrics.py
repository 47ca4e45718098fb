"""Metrics of a training run: `metrics.jsonl` and TensorBoard's events.

Each update is written once, however often the run is resumed.
"""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_s4rl.data import atomic_files
from jax_s4rl.training import _events

LINES = "metrics.jsonl"


class Metrics:
    """Writes the metrics of a run; use it with `with`.

    Args:
        folder: Folder of the run; made if it is not there.
        start: Number of updates made before. Lines of later updates are removed, because these
            updates are made again.
        report: Function that gets a sentence if lines are missing or damaged, or if the file is
            removed meanwhile.
    """

    def __init__(self, folder: Path, start: int, report: Callable[[str], None] = print):
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._report = folder / LINES, report
        kept = [row for row in read(folder, report) if row["step"] <= start]
        if (kept[-1]["step"] if kept else 0) != start:
            last = kept[-1]["step"] if kept else 0
            report(
                f"{folder / LINES} ends at update {last}, but the run resumes after update "
                f"{start}; the lines in between are lost"
            )
        self._replace("".join(json.dumps(row) + "\n" for row in kept).encode())
        self.seconds = sum(row["seconds"] for row in kept)
        self._last_step = start
        is_resumed = start > 0 or (folder / _events.FOLDER).is_dir()
        self._events = _events.Events(
            folder, f".{start:012d}", purge_step=start + 1 if is_resumed else None
        )

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(
        self,
        step: int,
        means: dict[str, Any],
        seconds: float,
        *,
        shown: Mapping[str, float] | None = None,
    ) -> None:
        """Adds a line, and its events for TensorBoard.

        Args:
            step: Number of updates made.
            means: Mean of each metric, by name; a number, or a list with a number for each seed.
            seconds: Wall-clock time since the line before.
            shown: Further numbers that TensorBoard shows alone, beside the updates per second.

        Raises:
            OSError: If the disk refuses; the line is then written not at all.
        """
        row = {"step": step, **means, "seconds": seconds}
        self._append((json.dumps(row, allow_nan=False) + "\n").encode())
        self.seconds += seconds
        for name, values in means.items():
            several = isinstance(values, list) and len(values) > 1
            for number, value in enumerate(values if isinstance(values, list) else [values]):
                curve = f"{name}/{number}" if several else name
                self._events.add_scalar(curve, float(value), step)
        speed = (step - self._last_step) / seconds if seconds > 0 else 0.0
        self._last_step = step
        for name, value in {"updates_per_second": speed, **(shown or {})}.items():
            self._events.add_scalar(name, value, step)

    def describe(self, name: str, text: str) -> None:
        """Shows a text in TensorBoard.

        Args:
            name: Name of the text.
            text: Text in Markdown.
        """
        self._events.add_text(name, text, self._last_step)

    def secure(self) -> None:
        """Writes all lines to the disk, in a new file if somebody removed the old one.

        Call it before a checkpoint is saved, so that no line before the checkpoint can be lost.

        Raises:
            OSError: If the disk refuses, or the folder was removed.
        """
        if not self._is_there():
            # The open file still has its lines.
            self._file.seek(0)
            lines = self._file.read()
            self._file.close()
            self._replace(lines)
            self._report(f"{self._path} was removed while the run was going on; written again")
        os.fsync(self._file.fileno())
        self._events.flush()

    def close(self) -> None:
        """Writes all lines to the disk and closes the files."""
        try:
            # Where the folder was removed, an error has said so.
            if self._path.parent.is_dir():
                self.secure()
        finally:
            self._file.close()
            self._events.close()

    def _replace(self, lines: bytes) -> None:
        """Replaces the file and opens the new one."""
        atomic_files.write_whole(self._path, lambda file: file.write(lines))
        # Without a buffer, which would split a long line into several writes.
        self._file = self._path.open("a+b", buffering=0)

    def _append(self, line: bytes) -> None:
        """Writes a line whole or not at all; the lock of the run keeps other writers out."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException as error:
            self._file.truncate(end)
            if isinstance(error, OSError):
                error.filename = str(self._path)
            raise

    def _is_there(self) -> bool:
        """Returns whether the open file still has its name."""
        if not self._path.parent.is_dir():
            raise FileNotFoundError(
                f"the folder {self._path.parent} was removed while its run was going on; what was "
                "learned is lost: train again, in a folder that stays"
            )
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False


def add_events(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """Adds numbers to TensorBoard after the training, for instance returns of an evaluation.

    Args:
        folder: Folder of the run.
        step: Number of updates made.
        values: Numbers by name.
    """
    with _events.Events(folder, f".{step:012d}.evaluation") as events:
        for name, value in values.items():
            events.add_scalar(name, value, step)


def read(folder: Path, report: Callable[[str], None] = print) -> Iterator[dict[str, Any]]:
    """Reads the lines of a run; those that are not metrics are reported and left out.

    The last line of a run that was killed may be incomplete, which is not reported.

    Args:
        folder: Folder of the run.
        report: Function that gets a sentence about each damaged line.

    Yields:
        One row after the other: step, metrics by name, and seconds.
    """
    path = folder / LINES
    if not path.exists():
        return
    *lines, last = path.read_bytes().split(b"\n")
    for number, line in enumerate([*lines, last], start=1):
        if not line:
            continue
        try:
            yield _row(line)
        except (ValueError, RecursionError) as error:
            if number <= len(lines):
                report(f"{path}, line {number} is not a line of metrics ({error}); left out")


def losses(folder: Path) -> dict[int, float]:
    """Reads the mean loss of all seeds in each line of a run; damaged lines are left out.

    Args:
        folder: Folder of the run.

    Returns:
        Losses by the number of updates made.
    """
    found = {}
    for row in read(folder, report=lambda _: None):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found[row["step"]] = float(np.mean(row["loss"]))
    return found


def _row(line: bytes) -> dict[str, Any]:
    """Reads a line of metrics."""
    row = json.loads(line.decode(), parse_constant=_refuse)
    if not isinstance(row, dict):
        raise ValueError("not an object")
    step, seconds = row.get("step"), row.get("seconds")
    if type(step) is not int or step < 0:
        raise ValueError(f"its step is {step!r}")
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ValueError(f"its seconds are {seconds!r}")
    return row


def _refuse(name: str) -> None:
    raise ValueError(f"it holds {name}")
