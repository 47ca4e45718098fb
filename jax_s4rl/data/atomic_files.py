"""Atomic writes: an interrupted or refused write leaves the old file whole."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file, or leaves the old one as it was.

    Args:
        path: Path of the file; its folder is made.
        write: Function that writes the content into an open file.

    Raises:
        OSError: If the disk refuses; no partly written file is left.

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
    """Writes a file under a temporary name in the same folder.

    The caller moves the file to its final name; otherwise it is removed at the end.

    Args:
        path: Final path of the file; its folder has to exist.
        write: Function that writes the content into an open file.

    Yields:
        The temporary path of the complete file.

    Raises:
        OSError: If the disk refuses; no partly written file is left.
    """
    # In the same folder, because a rename is atomic only within one file system.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            # The content has to reach the disk before the rename does: after a crash of the machine
            # the final name could otherwise belong to an incomplete file.
            file.flush()
            os.fsync(file.fileno())
        # `mkstemp` lets only the owner read the file.
        os.chmod(name, 0o644)
        yield Path(name)
    finally:
        # A file that was moved is no longer under this name.
        Path(name).unlink(missing_ok=True)
