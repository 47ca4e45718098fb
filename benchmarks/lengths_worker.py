"""Worker that trains one model of `benchmarks.lengths`, one dispatch of updates per request.

Run as `python -m benchmarks.lengths_worker METHOD TOKENS LENGTH UPDATES`; `benchmarks.lengths`
starts it. A model that takes too much memory or time ends with a line of facts whose `skipped` says
so, and serves no request.
"""

import contextlib
import dataclasses
import functools
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from benchmarks import timed_models, training_worker, workers
from jax_s4rl.models import presets
from jax_s4rl.modules import mixers

WINDOWED, WINDOW = "attention/window", 256
"""Name of the method, and number of tokens that a token attends to in it."""
DROPOUT = 0.1
"""Share of dropped features, as in `presets.paper` and in published decision transformers."""
SHORT, SHORT_ROWS = 100, 64
"""Contexts shorter than this number of steps have this number of rows in a batch."""

TEMPORARY_MIB = 12 * 2**10
"""Temporaries of a program, in MiB, above which it is not run."""
SPARE_MIB = 512
"""Memory that has to stay free when a program runs, in MiB."""
UPDATE_SECONDS = 60.0
"""Longest time of one update."""
PREPARE_SECONDS = 300.0
"""Longest time to compile."""


class TooMuchError(Exception):
    """Error for a model that is not trained at this length; its text is the reason."""


def make(method: str, layout: str, length: int) -> timed_models.TimedModel:
    """Makes the model of a method for one length.

    It is that of `timed_models`, but with dropout, and with a batch of 4,096 steps (64 rows below
    100 steps). `s4d/matched` is attention with its mixer replaced and a narrower or wider
    feed-forward part: it keeps attention's table of time steps, which grows with the length.

    Args:
        method: Name of the method: a mixer, `timed_models.MATCHED`, or `WINDOWED`.
        layout: Token layout.
        length: Number of steps of context.

    Returns:
        The model with the number of rows of its batches.
    """
    base = {WINDOWED: "attention", timed_models.MATCHED: "attention"}.get(method, method)
    config = timed_models.configure(base, layout, length)
    if method == timed_models.MATCHED:
        own = mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE)
        config = presets.match_parameters(config, own)
    model = dataclasses.replace(config.model, dropout=DROPOUT)
    if method == WINDOWED:
        model = dataclasses.replace(model, mixer=dataclasses.replace(model.mixer, window=WINDOW))
    rows = SHORT_ROWS if length < SHORT else timed_models.batch_size(length)
    return timed_models.TimedModel(method, dataclasses.replace(config, model=model), rows)


def peak_mib() -> float:
    """Returns the largest memory that this process had so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage reports on Linux is at least the memory of the process that started this
        # one; the peak in the status is that of this program alone.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def free_mib(path: Path = Path("/proc/meminfo")) -> float:
    """Returns the memory of the machine that programs can still take, in MiB.

    Args:
        path: File in which Linux says so; without it there is no limit.
    """
    lines = path.read_text().splitlines() if path.exists() else ()
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) / 2**10 if found else float("inf")


def check_memory(temporary_mib: float | None, free: float) -> None:
    """Checks that a program can run.

    Args:
        temporary_mib: Temporaries of the program, in MiB; None if XLA does not report them.
        free: Free memory of the machine, in MiB.

    Raises:
        TooMuchError: If the temporaries are above `TEMPORARY_MIB` or do not fit.
    """
    needed = temporary_mib or 0.0
    if needed > TEMPORARY_MIB:
        raise TooMuchError(f"needs {needed:,.0f} MiB of temporaries, limit {TEMPORARY_MIB:,}")
    if needed + SPARE_MIB > free:
        raise TooMuchError(f"needs {needed:,.0f} MiB of temporaries, {free:,.0f} MiB are free")


def main(method: str, layout: str, length: int, updates_per_dispatch: int) -> None:
    """Serves one model, or says why not.

    Args:
        method: Name of the method in result rows.
        layout: Token layout.
        length: Number of steps of context.
        updates_per_dispatch: Number of updates in one dispatch.
    """
    facts: dict[str, Any] = {}
    try:
        with _refusing_too_much():
            give_up = functools.partial(
                _end, facts, f"compiling takes more than {PREPARE_SECONDS:.0f} s"
            )
            with within(PREPARE_SECONDS, give_up):
                call, found = training_worker.prepare(
                    make(method, layout, length), updates_per_dispatch
                )
            facts |= found | {"prepared_mib": peak_mib()}
            check_memory(facts["temporary_mib"], free_mib())
            workers.serve(watched(call, facts, updates_per_dispatch), facts)
    except TooMuchError as error:
        _say(facts, str(error))


def watched(
    call: Callable[[], Any], facts: dict[str, Any], updates_per_dispatch: int
) -> Callable[[], Any]:
    """Limits the time of the first call, and notes its seconds and the memory after it.

    Args:
        call: Call that makes one dispatch.
        facts: Facts of the model; the first call adds `first`, the seconds of an update, and
            `peak_mib`.
        updates_per_dispatch: Number of updates in one dispatch.

    Returns:
        The same call; a first one that takes too long ends the process.
    """

    def first() -> Any:
        reason = f"an update takes more than {UPDATE_SECONDS:.0f} s"
        with within(UPDATE_SECONDS * updates_per_dispatch, lambda: _end(facts, reason)):
            began = time.perf_counter()
            result = jax.block_until_ready(call())
        facts["first"] = (time.perf_counter() - began) / updates_per_dispatch
        facts["peak_mib"] = peak_mib()
        return result

    waiting = [first]
    return lambda: (waiting.pop() if waiting else call)()


@contextlib.contextmanager
def within(seconds: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Calls a function from another thread if the block takes too long.

    Args:
        seconds: Longest time of the block.
        give_up: Function that is called then.

    Yields:
        Nothing.
    """
    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _refusing_too_much() -> Iterator[None]:
    """Turns a failure of the memory into a reason."""
    try:
        yield
    except MemoryError:
        raise TooMuchError("ran out of memory") from None
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
            raise
        raise TooMuchError("ran out of memory") from None


def _say(facts: dict[str, Any], reason: str) -> None:
    print(json.dumps(facts | {"skipped": reason}), flush=True)


def _end(facts: dict[str, Any], reason: str) -> None:
    """Ends the process from another thread, while XLA computes in the main one."""
    _say(facts, reason)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
