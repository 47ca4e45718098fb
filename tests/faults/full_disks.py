"""Lets the disk refuse: limits on files, a small file system, and failing calls of the system."""

import contextlib
import errno
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults import children, commands, kills, outcomes

NAMES = tuple(commands.COMMANDS)
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
FUNCTIONS = ("fsync", "replace", "rename", "mkdir", "open", "unlink", "chmod")
PAGE = 4096


def attempts(
    name: str, seed: int, first: int, count: int, folder: Path
) -> Iterator[outcomes.Tried]:
    """Lets a command meet a refusing disk, and judges it and the next run on a good one.

    Args:
        name: Name of a command.
        seed: Seed of the refusals.
        first: Number of the first try.
        count: Number of tries.
        folder: Folder for the files.

    Yields:
        The outcome of each try.
    """
    peace = children.peace(name)
    for number in range(first, first + count):
        rng = random.Random(f"{name} {seed} {number}")
        place = folder / f"{number}"
        way = ("limit", "refusal", "small")[number % 3]
        with contextlib.ExitStack() as opened:
            place.mkdir()
            fault: children.Fault | None = None
            said = way
            if way == "small":
                size = _used(peace.before) + rng.randint(1, 2 + peace.largest // PAGE) * PAGE
                if not opened.enter_context(_small(place, size)):
                    way, said = "limit", "limit"
            if way == "limit":
                fault = children.LimitFileSize(rng.randint(0, peace.largest))
                said = f"files of at most {fault.size} bytes"
            elif way == "refusal":
                fault = children.Refuse(
                    rng.choice(FUNCTIONS),
                    rng.choice(ERRORS),
                    rng.randint(1, 2 + peace.events // 8),
                    rng.random() < 0.5,
                )
                said = str(fault)
            shutil.copytree(peace.before, place, dirs_exist_ok=True)
            ended = children.finish(name, place, folder / "notes", fault)
            tried = _judge(ended)
            if tried.outcome in (outcomes.SENTENCE, outcomes.RECOVERED):
                tried = _then(name, place, folder, peace, tried)
        yield tried._replace(detail=f"{said}: {tried.detail}")
        shutil.rmtree(place)


def _judge(ended: children.Ended) -> outcomes.Tried:
    if ended.outside:
        return outcomes.Tried(outcomes.OUTSIDE, ended.outside[:300])
    tried = outcomes.of_output(ended.status, ended.output, (0, 1))
    is_done = tried.outcome == outcomes.SENTENCE and ended.status == 0
    return outcomes.Tried(outcomes.RECOVERED) if is_done else tried


def _then(
    name: str, place: Path, folder: Path, peace: children.Peace, tried: outcomes.Tried
) -> outcomes.Tried:
    """Runs the command again on a disk that works; a sentence stays what was said first."""
    good = folder / "good"
    shutil.copytree(place, good)
    try:
        again = kills.again(name, good, folder / "notes", peace)
    finally:
        shutil.rmtree(good)
    return tried if again.outcome == outcomes.RECOVERED else again


def _used(folder: Path) -> int:
    """Returns the bytes that a folder takes in pages."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // PAGE) * PAGE for size in sizes) + PAGE


@contextlib.contextmanager
def _small(place: Path, size: int) -> Iterator[bool]:
    """Mounts a file system of a few bytes, if that is allowed here."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
