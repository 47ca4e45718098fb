"""Writing files so that an interrupted or refused write leaves the old file whole."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file, or leaves the old one as it was.

    Args:
        path: The file; its folder is made.
        write: Writes the content into an open file.

    Raises:
        OSError: If the disk refuses; nothing half-written is left.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder) / "a", lambda file: file.write(b"new"))
        ...     (Path(folder) / "a").read_bytes()
        b'new'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path, write) as new:
        os.replace(new, path)


@contextlib.contextmanager
def written_beside(path: Path, write: Callable[[BinaryIO], object]) -> Iterator[Path]:
    """Writes a file under another name in the same folder, for the caller to move; removes it otherwise."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
