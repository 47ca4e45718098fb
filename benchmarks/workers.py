"""Workers: models in their own processes, timed in turns.

Programs in one process share its heap, in which a small program meets the leftovers of a large one,
and the threads of PyTorch go on spinning after their work. A training has its own process; so has
each model that is timed here.
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

# Threads that wait must not spin while another process is timed.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


class Worker:
    """A process that makes a timed call per request and answers with the seconds.

    Args:
        process: Process with pipes for input and output.
        name: Name of its program, for errors.

    Attributes:
        facts: Facts about the program, sent when it was ready.

    Raises:
        SystemExit: If the process ended before it was ready.
    """

    def __init__(self, process: subprocess.Popen[str], name: str):
        self._process, self._name = process, name
        self.facts = self._answer()

    def time(self, settle: float) -> dict[str, float]:
        """Requests untimed calls for a while, then one timed call.

        Args:
            settle: Seconds of untimed calls.

        Returns:
            Wall-clock seconds, `wall`, and processor seconds, `cpu`, of the timed call.

        Raises:
            SystemExit: If the process ended.
        """
        assert self._process.stdin is not None
        # If the process has ended, `_answer` reports it.
        with contextlib.suppress(BrokenPipeError):
            print(settle, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self._name} ended; see its output above")
        return json.loads(line)


@contextlib.contextmanager
def apart(module: str, *arguments: str) -> Iterator[Worker]:
    """Starts `python -m benchmarks.MODULE ARGUMENTS`, which must call `serve`.

    Waits until it is ready.

    Args:
        module: Name of a module of this folder.
        *arguments: Arguments of its command line.

    Yields:
        The worker.

    Raises:
        SystemExit: If the process ended before it was ready.
    """
    with _started(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        Path(__file__).parents[1],
        module,
    ) as worker:
        yield worker


@contextlib.contextmanager
def apart_in(folder: Path, script: str, *arguments: str) -> Iterator[Worker]:
    """Starts a script, which must call `serve`, by its path in another folder.

    The script imports the packages of that folder.

    Args:
        folder: Folder of a checkout.
        script: Path of the script.
        *arguments: Arguments of its command line.

    Yields:
        The worker.

    Raises:
        SystemExit: If the process ended before it was ready.
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
    """Answers requests of the standard input on the standard output, until the input ends.

    The first line has the facts. Each request is a number of seconds of untimed calls; its answer
    has the seconds of the timed call that follows.

    Args:
        call: Call that is timed.
        facts: Facts about the program.
    """
    # The first call warms up.
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
    """Times all workers in turns.

    Args:
        workers: Workers by name.
        repeats: Number of turns.
        settle: Seconds of untimed calls before each timed one.

    Returns:
        By name, the seconds of every turn.

    Raises:
        SystemExit: If a process ended.
    """
    turns = [
        {name: worker.time(settle) for name, worker in workers.items()} for _ in range(repeats)
    ]
    return {
        name: timing.Turns(*([turn[name][of] for turn in turns] for of in ("wall", "cpu")))
        for name in workers
    }
