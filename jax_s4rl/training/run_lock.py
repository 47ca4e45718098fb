"""One process at a time writes into a run folder."""

import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

NAME = "lock"
# Some network file systems know no locks; there the process named in the file decides.
UNSUPPORTED = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)


class Lock:
    """Holds a folder until it is closed, or until its process ends in whatever way. Use it with `with`.

    Args:
      folder: to hold; made if it is not there.

    Raises:
      ValueError: another living process holds it.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self._file = self.path.open("a+")
        try:
            self._acquire()
        except BaseException:
            self._file.close()
            raise
        self._file.truncate(0)
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
        self._file.write(json.dumps(owner))
        self._file.flush()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the folder free. The file stays: removing it could take the lock of whoever holds it next."""
        self._file.truncate(0)
        self._file.close()

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(self._in_use("")) from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            if _may_live(self._owner()):
                raise ValueError(self._in_use(f", or remove {self.path} if that process is gone")) from None

    def _owner(self) -> dict[str, Any]:
        self._file.seek(0)
        try:
            return json.loads(self._file.read())
        except ValueError:
            return {}

    def _in_use(self, remedy: str) -> str:
        owner = self._owner()
        who = f"process {owner['pid']} on {owner['host']}, since {owner['since']}" if owner else "another process"
        return f"{self.path.parent} is in use by {who}; wait for its end, or choose another folder{remedy}"


def _may_live(owner: dict[str, Any]) -> bool:
    if not owner:
        return False
    if owner["host"] != socket.gethostname():
        return True
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
