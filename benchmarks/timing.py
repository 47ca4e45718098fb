"""Timing of compiled JAX functions in turn: compile time apart, blocked until ready, memory as compiled."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

TUNABLE, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def with_huge_pages() -> None:
    """Start the script again with huge pages for `malloc`, where the C library has them.

    A fresh temporary is otherwise faulted in page by page in every run, which costs up to a third of the time and
    varies with what the machine did before: noise that has nothing to do with the functions compared.
    """
    if platform.libc_ver()[0] == "glibc" and TUNABLE not in os.environ:
        os.environ[TUNABLE] = HUGE_PAGES
        os.execv(sys.executable, sys.orig_argv)


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


Work = tuple[Callable[..., Any], tuple]


def measure(works: dict[str, Work], limits: Limits) -> dict[str, Measured]:
    """Compile every function for its arguments, run it once to warm up, then all in turn `limits.repeats` times.

    Taking turns keeps ratios true where a machine is faster in one minute than in the next.

    Args:
        works: By name, a pure JAX function and what it is called with.
        limits: Number of repeats, and the memory and time above which nothing is repeated.

    Returns:
        By name, the result, the seconds (compile, minimum, median) and MiB of temporaries.
    """
    compiled, first = {}, {}
    for name, (function, arguments) in works.items():
        compiled[name], first[name] = _begin(function, arguments, limits)
    runs: dict[str, list[float]] = {name: [] for name in works if first[name].skipped is None}
    for _ in range(limits.repeats):
        for name in runs:
            began = time.perf_counter()
            jax.block_until_ready(compiled[name](*works[name][1]))
            runs[name].append(time.perf_counter() - began)
    for name, times in runs.items():
        seconds = first[name].seconds | {"minimum": min(times), "median": statistics.median(times)}
        first[name] = first[name]._replace(seconds=seconds)
    return first


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
