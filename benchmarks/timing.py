"""Timing of compiled JAX functions in turn: compile time apart, blocked until ready, memory as compiled."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from jax_s4rl import stack

TUNABLE, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def with_huge_pages() -> None:
    """Start the script again with huge pages for `malloc`, where the C library has them.

    A fresh temporary is otherwise faulted in page by page in every run, which costs up to a third of the time and
    varies with what the machine did before: noise that has nothing to do with the functions compared.
    """
    if platform.libc_ver()[0] == "glibc" and TUNABLE not in os.environ:
        os.environ[TUNABLE] = HUGE_PAGES
        os.execv(sys.executable, sys.orig_argv)


def has_huge_pages() -> bool:
    """Whether this process has them."""
    return os.environ.get(TUNABLE) == HUGE_PAGES


class Limits(NamedTuple):
    """What is measured, and what is too large to be."""

    repeats: int = 10
    temporary_mib: float = 2048.0
    seconds_per_run: float = 3.0


class Measured(NamedTuple):
    """Seconds and memory of one function; `skipped` says why it was not run, and then there is no result."""

    result: Any
    seconds: dict[str, float]
    temporary_mib: float | None
    skipped: str | None = None


class Turns(NamedTuple):
    """Seconds of one function, turn by turn.

    Attributes:
        wall: On the wall.
        cpu: Processor time of all threads.
    """

    wall: list[float]
    cpu: list[float]

    def split(self, parts: int) -> "Turns":
        """The same of one of so many equal parts of a call, to a tenth of a microsecond."""
        return Turns(*([round(value / parts, 7) for value in times] for times in self))

    @property
    def seconds(self) -> dict[str, float]:
        """On the wall minimum and median, and `cpu`, the median of the processor time."""
        return {
            "minimum": min(self.wall),
            "median": statistics.median(self.wall),
            "cpu": statistics.median(self.cpu),
        }


Work = tuple[Callable[..., Any], tuple]


def measure(works: dict[str, Work], limits: Limits) -> dict[str, Measured]:
    """Compile every function for its arguments, run it once to warm up, then all in turn `limits.repeats` times.

    Args:
        works: By name, a pure JAX function and what it is called with.
        limits: Number of repeats, and the memory and time above which nothing is repeated.

    Returns:
        By name, the result, the seconds (compile, minimum, median) and MiB of temporaries.

    Raises:
        ValueError: The installed JAX must not be used (see `jax_s4rl.stack`).
    """
    stack.require()
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
    """Call all functions in turn, `repeats` times; each has been called before.

    Taking turns keeps ratios true where a machine is faster in one minute than in the next.

    Args:
        calls: By name, what is called; its result is waited for.
        repeats: Number of turns.

    Returns:
        By name, the seconds of every turn.
    """
    found = {name: Turns([], []) for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begin, spent = time.perf_counter(), time.process_time()
            jax.block_until_ready(call())
            found[name].wall.append(time.perf_counter() - begin)
            found[name].cpu.append(time.process_time() - spent)
    return found


def _begin(function: Callable[..., Any], arguments: tuple, limits: Limits) -> tuple[Any, Measured]:
    """Compile, and run once unless it needs too much memory."""
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
