"""Metrics of a training run: `metrics.jsonl` and TensorBoard's events.

Each update is written once, however often the run is resumed.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jax_s4rl.data import atomic_files

try:
    import tensorboardX
except ModuleNotFoundError:
    # It comes with the extra `tensorboard`; without it, only the lines are written.
    tensorboardX = None

LINES = "metrics.jsonl"
EVENTS = "tensorboard"


class Metrics:
    """Writes the metrics of a run; use it with `with`.

    Args:
        folder: Folder of the run; made if it is not there.
        start: Number of updates made before. Lines of later updates are removed, because these
            updates are made again.
        report: Function that gets a sentence if lines are missing.
    """

    def __init__(self, folder: Path, start: int, report: Callable[[str], None] = print):
        folder.mkdir(parents=True, exist_ok=True)
        kept = [row for row in read(folder) if row["step"] <= start]
        if (kept[-1]["step"] if kept else 0) != start:
            last = kept[-1]["step"] if kept else 0
            report(
                f"{folder / LINES} ends at update {last}, but the run resumes after update "
                f"{start}; the lines in between are lost"
            )
        text = "".join(json.dumps(row) + "\n" for row in kept)
        atomic_files.write_whole(folder / LINES, lambda file: file.write(text.encode()))
        self.seconds = sum(row["seconds"] for row in kept)
        self._last_step = start
        self._file = (folder / LINES).open("a")
        # Event files cannot be cut: from `purge_step` on, readers leave out the events of earlier
        # files. The suffix distinguishes files that are begun in the same second.
        self._events = None
        if tensorboardX is not None:
            self._events = tensorboardX.SummaryWriter(
                str(folder / EVENTS),
                purge_step=start + 1 if start else None,
                filename_suffix=f".{start:012d}",
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
        """
        self._file.write(
            json.dumps({"step": step, **means, "seconds": seconds}, allow_nan=False) + "\n"
        )
        self._file.flush()
        self.seconds += seconds
        if self._events is None:
            return
        for name, values in means.items():
            several = isinstance(values, list) and len(values) > 1
            for number, value in enumerate(values if isinstance(values, list) else [values]):
                self._events.add_scalar(f"{name}/{number}" if several else name, value, step)
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
        if self._events is not None:
            self._events.add_text(name, text, self._last_step)

    def secure(self) -> None:
        """Writes all lines to the disk.

        Call it before a checkpoint is saved, so that no line before the checkpoint can be lost.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Writes all lines to the disk and closes the files."""
        self.secure()
        self._file.close()
        if self._events is not None:
            self._events.close()


def add_events(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """Adds numbers to TensorBoard after the training, for instance returns of an evaluation.

    Args:
        folder: Folder of the run.
        step: Number of updates made.
        values: Numbers by name.
    """
    if tensorboardX is None:
        return
    suffix = f".{step:012d}.evaluation"
    with tensorboardX.SummaryWriter(str(folder / EVENTS), filename_suffix=suffix) as events:
        for name, value in values.items():
            events.add_scalar(name, value, step)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Reads the lines of a run up to the first incomplete one.

    The last line of a run that was killed may be incomplete.

    Args:
        folder: Folder of the run.

    Yields:
        One row after the other: step, metrics by name, and seconds.
    """
    path = folder / LINES
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return
