"""Timing of one compiled JAX function: compile time apart, blocked until ready, memory from the compiled program."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


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


def measure(function: Callable[..., Any], arguments: tuple, limits: Limits) -> Measured:
    """Compile `function` for `arguments`, run it once to warm up, then `limits.repeats` times.

    Args:
        function: A pure JAX function.
        arguments: What it is called with.
        limits: Number of repeats, and the memory and time above which nothing is repeated.

    Returns:
        The result of the warm-up, seconds (compile, minimum, median) and MiB of temporaries.
    """
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    seconds = {"compile": time.perf_counter() - began}
    analysis = compiled.memory_analysis()
    temporary = None if analysis is None else analysis.temp_size_in_bytes / 2**20
    if temporary is not None and temporary > limits.temporary_mib:
        reason = f"needs {temporary:.0f} MiB of temporaries, limit {limits.temporary_mib:.0f}"
        return Measured(None, seconds, temporary, reason)
    began = time.perf_counter()
    result = jax.block_until_ready(compiled(*arguments))
    if (once := time.perf_counter() - began) > limits.seconds_per_run:
        return Measured(result, seconds, temporary, f"one run takes {once:.1f} s, limit {limits.seconds_per_run:.0f}")
    runs = []
    for _ in range(limits.repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        runs.append(time.perf_counter() - began)
    return Measured(result, seconds | {"minimum": min(runs), "median": statistics.median(runs)}, temporary)
