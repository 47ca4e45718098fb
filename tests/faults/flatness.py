"""Measures whether memory and open files of a process stay flat."""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

MEBIBYTE = 2**20
# Share of the samples at the start that do not count: caches fill, programs are compiled.
WARM_UP = 0.1
# Fewest samples that give a slope.
FEWEST = 20
# Samples that a row keeps, so that others can compute the slope again.
KEPT = 200


class Sample(NamedTuple):
    """What a process holds at one moment.

    Attributes:
        at: Time or progress.
        memory: Resident memory in MiB.
        files: Number of open files and sockets.
    """

    at: float
    memory: float
    files: int


def sample(at: float) -> Sample:
    """Measures this process, on Linux.

    Args:
        at: Time or progress to note.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    # Listing the folder opens a file itself.
    files = len(os.listdir("/proc/self/fd")) - 1
    return Sample(round(at, 4), round(pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE, 2), files)


def describe(samples: list[Sample]) -> dict[str, Any]:
    """Computes how memory and files change, after the start.

    Args:
        samples: At least `FEWEST` samples, in their order.

    Returns:
        Slope of the memory in MiB for one unit of `at`, with its interval of 95 % (Theil and Sen;
        the median of the slopes between all pairs, which a single jump does not move), memory and
        files after the start and at the end, and samples at equal distances.

    Raises:
        ValueError: If there are fewer.
    """
    if len(samples) < FEWEST:
        raise ValueError(f"got {len(samples)} samples, wanted at least {FEWEST}; run for longer")
    steady = samples[int(WARM_UP * len(samples)) :]
    at, memory, files = (np.array(values) for values in zip(*steady, strict=True))
    slope = stats.theilslopes(memory, at)
    every = max(1, len(samples) // KEPT)
    return {
        "slope": float(slope.slope),
        "slope_interval": [float(slope.low_slope), float(slope.high_slope)],
        "memory": [float(memory[0]), float(memory[-1])],
        "memory_range": [float(memory.min()), float(memory.max())],
        "files_range": [int(files.min()), int(files.max())],
        # With the last one, whose time is the length of the run.
        "samples": [list(one) for one in [*samples[:-1:every], samples[-1]]],
    }


def clock() -> float:
    """Returns the hours of a clock that never goes back."""
    return time.monotonic() / 3600
