"""Timing of compiled JAX functions in turns.

Compilation is timed apart, calls are blocked until ready, and memory is that of the compiled
program.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from jax_s4rl import self_test

TUNABLE, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def with_huge_pages() -> None:
    """Restarts the script with huge pages for `malloc`, if the C library has them.

    Without them the system faults in a fresh temporary page by page in every run. This costs up to
    a third of the time and depends on earlier work of the machine: noise that is unrelated to the
    functions compared.
    """
    if platform.libc_ver()[0] == "glibc" and TUNABLE not in os.environ:
        # The C library reads the tunable only at the start of a process.
        os.environ[TUNABLE] = HUGE_PAGES
        os.execv(sys.executable, sys.orig_argv)


def has_huge_pages() -> bool:
    """Returns whether this process has huge pages for `malloc`."""
    return os.environ.get(TUNABLE) == HUGE_PAGES


class Limits(NamedTuple):
    """Number of repeats, and limits above which a function is not repeated.

    Attributes:
        repeats: Number of timed runs of each function.
        temporary_mib: MiB of temporaries above which a function is not run.
        seconds_per_run: Seconds of one run above which a function is not repeated.
    """

    repeats: int = 10
    temporary_mib: float = 2048.0
    seconds_per_run: float = 3.0


class Measured(NamedTuple):
    """Seconds and memory of one function.

    Attributes:
        result: Result of the function; None if it was not run.
        seconds: Seconds to compile, and the minimum and median of all runs if it was repeated.
        temporary_mib: MiB of temporaries; None if XLA does not report them.
        skipped: Reason why the function was not run or not repeated, or None.
    """

    result: Any
    seconds: dict[str, float]
    temporary_mib: float | None
    skipped: str | None = None


class Turns(NamedTuple):
    """Seconds of one function, turn by turn.

    Attributes:
        wall: Wall-clock seconds.
        cpu: Processor seconds of all threads.
    """

    wall: list[float]
    cpu: list[float]

    def split(self, parts: int) -> "Turns":
        """Divides the seconds of a call among its equal parts, to a tenth of a microsecond.

        Args:
            parts: Number of equal parts of a call.

        Returns:
            Seconds of one part.
        """
        return Turns(*([round(value / parts, 7) for value in times] for times in self))

    @property
    def seconds(self) -> dict[str, float]:
        """Minimum and median of the wall-clock seconds; `cpu`, median of the processor seconds."""
        return {
            "minimum": min(self.wall),
            "median": statistics.median(self.wall),
            "cpu": statistics.median(self.cpu),
        }


Work = tuple[Callable[..., Any], tuple]


def measure(works: dict[str, Work], limits: Limits) -> dict[str, Measured]:
    """Compiles every function, runs it once to warm up, then times all in turns.

    Args:
        works: Pure JAX functions and their arguments, by name.
        limits: Number of repeats, and limits of memory and time above which nothing is repeated.

    Returns:
        By name, the result, the seconds (compile, minimum, median) and MiB of temporaries.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    compiled, first = {}, {}
    for name, (function, arguments) in works.items():
        compiled[name], first[name] = _begin(function, arguments, limits)
    calls = {
        name: partial(compiled[name], *arguments)
        for name, (_, arguments) in works.items()
        if first[name].skipped is None
    }
    for name, turns in take_turns(calls, limits.repeats).items():
        own = {key: turns.seconds[key] for key in ("minimum", "median")}
        first[name] = first[name]._replace(seconds=first[name].seconds | own)
    return first


def take_turns(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, Turns]:
    """Calls all functions in turn, `repeats` times; each has been called before.

    Turns keep ratios right if the speed of the machine changes from minute to minute.

    Args:
        calls: Functions by name; their results are waited for.
        repeats: Number of turns.

    Returns:
        By name, the seconds of every turn.
    """
    times = {name: Turns([], []) for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begin, spent = time.perf_counter(), time.process_time()
            # JAX returns before the work is done; the time must include it.
            jax.block_until_ready(call())
            times[name].wall.append(time.perf_counter() - begin)
            times[name].cpu.append(time.process_time() - spent)
    return times


def _begin(function: Callable[..., Any], arguments: tuple, limits: Limits) -> tuple[Any, Measured]:
    """Compiles a function, and runs it once unless it needs too much memory."""
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    seconds = {"compile": time.perf_counter() - began}
    analysis = compiled.memory_analysis()
    temporary = None if analysis is None else analysis.temp_size_in_bytes / 2**20
    if temporary is not None and temporary > limits.temporary_mib:
        reason = f"needs {temporary:.0f} MiB of temporaries, limit {limits.temporary_mib:.0f}"
        return compiled, Measured(None, seconds, temporary, reason)
    began = time.perf_counter()
    result = jax.block_until_ready(compiled(*arguments))
    if (once := time.perf_counter() - began) > limits.seconds_per_run:
        reason = f"one run takes {once:.1f} s, limit {limits.seconds_per_run:.0f}"
        return compiled, Measured(result, seconds, temporary, reason)
    return compiled, Measured(result, seconds, temporary)
