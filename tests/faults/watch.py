"""Watches a process: which code of files runs, and what is written outside a folder.

An audit hook of Python sees every opened file, import and started process, but not what libraries
in C do. A hook stays for the rest of the process, so there is one, which is switched on and off.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults import mutations

PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class")
# Events of changed names; their first argument, or the first two, are paths.
CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1}
CHANGES |= {"os.link": 2, "os.symlink": 2, "shutil.rmtree": 1, "shutil.move": 2}
# Programs that describe the machine and the commit in results.
HARMLESS = ("git", "/bin/sh", "lscpu", "uname", "ldconfig", "gcc")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_observers: list[Callable[[str, tuple[Any, ...]], None]] = []
_is_hooked = False


@contextlib.contextmanager
def watched(*folders: Path) -> Iterator[list[str]]:
    """Yields a list of what code of files did, or what was written outside the folders."""
    allowed = [os.path.realpath(one) for one in folders] + ["/dev", "/proc"]
    found: list[str] = []

    def observe(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import" and str(arguments[0]) == mutations.CANARY:
            found.append(f"imported {arguments[0]}")
        elif event in PROCESSES and not _is_harmless(event, arguments):
            found.append(f"{event} {str(arguments[:2])[:200]}")
        for path in changed(event, arguments):
            if not any(_is_inside(path, one) for one in allowed):
                found.append(f"{event} {path}")

    with observed(observe):
        yield found


@contextlib.contextmanager
def observed(observe: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Calls a function at every audit event of the body."""
    add(observe)
    try:
        yield
    finally:
        _observers.remove(observe)


def add(observe: Callable[[str, tuple[Any, ...]], None]) -> None:
    """Calls a function at every audit event from now on."""
    global _is_hooked
    if not _is_hooked:
        sys.addaudithook(_hook)
        _is_hooked = True
    _observers.append(observe)


def changed(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """Returns the paths that an audit event changes."""
    if event == "open":
        path, mode, flags = arguments
        # Of modes in words ("rb"), the flags are unknown.
        writes = flags & _WRITING if isinstance(flags, int) else False
        writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else writes
        paths = [path] if writes else []
    else:
        paths = list(arguments[: CHANGES.get(event, 0)])
    return [os.fsdecode(one) for one in paths if isinstance(one, str | bytes | os.PathLike)]


def _is_harmless(event: str, arguments: tuple[Any, ...]) -> bool:
    return event != "pickle.find_class" and str(arguments[0]).endswith(HARMLESS)


def _is_inside(path: str, folder: str) -> bool:
    # The last name may be a link that is itself changed.
    place = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
    return place == folder or place.startswith(folder + "/")


def _hook(event: str, arguments: tuple[Any, ...], observers: Any = _observers) -> None:
    # A hook stays until the process ends, when the names of a module are None.
    for observe in tuple(observers):
        observe(event, arguments)
