"""Damages files, and loads them: the same content, or one sentence."""

import contextlib
import io
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.faults import files, mutations, outcomes, watch

NAMES = tuple(files.TARGETS)


def attempts(
    name: str, seed: int, first: int, count: int, folder: Path
) -> Iterator[outcomes.Tried]:
    """Damages the files of a target, one at a time, and judges what loading makes of them.

    Args:
        name: Name of a target.
        seed: Seed of the mutations.
        first: Number of the first mutation.
        count: Number of mutations.
        folder: Folder for the files.

    Yields:
        The outcome of each mutation.
    """
    target = files.TARGETS[name]
    whole, now = folder / "whole", folder / "now"
    _make(target, whole)
    _copy(whole, now)
    right = outcomes.fingerprint(target.load(now, str))
    earlier = {outcomes.fingerprint(one) for one in target.earlier(whole)}
    damaged = [path.relative_to(whole) for path in sorted(whole.glob(target.files))]
    damaged = [path for path in damaged if (whole / path).is_file() and (whole / path).read_bytes()]
    each = [
        mutations.mutations((whole / path).read_bytes(), target.kind, seed, first + count)
        for path in damaged
    ]
    # The files in turn, each with the next of its own mutations.
    turns = ((path, *next(ways)) for path, ways in itertools.cycle(zip(damaged, each, strict=True)))
    for path, way, content in itertools.islice(turns, first, first + count):
        _copy(whole, now)
        target.install(now / path, content)
        with watch.watched(now) as seen:
            tried = _load(target, now, right, earlier)
        if seen:
            tried = outcomes.Tried(outcomes.OUTSIDE, seen[0])
        elif target.install is Path.write_bytes and (gone := _gone(whole, now, path)):
            tried = outcomes.Tried(outcomes.LOST, str(gone))
        yield tried._replace(detail=f"{path}: {way}: {tried.detail}")


def _load(target: files.Target, folder: Path, right: str, earlier: set[str]) -> outcomes.Tried:
    reports: list[str] = []
    try:
        with (
            warnings.catch_warnings(record=True) as warned,
            contextlib.redirect_stderr(io.StringIO()) as printed,
        ):
            warnings.simplefilter("always")
            found = outcomes.fingerprint(target.load(folder, reports.append))
    except Exception as error:
        return outcomes.of_error(error)
    if "Traceback" in printed.getvalue():
        return outcomes.Tried(outcomes.TRACEBACK, printed.getvalue()[-300:])
    if found == right:
        return outcomes.Tried(outcomes.RECOVERED)
    said = [*reports, *(str(one.message) for one in warned)]
    if said and (found in earlier or not target.is_sealed):
        return outcomes.Tried(outcomes.SENTENCE, said[0])
    return outcomes.Tried(outcomes.READ if not target.is_sealed else outcomes.SILENT)


def _make(target: files.Target, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    target.make(folder)


def _copy(whole: Path, now: Path) -> None:
    shutil.rmtree(now, ignore_errors=True)
    shutil.copytree(whole, now)


def _gone(whole: Path, now: Path, damaged: Path) -> Path | None:
    """Finds a file that was whole before and is neither here any more, nor moved aside."""
    left = {path.read_bytes() for path in now.rglob("*") if path.is_file()}
    # A lock is written by whoever has it, and a side file is a copy.
    for path in sorted(whole.rglob("*")):
        is_copy = path.name == "lock" or path == whole / "one.json"
        if (
            path.is_file()
            and path != whole / damaged
            and not is_copy
            and path.read_bytes() not in left
        ):
            return path.relative_to(whole)
    return None


def few(name: str, count: int, seed: int = 0) -> list[outcomes.Tried]:
    """Tries a few mutations in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return list(attempts(name, seed, 0, count, Path(folder)))
