"""Numbers and texts that TensorBoard shows.

tensorboardX comes with the extra `tensorboard`; without it, nothing is written. Of it, only the
writer of records is used: its `SummaryWriter` starts a thread and a queue between processes for
each file, and stays in the memory until the process ends.
"""

import importlib
import time
from pathlib import Path
from typing import Any


def _part(name: str) -> Any:
    """Imports a module of tensorboardX; None where it is not installed."""
    try:
        return importlib.import_module(f"tensorboardX.{name}")
    except ModuleNotFoundError:
        return None


event_file_writer, event_pb2, summary = map(
    _part, ("event_file_writer", "proto.event_pb2", "summary")
)

FOLDER = "tensorboard"


class Events:
    """One file of events; use it with `with`.

    Args:
        run: Folder of the run, to which the folder of events is added.
        suffix: End of the file's name; it distinguishes files that are begun in the same second.
        purge_step: Step from which on readers leave out the events of earlier files, because
            files of events cannot be cut. None to leave out none.

    Raises:
        OSError: If the disk refuses; likewise below.
    """

    def __init__(self, run: Path, suffix: str, purge_step: int | None = None):
        self._writer: Any = None
        if event_file_writer is None:
            return
        folder = run / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = event_file_writer.EventsWriter(str(folder / "events"), suffix)
        if purge_step is not None:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._write(purge_step, session_log=start)

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Adds a number.

        Args:
            name: Name of the curve; "/" groups curves.
            value: Number.
            step: Number of updates made.
        """
        if self._writer is not None:
            self._write(step, summary=summary.scalar(name, value))

    def add_text(self, name: str, text: str, step: int) -> None:
        """Adds a text in Markdown; arguments as in `add_scalar`."""
        if self._writer is not None:
            self._write(step, summary=summary.text(name, text))

    def flush(self) -> None:
        """Writes all events to the disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Writes all events to the disk and closes the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(event_pb2.Event(wall_time=time.time(), step=step, **content))
