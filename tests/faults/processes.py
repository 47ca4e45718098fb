"""Two processes at once: both write into one folder, or both train and one of them dies."""

import functools
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import children, commands, kills, outcomes
from tests.training import ports

DIES = "one of two processes that train dies"
WRITERS = {f"two writers: {name}": name for name in commands.COMMANDS}
NAMES = (*WRITERS, DIES)
# Longest time that a process may go on after the other one has died, in seconds.
A_MINUTE = 60


def attempts(
    name: str, seed: int, first: int, count: int, folder: Path
) -> Iterator[outcomes.Tried]:
    """Runs two processes that disturb each other, and judges both and the next run.

    Args:
        name: Two writers of a command, or a death.
        seed: Seed of the moments.
        first: Number of the first try.
        count: Number of tries.
        folder: Folder for the files.

    Yields:
        The outcome of each try.
    """
    for number in range(first, first + count):
        rng = random.Random(f"{name} {seed} {number}")
        place = folder / f"{number}"
        if name == DIES:
            yield _one_dies(place, folder, rng)
        else:
            yield _two_writers(WRITERS[name], place, folder, rng)
        shutil.rmtree(place)


def _two_writers(name: str, place: Path, folder: Path, rng: random.Random) -> outcomes.Tried:
    peace = children.peace(name)
    shutil.copytree(peace.before, place)
    first = children.Child(name, place, folder / "first")
    time.sleep(rng.uniform(0, peace.seconds))
    second = children.Child(name, place, folder / "second")
    said = []
    for ended in (first.wait(), second.wait()):
        if ended.outside:
            return outcomes.Tried(outcomes.OUTSIDE, ended.outside[:300])
        tried = outcomes.of_output(ended.status, ended.output, (0, 1))
        if tried.outcome != outcomes.SENTENCE:
            return tried
        said += [tried.detail] if ended.status else []
    tried = kills.again(name, place, folder / "again", peace)
    is_refused = said and tried.outcome == outcomes.RECOVERED
    return outcomes.Tried(outcomes.SENTENCE, said[0]) if is_refused else tried


def _start_pair(place: Path, notes: Path) -> list[children.Child]:
    port = ports.free()
    return [
        children.Child("training", place, notes / f"{n}", children.JoinCluster(port, n))
        for n in range(2)
    ]


@functools.cache
def _pair_in_peace() -> tuple[str, float]:
    """Trains with two processes; returns the content, and the seconds that it took."""
    place = children.root() / "pair"
    shutil.copytree(children.peace("training").before, place)
    ended = [one.wait() for one in _start_pair(place, children.root() / "pair-notes")]
    if any(one.status for one in ended):
        raise RuntimeError(f"two processes failed in peace: {ended}")
    return outcomes.fingerprint(commands.COMMANDS["training"].content(place)), ended[0].seconds


def _one_dies(place: Path, folder: Path, rng: random.Random) -> outcomes.Tried:
    content, seconds = _pair_in_peace()
    shutil.copytree(children.peace("training").before, place)
    pair = _start_pair(place, folder / "pair")
    victim = rng.randrange(2)
    time.sleep(rng.uniform(0.1, 1) * seconds)
    begin = time.monotonic()
    pair[victim].kill(signal.SIGKILL)
    other = pair[1 - victim].wait()
    waited = time.monotonic() - begin
    pair[victim].wait()
    if "Traceback (most recent call last)" in other.output or waited > A_MINUTE:
        return outcomes.Tried(outcomes.TRACEBACK, f"after {waited:.0f} s: {other.output[-500:]}")
    try:
        commands.COMMANDS["training"].check(place)
    except Exception as error:
        return outcomes.Tried(outcomes.LOST, str(error))
    ended = [one.wait() for one in _start_pair(place, folder / "pair")]
    if any(one.status for one in ended):
        return outcomes.Tried(outcomes.TRACEBACK, ended[0].output[-500:])
    found = outcomes.fingerprint(commands.COMMANDS["training"].content(place))
    if found != content:
        return outcomes.Tried(outcomes.SILENT, "the next run gives other content")
    return outcomes.Tried(outcomes.RECOVERED, f"the other one ended after {waited:.0f} s")
