"""Atomic writes: an interrupted or refused write leaves the old file whole."""

import contextlib
import fcntl
import os
import re
import secrets
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
        >>> import tempfile
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

    The caller moves the file to its final name; otherwise it is removed at the end. Files that
    killed writers of the same name left behind are removed first.

    Args:
        path: Final path of the file; its folder has to exist.
        write: Function that writes the content into an open file.

    Yields:
        The temporary path of the complete file.

    Raises:
        OSError: If the disk refuses; no partly written file is left.
    """
    _remove_leftovers(path)
    file, name = _make_temporary(path)
    with file:
        try:
            write(file)
            # The content has to reach the disk before the rename does: after a crash of the machine
            # the final name could otherwise belong to an incomplete file.
            file.flush()
            os.fsync(file.fileno())
            yield name
        except OSError as error:
            # Errors of writing into an open file do not say which.
            if error.errno is not None and error.filename is None:
                error.filename = str(path)
            raise
        finally:
            # A file that was moved is no longer under this name.
            name.unlink(missing_ok=True)


def _make_temporary(path: Path) -> tuple[BinaryIO, Path]:
    """Makes an empty file that is locked as long as it is open."""
    while True:
        # In the same folder, because a rename is atomic only within one file system.
        name = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        # Not `tempfile`: a signal behind the opening would leave its bare handle open for ever.
        try:
            file = name.open("x+b")
        except FileExistsError:
            continue
        # On file systems without locks nothing is locked, and no leftover is removed.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another writer may have taken it for a leftover before it was locked.
        if name.exists():
            return file, name
        file.close()


def _remove_leftovers(path: Path) -> None:
    """Removes temporary files whose writers have ended: these hold no lock any more."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")
    found: list[str] = []
    # A folder may be writable without being readable.
    with contextlib.suppress(PermissionError), os.scandir(path.parent) as entries:
        named = [one for one in entries if pattern.fullmatch(one.name)]
        found = [one.path for one in named if one.is_file(follow_symlinks=False)]
    for name in found:
        # Also if it is gone by now, or belongs to somebody else.
        with contextlib.suppress(OSError), open(name, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name)
