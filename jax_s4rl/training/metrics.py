"""What a training tells on its way: `metrics.jsonl` and TensorBoard's events, each update once, however resumed."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorboardX

from jax_s4rl.data import atomic_files

LINES = "metrics.jsonl"
EVENTS = "tensorboard"


class Metrics:
    """Writes the metrics of a run. Use it with `with`.

    Args:
      folder: of the run.
      start: updates that the run has behind it: what was written after them is taken back, for it comes again.
      report: told in a sentence if something is missing.
    """

    def __init__(self, folder: Path, start: int, report: Callable[[str], None] = print):
        folder.mkdir(parents=True, exist_ok=True)
        kept = [row for row in read(folder) if row["step"] <= start]
        if (kept[-1]["step"] if kept else 0) != start:
            last = kept[-1]["step"] if kept else 0
            report(f"{folder / LINES} ends at update {last}, the run goes on from {start}; what is between is lost")
        text = "".join(json.dumps(row) + "\n" for row in kept)
        atomic_files.write_whole(folder / LINES, lambda file: file.write(text.encode()))
        self.seconds = sum(row["seconds"] for row in kept)
        self._file = (folder / LINES).open("a")
        # Whoever reads the events leaves out what earlier files hold from `purge_step` on. The suffix keeps files
        # apart that are begun in the same second.
        self._events = tensorboardX.SummaryWriter(
            str(folder / EVENTS), purge_step=start + 1 if start else None, filename_suffix=f".{start:012d}"
        )

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, step: int, means: dict[str, Any], seconds: float) -> None:
        """Adds a line.

        Args:
          step: updates made.
          means: by name; a number, or a list of one for each seed.
          seconds: wall-clock time since the line before.
        """
        self._file.write(json.dumps({"step": step, **means, "seconds": seconds}, allow_nan=False) + "\n")
        self._file.flush()
        self.seconds += seconds
        for name, values in means.items():
            several = isinstance(values, list) and len(values) > 1
            for number, value in enumerate(values if isinstance(values, list) else [values]):
                self._events.add_scalar(f"{name}/{number}" if several else name, value, step)

    def secure(self) -> None:
        """Brings all lines to the disk: called before a checkpoint, so that no line before it can be lost."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._events.flush()

    def close(self) -> None:
        """Writes all that is left."""
        self.secure()
        self._file.close()
        self._events.close()


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of a run up to the first that is not complete, as the last one of a killed run may be."""
    path = folder / LINES
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return
