"""Worker that trains one model on one or two devices, in one or two processes.

Run as `python -m benchmarks.scaling_worker SPREAD SEEDS MICRO_BATCHES ROWS LAYERS UPDATES`;
`benchmarks.scaling` starts it. The first of two processes starts the second one itself, and wakes
it before each of its own calls, so that both make the same calls.
"""

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax

from benchmarks import timed_models, workers
from jax_s4rl.agents import decision_transformer
from jax_s4rl.data import regimes, windows
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups
from jax_s4rl.training import distributed, optimizer, update

CONTEXT = 32


class Spread(NamedTuple):
    """How a training is spread over a machine.

    Attributes:
        devices: Number of devices in each process.
        processes: Number of processes.
        cores: Number of processor cores of each process.
    """

    devices: int
    processes: int
    cores: int

    @property
    def all_cores(self) -> int:
        """Number of processor cores of all processes."""
        return self.processes * self.cores


ONE_CORE, TWO_CORES = "one device, one core", "one device, two cores"
SPREADS = {
    ONE_CORE: Spread(1, 1, 1),
    TWO_CORES: Spread(1, 1, 2),
    "two devices, two cores": Spread(2, 1, 2),
    "two processes, one core each": Spread(1, 2, 1),
}


class Job(NamedTuple):
    """One training to be timed.

    Attributes:
        spread: Name of a spread, one of `SPREADS`.
        seeds: Number of models in one program.
        micro_batches: Number of parts in which a device takes its rows.
        rows: Number of rows of a batch of one seed, over all devices.
        layers: Number of blocks.
        updates: Number of updates of a call.
    """

    spread: str
    seeds: int
    micro_batches: int
    rows: int = 64
    layers: int = 3
    updates: int = 2

    @classmethod
    def parse(cls, words: list[str]) -> "Job":
        """Reads a job from the words of a command line."""
        return cls(words[0], *map(int, words[1:]))

    @property
    def words(self) -> list[str]:
        """Words of the command line."""
        return [str(value) for value in self]


def settle_in(spread: Spread, number: int) -> None:
    """Gives this process its cores and its devices; call it before JAX uses a device.

    Args:
        spread: How the training is spread.
        number: Number of this process.

    Raises:
        SystemExit: If the machine has too few cores.
    """
    flag = f"--xla_force_host_platform_device_count={spread.devices}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    first = number * spread.cores
    own = cores[first : first + spread.cores]
    if len(own) < spread.cores:
        raise SystemExit(
            f"error: got {len(cores)} processor cores, wanted {spread.all_cores}; "
            "use a machine with more, or lift the limit of this process"
        )
    os.sched_setaffinity(0, own)


def prepare(job: Job) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Compiles a call of some updates on all devices of all processes.

    Args:
        job: Training to be timed.

    Returns:
        A call that makes the updates, and facts for the result row.
    """
    config = timed_models.configure("s4d", "concatenated", CONTEXT)
    model = dataclasses.replace(config.model, num_layers=job.layers)
    config = dataclasses.replace(config, model=model)
    record = timed_models.record(CONTEXT)
    boxed = network.init(config, jax.random.key(0))
    params = groups.strip(boxed)
    descent = optimizer.make(optimizer.OptimizerConfig(), groups.labels(boxed), 10_000)
    run: Any = update.make(
        decision_transformer.loss_function(config),
        regimes.make("windows", record, context_length=CONTEXT),
        descent,
        batch_size=job.rows,
        updates_per_dispatch=job.updates,
        num_seeds=job.seeds,
        num_micro_batches=job.micro_batches,
    )
    states = [update.init(params, descent, jax.random.key(seed)) for seed in range(job.seeds)]
    # The update donates its states, so each call stores the next ones here.
    held = [update.place(states)]
    store = update.replicate(windows.make_store(record))
    began = time.perf_counter()
    compiled = run.lower(held[0], store).compile()
    seconds, analysis = time.perf_counter() - began, compiled.memory_analysis()
    facts = {
        "parameters": network.num_parameters(params),
        "compile": seconds,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "temporary_mib": None if analysis is None else analysis.temp_size_in_bytes / 2**20,
    }

    # A program that was compiled beforehand takes the arrays of all processes, which none has; so
    # with two processes the function compiles once more, in the call that warms up.
    step = compiled if jax.process_count() == 1 else run

    def call() -> Any:
        held[0], metrics = step(held[0], store)
        return metrics

    return call, facts


def lead(job: Job) -> None:
    """Serves a job, with the other process if there is one.

    Args:
        job: Training to be timed.
    """
    spread = SPREADS[job.spread]
    if spread.processes == 1:
        settle_in(spread, 0)
        workers.serve(*prepare(job))
        return
    address = f"127.0.0.1:{_free_port()}"
    _keep_answers_apart()
    # The other process is started first: it would inherit the cores of this one.
    with follower(job, address) as wake:
        settle_in(spread, 0)
        with distributed.joined(_cluster(address, 0), _to_stderr):
            call, facts = prepare(job)

            def together() -> Any:
                wake()
                return call()

            workers.serve(together, facts)


@contextlib.contextmanager
def follower(job: Job, address: str) -> Iterator[Callable[[], None]]:
    """Starts the second process.

    Args:
        job: Training to be timed.
        address: Address at which both processes meet.

    Yields:
        A function that makes the other process call once.
    """
    command = [sys.executable, "-m", "benchmarks.scaling_worker", *job.words, address]
    # Standard output belongs to the answers of the first process.
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdin is not None
        pipe = process.stdin
        try:
            yield lambda: print(file=pipe, flush=True)
        finally:
            process.kill()


def follow(job: Job, address: str, requests: Iterable[str]) -> None:
    """Makes a call for each request, until the first process ends.

    Args:
        job: Training to be timed.
        address: Address at which both processes meet.
        requests: Lines that the first process sends.
    """
    settle_in(SPREADS[job.spread], 1)
    with distributed.joined(_cluster(address, 1), _to_stderr):
        call, _ = prepare(job)
        for number, _ in enumerate(requests):
            jax.block_until_ready(call())
            if number == 0:
                # From here on, this process may end only because the first one has ended.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        # At once: the first process is gone, and nobody would answer a farewell.
        os._exit(0)


def _keep_answers_apart() -> None:
    """Sends what libraries print to standard error: Gloo says on standard output that it is ready.

    What Python prints still goes to standard output, whose reader expects answers alone.
    """
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


def _cluster(address: str, number: int) -> distributed.Cluster:
    return distributed.Cluster(coordinator=address, num_processes=2, process_id=number)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(words: list[str]) -> None:
    """Serves the job of a command line; with an address at its end, as the second process."""
    count = len(Job._fields)
    job = Job.parse(words[:count])
    if words[count:]:
        follow(job, words[count], sys.stdin)
    else:
        lead(job)


if __name__ == "__main__":
    main(sys.argv[1:])
