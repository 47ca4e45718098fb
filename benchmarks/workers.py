"""Contenders in processes of their own, timed in turns.

Programs that share a process share its heap, in which a small one meets what a large one left, and PyTorch's threads go
on spinning after their work. A training has its process to itself; so has each contender here.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from benchmarks import timing

# Threads that wait must not spin while others are timed.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


class Worker:
    """A process that makes a call whenever it is asked, and says how long it took.

    Args:
      process: started with pipes for input and output.
      name: of what it runs, for errors.

    Attributes:
      facts: what it said of itself when it was ready.
    """

    def __init__(self, process: subprocess.Popen[str], name: str):
        self._process, self._name = process, name
        self.facts = self._answer()

    def time(self, settle: float) -> dict[str, float]:
        """Makes calls for so many seconds, then one that is timed: seconds on the wall, and of the processor."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            print(settle, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self._name} ended; see what it said above")
        return json.loads(line)


@contextlib.contextmanager
def apart(module: str, *arguments: str) -> Iterator[Worker]:
    """Starts `python -m module arguments`, which has to `serve`, and waits until it is ready.

    Args:
      module: of this folder.
      arguments: of its command line.

    Yields:
      The worker.
    """
    with _started(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments], Path(__file__).parents[1], module
    ) as worker:
        yield worker


@contextlib.contextmanager
def apart_in(folder: Path, script: str, *arguments: str) -> Iterator[Worker]:
    """Starts a script by its path in another folder, whose packages it imports; it has to `serve`.

    Args:
      folder: a checkout.
      script: path of the script.
      arguments: of its command line.

    Yields:
      The worker.
    """
    with _started([sys.executable, script, *arguments], folder, Path(script).stem) as worker:
        yield worker


@contextlib.contextmanager
def _started(command: list[str], folder: Path, name: str) -> Iterator[Worker]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | QUIET, cwd=folder, **pipes) as process:
        try:
            yield Worker(process, name)
        finally:
            process.kill()


def serve(call: Callable[[], Any], facts: dict[str, Any]) -> None:
    """Answers on the standard output, until nothing more is asked on the input."""
    jax.block_until_ready(call())
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        settled = time.perf_counter() + float(line)
        while time.perf_counter() < settled:
            jax.block_until_ready(call())
        begin, spent = time.perf_counter(), time.process_time()
        jax.block_until_ready(call())
        answer = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - spent}
        print(json.dumps(answer), flush=True)


def take_turns(workers: dict[str, Worker], repeats: int, settle: float) -> dict[str, timing.Turns]:
    """Times all workers in turn.

    Args:
      workers: by name.
      repeats: number of turns.
      settle: seconds of untimed calls before each timed one.

    Returns:
      By name, the seconds of every turn.
    """
    turns = [{name: worker.time(settle) for name, worker in workers.items()} for _ in range(repeats)]
    return {name: timing.Turns(*([turn[name][of] for turn in turns] for of in ("wall", "cpu"))) for name in workers}
