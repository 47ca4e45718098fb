"""Several processes that train one model together, on one machine or several.

JAX connects the processes, after they have met at the address of process 0. If one of them dies,
the others end.
"""

import contextlib
import dataclasses
import hashlib
import inspect
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import UInt8

from jax_s4rl.training import _flat_trees, _meeting

# Seconds without a sign of life after which a process counts as dead and the others end. JAX's own
# default is 100.
HEARTBEAT_TIMEOUT = 30
# Seconds in which JAX has to connect the processes. JAX itself would wait longer, and then abort.
_INITIALIZATION = 50.0
_PATIENCE_OF_JAX = 300

# Connections to the other processes of this run.
_links = _meeting.Links({})
# Held by the thread that ends the process, so that one sentence is printed.
_ending = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Processes that train together; by default, this process trains alone.

    Raises:
        ValueError: If the fields do not fit together.
    """

    detect: bool = False
    """Whether JAX finds the processes: under Slurm, on TPU pods, in Kubernetes, with Open MPI."""
    coordinator: str | None = None
    """Address and port of process 0, for instance 10.0.0.1:1234."""
    num_processes: int | None = None
    """Number of processes."""
    process_id: int | None = None
    """Number of this process, from 0."""

    def __post_init__(self) -> None:
        explicit = (self.coordinator, self.num_processes, self.process_id)
        given = [value for value in explicit if value is not None]
        if given and (self.detect or len(given) < len(explicit)):
            raise ValueError(
                f"got coordinator {self.coordinator}, num_processes {self.num_processes}, "
                f"process_id {self.process_id} and detect {self.detect}; give the first three "
                "together, or detect alone"
            )
        if self.coordinator is not None:
            host, _, port = self.coordinator.rpartition(":")
            if not (host and port.isdecimal() and 0 < int(port) < 2**16):
                raise ValueError(
                    f"coordinator is {self.coordinator!r}; give its port too, as in 10.0.0.1:1234"
                )
        if self.num_processes is not None and not 0 <= (self.process_id or 0) < self.num_processes:
            raise ValueError(
                f"process_id is {self.process_id} of {self.num_processes} processes; number them "
                "from 0"
            )

    @property
    def is_alone(self) -> bool:
        """Whether this process trains alone."""
        return not self.detect and self.coordinator is None


def _text_of(error: BaseException) -> str | None:
    return str(error) if isinstance(error, ValueError | FloatingPointError) else None


@contextlib.contextmanager
def joined(
    cluster: Cluster,
    report: Callable[[str], None] = print,
    describe: Callable[[BaseException], str | None] = _text_of,
) -> Iterator[None]:
    """Connects the processes, and disconnects all of them together at the end.

    Call it before anything uses a device of JAX. If a process dies, the others end, at once or
    within `HEARTBEAT_TIMEOUT` seconds. A process with an error ends at once, because the others
    would wait for it.

    Args:
        cluster: Processes to connect.
        report: Function that gets a sentence about this process.
        describe: Function that returns the sentence about an error; None for a mistake of the
            program.

    Yields:
        Nothing.

    Raises:
        ValueError: If JAX finds no cluster, or the processes do not meet within a minute.
    """
    if cluster.is_alone:
        yield
        return
    _initialize(cluster)
    report(
        f"process {jax.process_index()} of {jax.process_count()} ({socket.gethostname()}, "
        f"pid {os.getpid()}); if one dies, the others end within {HEARTBEAT_TIMEOUT} s, and the "
        "run can be resumed"
    )
    try:
        yield
    except BaseException as error:
        # A successful exit, for instance after SIGTERM: all processes arrive here together.
        if isinstance(error, SystemExit) and not error.code:
            _leave()
            raise
        _die(error, describe)
    _leave()


def part() -> None:
    """Disconnects the processes for good; each may go on computing on its own devices.

    All processes have to call it at the same point.
    """
    if jax.process_count() > 1:
        _leave()


def is_first() -> bool:
    """Returns whether this is process 0, which alone writes files and reports."""
    return jax.process_index() == 0


def any_of(flag: bool) -> bool:
    """Returns whether the flag is set in any process.

    All processes have to call it at the same point. So all of them stop after the same update, even
    if only one of them gets a signal.

    Args:
        flag: Flag of this process.

    Returns:
        The same value in all processes.
    """
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


@contextlib.contextmanager
def one_before_the_others() -> Iterator[None]:
    """Lets process 0 run the body before the others, so that they find its recordings or downloads.

    All processes have to call it at the same point.

    Yields:
        Nothing.
    """
    if jax.process_count() == 1:
        yield
        return
    # All processes meet at one barrier: the others before their body, process 0 after its own.
    if not is_first():
        multihost_utils.sync_global_devices("process 0 went first")
    yield
    if is_first():
        multihost_utils.sync_global_devices("process 0 went first")


def check_same(name: str, text: str) -> None:
    """Checks that all processes have the same text; either all of them fail or none.

    All processes have to call it at the same point.

    Args:
        name: Name of the text in the error.
        text: Text of this process.

    Raises:
        ValueError: If a process has another text than process 0.
    """
    if jax.process_count() == 1:
        return
    # Digests, because arrays to be gathered must have the same shape in all processes.
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    digests = np.asarray(multihost_utils.process_allgather(digest))
    differing = [
        number for number, other in enumerate(digests) if not np.array_equal(other, digests[0])
    ]
    if differing:
        raise ValueError(
            f"{name} of process {', '.join(map(str, differing))} differs from that of process 0; "
            "start all processes with the same command, the same code and the same data"
        )


def from_first(tree: Any, like: Any) -> Any:
    """Sends the tree of process 0 to all processes, bit for bit.

    Args:
        tree: Tree to send, in process 0; ignored in the others.
        like: Tree of the same structure, types and shapes, in every process.

    Returns:
        The tree of process 0, on the host.
    """
    if jax.process_count() == 1:
        return tree
    flat = _flat_trees.flatten(tree if is_first() else like)
    # As bytes: JAX sends an array by adding it to zeros, and minus zero plus zero is plus zero.
    sent = multihost_utils.broadcast_one_to_all(
        {name: _bytes(array) for name, array in flat.arrays.items()}
    )
    arrays = {
        name: np.asarray(sent[name]).view(array.dtype).reshape(array.shape)
        for name, array in flat.arrays.items()
    }
    return _flat_trees.unflatten(_flat_trees.FlatTree(arrays, flat.keys), like)


def _initialize(cluster: Cluster) -> None:
    global _links
    # It lets processes on CPUs communicate; other devices ignore it.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    options: dict[str, Any] = {"initialization_timeout": _PATIENCE_OF_JAX}
    # Older versions of JAX do not have this option.
    if "heartbeat_timeout_seconds" in inspect.signature(jax.distributed.initialize).parameters:
        options["heartbeat_timeout_seconds"] = HEARTBEAT_TIMEOUT
    if cluster.coordinator is not None:
        numbers = cluster.num_processes or 1, cluster.process_id or 0
        _links = _meeting.meet(cluster.coordinator, *numbers)
    address = cluster.coordinator or "the address that JAX found"
    missing = (
        f"the processes did not meet at {address} within {_INITIALIZATION:g} s; check that process "
        "0 runs on that machine, and that all processes were started, each with its own process_id"
    )
    with _ended_after(_INITIALIZATION, missing):
        try:
            jax.distributed.initialize(
                cluster.coordinator, cluster.num_processes, cluster.process_id, **options
            )
        except ValueError as error:
            raise ValueError(
                f"JAX found no cluster ({error}); give coordinator, num_processes and process_id, "
                "or start one process alone"
            ) from None
        except jax.errors.JaxRuntimeError as error:
            raise ValueError(f"{missing} ({error})") from None
    _links.watch(_end_with)


@contextlib.contextmanager
def _ended_after(seconds: float, sentence: str) -> Iterator[None]:
    """Ends the process if the body takes too long; JAX would abort it without a sentence."""
    timer = threading.Timer(seconds, _end, (f"error: {sentence}",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _leave() -> None:
    """Disconnects this process; all processes arrive here together."""
    _links.leave()
    jax.distributed.shutdown()


def _end_with(sentence: str) -> None:
    """Ends the process because another one died."""
    _end(f"error: {sentence}, so this process ends too; read its messages, and resume the run")


def _end(text: str) -> None:
    """Prints a sentence and ends the process at once."""
    if not _ending.acquire(blocking=False):
        # Another thread does so.
        time.sleep(HEARTBEAT_TIMEOUT)
    print(text, file=sys.stderr, flush=True)
    # `os._exit`, not `sys.exit`: it runs no exit handlers, which could wait for the other processes
    # while these wait for this one. It does not flush either, so that is done here.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(1)


def _die(error: BaseException, describe: Callable[[BaseException], str | None]) -> None:
    """Reports an error and ends the process at once."""
    if isinstance(error, jax.errors.JaxRuntimeError):
        # Most likely another process died, and the watch says which one.
        time.sleep(1)
        text = (
            "error: a computation shared with others failed; another process of this run may have "
            f"died ({error}); read its messages, and resume the run"
        )
    elif isinstance(error, SystemExit):
        text = str(error.code)
    elif isinstance(error, KeyboardInterrupt):
        text = str(error or "stopped by Ctrl-C")
    elif (said := describe(error)) is not None:
        text = f"error: {said}"
    else:
        text = "".join(traceback.format_exception(error)).rstrip()
    _links.end(f"process {jax.process_index()} ended with an error")
    _end(text)


def _bytes(array: np.ndarray) -> UInt8[np.ndarray, " bytes"]:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
