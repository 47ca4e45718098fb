"""Child processes that run a command and meet a fault in it.

All are forked from one process that has imported everything and started nothing.
"""

import atexit
import functools
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jax_s4rl import cache_folders
from tests.faults import commands, outcomes, watch

# Longest run of a command, in seconds.
PATIENCE = 300
CACHE = "FAULTS_CACHE"
LOG, SEEN, EVENTS = "log.txt", "seen.txt", "events.txt"
Fault = Callable[[Path], object]
"""What is done in the child before its command, with the folder for notes."""
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.commands"])


class Ended(NamedTuple):
    """How a child ended; a negative status is a signal."""

    status: int
    output: str
    outside: str
    seconds: float


class Child:
    """A command that runs in a process of its own.

    Args:
        name: Name of the command.
        folder: Folder that it runs in.
        notes: Folder for what it prints, outside the first.
        fault: What is done in the child before.
    """

    def __init__(self, name: str, folder: Path, notes: Path, fault: Fault | None = None):
        notes.mkdir(parents=True, exist_ok=True)
        for note in (LOG, SEEN):
            (notes / note).unlink(missing_ok=True)
        self.notes, self._start = notes, time.monotonic()
        # Compiled programs are shared by all processes of a run of the suite.
        cache = Path(os.environ.get(CACHE) or root() / "cache")
        given = (name, folder, notes, cache, fault)
        self.process = _context.Process(target=_run, args=given)
        self.process.start()

    def kill(self, number: int) -> None:
        """Sends a signal, if the child still runs; not before it is set up."""
        while self.process.is_alive() and not (self.notes / SEEN).exists():
            time.sleep(0.001)
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, number)

    def wait(self) -> Ended:
        """Waits for the end; a child that does not end is killed, with the status of SIGALRM."""
        self.process.join(PATIENCE)
        status = self.process.exitcode
        if status is None:
            self.process.kill()
            self.process.join()
            status = -signal.SIGALRM
        seconds = time.monotonic() - self._start
        texts = [_read(self.notes / name) for name in (LOG, SEEN)]
        return Ended(status, *texts, seconds)


def finish(name: str, folder: Path, notes: Path, fault: Fault | None = None) -> Ended:
    """Runs a command to its end."""
    return Child(name, folder, notes, fault).wait()


class Peace(NamedTuple):
    """A command that nothing disturbed.

    Attributes:
        before: Folder as it was before.
        after: Folder as it was left.
        content: Digest of what was made.
        names: Names of all files that it left.
        seconds: Time that it took, from the fork on.
        events: Number of changes of files.
        largest: Size of the largest file that it made or changed, in bytes.
    """

    before: Path
    after: Path
    content: str
    names: frozenset[str]
    seconds: float
    events: int
    largest: int


@functools.cache
def root() -> Path:
    """Returns a folder for all undisturbed commands of this process."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def peace(name: str) -> Peace:
    """Runs a command without a fault, twice: the second time nothing is compiled for the first."""
    command, place = commands.COMMANDS[name], root() / name
    before = place / "before"
    if command.after is not None:
        shutil.copytree(peace(command.after).after, before)
    before.mkdir(parents=True, exist_ok=True)
    command.prepare(before)
    found = []
    for number in range(2):
        after = place / f"after{number}"
        shutil.copytree(before, after)
        ended = finish(name, after, place / f"notes{number}", CountEvents())
        if ended.status or ended.outside:
            raise RuntimeError(f"{name} failed in peace: {ended}")
        found.append(outcomes.fingerprint(command.content(after)))
    if found[0] != found[1]:
        raise RuntimeError(f"{name} gives other content each time")
    events = int(_read(place / "notes1" / EVENTS))
    made = [path for path in after.rglob("*") if _is_new(path, after, before)]
    largest = max(path.stat().st_size for path in made)
    return Peace(before, after, found[0], names_in(after), ended.seconds, events, largest)


def _is_new(path: Path, after: Path, before: Path) -> bool:
    old = before / path.relative_to(after)
    return path.is_file() and not (old.is_file() and old.read_bytes() == path.read_bytes())


def names_in(folder: Path) -> frozenset[str]:
    """Returns the names of files that are the same in every complete run."""
    return frozenset(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not {"tensorboard", "checkpoints", "damaged"} & set(path.parts)
    )


class CountEvents:
    """Counts the changes of files of a command."""

    def __call__(self, notes: Path) -> None:
        counted = [0]

        def observe(event: str, arguments: Any) -> None:
            counted[0] += bool(_inside(event, arguments))

        _at_end(lambda: (notes / EVENTS).write_text(str(counted[0])))
        watch.add(observe)


class SignalAtEvent(NamedTuple):
    """Sends a signal to the child itself just before one of its changes of files."""

    number: int
    at: int

    def __call__(self, notes: Path) -> None:
        """Starts to count."""
        counted = [0]

        def observe(event: str, arguments: Any) -> None:
            if _inside(event, arguments):
                counted[0] += 1
                if counted[0] == self.at:
                    os.kill(os.getpid(), self.number)

        watch.add(observe)


class JoinCluster(NamedTuple):
    """Lets a training be one of two processes; no fault by itself."""

    port: int
    number: int

    def __call__(self, notes: Path) -> None:
        """Sets the variable that the command reads."""
        os.environ[commands.CLUSTER] = f"127.0.0.1:{self.port} {self.number}"


class LimitFileSize(NamedTuple):
    """Limits the size of files, as a full disk or a quota would."""

    size: int

    def __call__(self, notes: Path) -> None:
        """Sets the limit."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


class Refuse(NamedTuple):
    """Lets a function of the operating system fail from one of its calls on."""

    function: str
    error: int
    at: int
    lasts: bool

    def __call__(self, notes: Path) -> None:
        """Replaces the function."""
        work, counted = getattr(os, self.function), [0]

        def refused(*arguments: Any, **options: Any) -> Any:
            path = arguments[0] if isinstance(arguments[0], str | bytes | os.PathLike) else None
            if path is None or _is_own(os.fsdecode(path)):
                counted[0] += 1
                if counted[0] == self.at or (self.lasts and counted[0] > self.at):
                    raise OSError(self.error, os.strerror(self.error), path)
            return work(*arguments, **options)

        setattr(os, self.function, refused)


def _inside(event: str, arguments: Any) -> list[str]:
    return [path for path in watch.changed(event, arguments) if _is_own(path)]


def _is_own(path: str) -> bool:
    """Returns whether a path lies in the folder of the command."""
    return os.path.abspath(path).startswith(os.getcwd() + "/")


_ends: list[Callable[[], object]] = []


def _at_end(work: Callable[[], object]) -> None:
    _ends.append(work)


def _run(name: str, folder: Path, notes: Path, cache: Path, fault: Fault | None) -> None:
    """Runs in the child: prints into a file, watches, and runs the command."""
    log = os.open(notes / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, closefd=False) for n in (1, 2))
    os.chdir(folder)
    # Until the command watches for them, signals end the process without a word.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # The sign that signals may come.
    seen = os.open(notes / SEEN, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    # Not the folder that all tests share: a killed child leaves half of a file there.
    os.environ.pop(cache_folders.COMPILED_VARIABLE, None)
    jax.config.update("jax_compilation_cache_dir", None)
    allowed = [folder, notes, cache, Path(tempfile.gettempdir())]
    with watch.watched(*allowed) as found:
        try:
            if fault is not None:
                fault(notes)
            commands.COMMANDS[name].run()
        finally:
            os.write(seen, "\n".join(found).encode())
            for work in _ends:
                work()


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
