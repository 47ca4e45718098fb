"""Kills commands at random moments, and runs each again: as if nothing had happened."""

import random
import shutil
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.faults import children, commands, outcomes

NAMES = tuple(commands.COMMANDS)
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# What `cli.main.EXIT_CODES` says of a stopped command, also if it was done before.
STOPPED = {signal.SIGTERM: (0, 143), signal.SIGINT: (0, 130)}


def attempts(
    name: str, seed: int, first: int, count: int, folder: Path
) -> Iterator[outcomes.Tried]:
    """Kills a command, and judges what it left and what the next run makes of it.

    Half of the signals come just before a change of a file, the others after a random time.

    Args:
        name: Name of a command.
        seed: Seed of signals and moments.
        first: Number of the first kill.
        count: Number of kills.
        folder: Folder for the files.

    Yields:
        The outcome of each kill.
    """
    peace = children.peace(name)
    for number in range(first, first + count):
        rng = random.Random(f"{name} {seed} {number}")
        sent, place = rng.choice(SIGNALS), folder / f"{number}"
        shutil.copytree(peace.before, place)
        if number % 2 and peace.events:
            at = rng.randint(1, peace.events)
            ended = children.finish(name, place, folder / "notes", children.SignalAtEvent(sent, at))
            moment = f"change {at}"
        else:
            moment, ended = _after_a_time(name, place, folder / "notes", sent, rng, peace)
        tried = judge_end(ended, sent)
        if tried.outcome == outcomes.SENTENCE:
            tried = again(name, place, folder / "notes", peace)
        yield tried._replace(detail=f"{sent.name} at {moment}: {tried.detail}")
        shutil.rmtree(place)


def _after_a_time(
    name: str,
    place: Path,
    notes: Path,
    sent: signal.Signals,
    rng: random.Random,
    peace: children.Peace,
) -> tuple[str, children.Ended]:
    wait = rng.uniform(0.05, 1) * peace.seconds
    child = children.Child(name, place, notes)
    time.sleep(wait)
    child.kill(sent)
    return f"{wait:.2f} s", child.wait()


def judge_end(ended: children.Ended, sent: signal.Signals) -> outcomes.Tried:
    """Judges how a command ended that got a signal."""
    if ended.outside:
        return outcomes.Tried(outcomes.OUTSIDE, ended.outside[:300])
    allowed = STOPPED.get(sent, (0, -sent))
    # Before the command begins, a signal ends it as it ends any process.
    has_begun = sent == signal.SIGKILL or bool(ended.output)
    return outcomes.of_output(
        ended.status, ended.output, allowed if has_begun else (*allowed, -sent)
    )


def again(name: str, place: Path, notes: Path, peace: children.Peace) -> outcomes.Tried:
    """Checks what a disturbed command left, runs it again, and compares with the peaceful one."""
    command = commands.COMMANDS[name]
    try:
        # A side file that a kill left behind is replaced with a warning: a word, not a loss. Tests
        # turn warnings into errors.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            command.check(place)
    except Exception as error:
        return outcomes.Tried(outcomes.LOST, f"{type(error).__name__}: {error}")
    ended = children.finish(name, place, notes)
    if ended.status:
        return outcomes.of_output(ended.status, ended.output, (1,))
    found = outcomes.fingerprint(command.content(place))
    if found != peace.content:
        return outcomes.Tried(outcomes.SILENT, "the next run gives other content")
    if left := children.names_in(place) - peace.names:
        return outcomes.Tried(outcomes.LOST, f"leftovers stay: {sorted(left)[:5]}")
    return outcomes.Tried(outcomes.RECOVERED)
