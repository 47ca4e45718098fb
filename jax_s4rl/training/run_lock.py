"""Lock of a run folder: only one process at a time writes into it."""

import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

NAME = "lock"
# Errors of network file systems without locks; there the process named in the lock file decides.
UNSUPPORTED = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)
# Longest content that names an owner, in bytes.
LONGEST = 10_000


class Lock:
    """Lock of a folder; use it with `with`.

    It ends with `close`, or when its process ends in any way.

    Args:
        folder: Folder to lock; made if it is not there.

    Raises:
        ValueError: If another living process holds the lock.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        # Opened without truncation: until the lock is acquired, the content names another owner.
        # Bytes without a buffer: the file may hold anything, and a full disk fails at once.
        self._file = self.path.open("a+b", buffering=0)
        try:
            self._acquire()
            self._file.truncate(0)
            owner = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            }
            self._file.write(json.dumps(owner).encode())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the lock."""
        # The file is not removed: another process may have opened it and be about to lock it, and a
        # third one could then lock a new file of the same name.
        self._file.truncate(0)
        self._file.close()

    def _acquire(self) -> None:
        # The operating system releases this lock when the process ends, even by SIGKILL.
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(self._in_use("")) from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            if _may_live(self._owner()):
                raise ValueError(
                    self._in_use(f", or remove {self.path} if that process is gone")
                ) from None

    def _owner(self) -> dict[str, Any]:
        """Reads who holds the lock; nothing if the file holds something else."""
        self._file.seek(0)
        try:
            owner = json.loads(self._file.read(LONGEST))
        except (ValueError, RecursionError):
            return {}
        known = isinstance(owner, dict) and {"pid": int, "host": str, "since": str}
        if not known or any(type(owner.get(name)) is not kind for name, kind in known.items()):
            return {}
        return owner

    def _in_use(self, remedy: str) -> str:
        owner = self._owner()
        who = (
            f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
            if owner
            else "another process"
        )
        return (
            f"{self.path.parent} is in use by {who}; wait for its end, or choose another "
            f"folder{remedy}"
        )


def _may_live(owner: dict[str, Any]) -> bool:
    """Returns whether the owner of the lock may still be running."""
    # Zero and negative numbers are groups of processes.
    if not owner or owner["pid"] < 1:
        return False
    # Processes of other machines cannot be checked from here.
    if owner["host"] != socket.gethostname():
        return True
    # Signal 0 is not delivered; it only checks that the process exists.
    try:
        os.kill(owner["pid"], 0)
    except (ProcessLookupError, OverflowError):
        # The second: a number that no process can have.
        return False
    except PermissionError:
        # The process exists and belongs to another user.
        pass
    return True
