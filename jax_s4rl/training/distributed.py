"""Several processes that train one model together, on one machine or many: JAX finds them and ends them together."""

import contextlib
import dataclasses
import hashlib
import inspect
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import UInt8

from jax_s4rl.training import _flat_trees

# Seconds of silence after which a process is taken for dead, and the others end. JAX waits for 100.
HEARTBEAT_TIMEOUT = 30


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Which processes train together; with nothing given, this one trains alone."""

    detect: bool = False
    """Lets JAX find the others: under Slurm, on TPU pods, in Kubernetes, with Open MPI."""
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
                f"got coordinator {self.coordinator}, num_processes {self.num_processes}, process_id {self.process_id} "
                f"and detect {self.detect}; give the first three together, or detect alone"
            )
        if self.coordinator is not None and not self.coordinator.rpartition(":")[2].isdecimal():
            raise ValueError(f"coordinator is {self.coordinator!r}; give its port too, as in 10.0.0.1:1234")
        if self.num_processes is not None and not 0 <= (self.process_id or 0) < self.num_processes:
            raise ValueError(
                f"process_id is {self.process_id} of {self.num_processes} processes; they are numbered from 0"
            )

    @property
    def is_alone(self) -> bool:
        """Whether there is nothing to join."""
        return not self.detect and self.coordinator is None


@contextlib.contextmanager
def joined(cluster: Cluster, report: Callable[[str], None] = print) -> Iterator[None]:
    """Joins the other processes, and leaves them together; call it before anything asks JAX for a device.

    If a process dies, JAX ends the others within `HEARTBEAT_TIMEOUT` seconds, saying that another task died. One that
    leaves with an error dies at once, for the others would wait for it.

    Args:
      cluster: what to join.
      report: told in a sentence who this process is.

    Yields:
      Nothing.

    Raises:
      ValueError: JAX finds no cluster, or the processes cannot meet.
    """
    if cluster.is_alone:
        yield
        return
    _initialize(cluster)
    report(
        f"process {jax.process_index()} of {jax.process_count()} ({socket.gethostname()}, pid {os.getpid()}); if one "
        f"dies, the others end within {HEARTBEAT_TIMEOUT} s, and the run can be resumed"
    )
    try:
        yield
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            jax.distributed.shutdown()
            raise
        _die(error)
    jax.distributed.shutdown()


def part() -> None:
    """Leaves the others for good; computing on this process's own devices goes on. All have to part together."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def is_first() -> bool:
    """Whether this is the process that writes files and speaks."""
    return jax.process_index() == 0


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process; all have to ask at the same point."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


@contextlib.contextmanager
def one_before_the_others() -> Iterator[None]:
    """Lets process 0 go first: what it records or downloads, the others find. All have to come here."""
    if jax.process_count() == 1:
        yield
        return
    if not is_first():
        multihost_utils.sync_global_devices("process 0 went first")
    yield
    if is_first():
        multihost_utils.sync_global_devices("process 0 went first")


def check_same(name: str, text: str) -> None:
    """Checks that all processes have the same text; all have to come here, and all of them fail or none.

    Args:
      name: of what is compared.
      text: of this process.

    Raises:
      ValueError: a process has another text than process 0.
    """
    if jax.process_count() == 1:
        return
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    digests = np.asarray(multihost_utils.process_allgather(digest))
    others = [number for number, found in enumerate(digests) if not np.array_equal(found, digests[0])]
    if others:
        raise ValueError(
            f"{name} of process {', '.join(map(str, others))} differs from that of process 0; "
            "start all processes with the same command, the same code and the same data"
        )


def from_first(tree: Any, like: Any) -> Any:
    """Gives all processes the tree of process 0, bit for bit.

    Args:
      tree: in process 0 what to send; ignored elsewhere.
      like: tree of the same structure, types and shapes, in every process.

    Returns:
      The tree of process 0, on the host.
    """
    if jax.process_count() == 1:
        return tree
    flat = _flat_trees.flatten(tree if is_first() else like)
    # As bytes: JAX sends by adding up, and minus zero plus zero is another zero.
    sent = multihost_utils.broadcast_one_to_all({name: _bytes(array) for name, array in flat.arrays.items()})
    arrays = {
        name: np.asarray(sent[name]).view(array.dtype).reshape(array.shape) for name, array in flat.arrays.items()
    }
    return _flat_trees.unflatten(_flat_trees.FlatTree(arrays, flat.keys), like)


def _initialize(cluster: Cluster) -> None:
    # For processes on CPUs; others take no notice.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    options: dict[str, Any] = {}
    # Older versions of JAX cannot be told.
    if "heartbeat_timeout_seconds" in inspect.signature(jax.distributed.initialize).parameters:
        options["heartbeat_timeout_seconds"] = HEARTBEAT_TIMEOUT
    if cluster.coordinator is not None and cluster.process_id == 0:
        _check_free(cluster.coordinator)
    try:
        jax.distributed.initialize(cluster.coordinator, cluster.num_processes, cluster.process_id, **options)
    except ValueError as error:
        raise ValueError(
            f"JAX found no cluster ({error}); give coordinator, num_processes and process_id, or start one alone"
        ) from None
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(
            f"the processes could not meet at {cluster.coordinator or 'the address that JAX found'} ({error}); see "
            "that process 0 runs on that machine and that all processes were started"
        ) from None


def _check_free(coordinator: str) -> None:
    # JAX would listen at all addresses of the machine; where it cannot, some versions of it end the program, mute.
    port = int(coordinator.rpartition(":")[2])
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=dual).close()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"process 0 cannot listen at {coordinator} ({error}); another program may have the port: give one that is "
            "free on that machine, the same to all processes"
        ) from None


def _die(error: BaseException) -> None:
    if isinstance(error, SystemExit):
        print(error.code, file=sys.stderr, flush=True)
    elif isinstance(error, ValueError | FloatingPointError):
        print(f"error: {error}", file=sys.stderr, flush=True)
    elif isinstance(error, jax.errors.JaxRuntimeError):
        print(
            f"error: a computation shared with others failed; another process of this run may have died ({error}); "
            "see what it said, and resume the run",
            file=sys.stderr,
            flush=True,
        )
    else:
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _bytes(array: np.ndarray) -> UInt8[np.ndarray, " bytes"]:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
