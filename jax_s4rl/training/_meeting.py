"""Meeting of the processes of a run before JAX connects them, and the watch over them afterwards.

JAX ends a process without a word of ours if another one does not come, comes twice or dies. So all
processes first meet at the address of process 0, and keep that connection: the system closes it
when a process dies.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable

# Seconds until a process stops waiting for the others.
TIMEOUT = 40.0
# Longest message, in bytes.
_LONGEST = 1000
_GO, _BYE, _END = b"go\n", b"bye\n", b"end "


class Links:
    """Connections to the other processes: of process 0 to all, of the others to process 0.

    Args:
        sockets: Connection to each process, by its number.
    """

    def __init__(self, sockets: dict[int, socket.socket]):
        self._sockets = sockets
        self._left = threading.Event()
        self._is_watched = False

    def watch(self, end: Callable[[str], None]) -> None:
        """Watches the other processes in the background.

        Args:
            end: Function that gets a sentence when one of them died or ended with an error; it has
                to end this process.
        """
        self._is_watched = True
        threading.Thread(target=self._wait, args=(end,), daemon=True).start()

    def leave(self) -> None:
        """Tells the other processes that this one leaves as planned."""
        self._left.set()
        self._send(_BYE)

    def end(self, sentence: str) -> None:
        """Ends the other processes with a sentence."""
        self._left.set()
        self._send(_END + sentence.encode()[: _LONGEST - len(_END) - 1] + b"\n")

    def _send(self, message: bytes) -> None:
        for connection in self._sockets.values():
            # The other one may be gone already.
            with contextlib.suppress(OSError):
                connection.sendall(message)
        if not self._is_watched and message != _GO:
            self._close()

    def _close(self) -> None:
        for connection in self._sockets.values():
            connection.close()

    def _wait(self, end: Callable[[str], None]) -> None:
        try:
            self._wait_for_all(end)
        finally:
            self._close()

    def _wait_for_all(self, end: Callable[[str], None]) -> None:
        with selectors.DefaultSelector() as watched:
            for number, connection in self._sockets.items():
                connection.settimeout(None)
                watched.register(connection, selectors.EVENT_READ, number)
            while watched.get_map():
                for key, _ in watched.select():
                    message = _receive(self._sockets[key.data])
                    if message == _BYE:
                        watched.unregister(key.fileobj)
                        continue
                    if self._left.is_set():
                        return
                    sentence = f"process {key.data} died"
                    if message.startswith(_END):
                        sentence = message[len(_END) :].decode(errors="replace").strip()
                    self.end(sentence)
                    end(sentence)
                    return


def meet(address: str, num_processes: int, process_id: int, timeout: float = TIMEOUT) -> Links:
    """Waits until all processes have come.

    Args:
        address: Address and port of process 0.
        num_processes: Number of processes.
        process_id: Number of this process.
        timeout: Seconds until this process stops waiting.

    Returns:
        The connections to the others.

    Raises:
        ValueError: If a process does not come, or two come under one number.
    """
    if num_processes == 1:
        return Links({})
    deadline = time.monotonic() + timeout
    if process_id == 0:
        with _listen(address) as server:
            return Links(_gather(server, num_processes, deadline, timeout))
    return Links({0: _join(address, num_processes, process_id, deadline, timeout)})


def _listen(address: str) -> socket.socket:
    """Listens at all addresses of this machine, as JAX does."""
    port = int(address.rpartition(":")[2])
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"process 0 cannot listen at {address} ({error}); another program or another process 0 "
            "may have the port: give one that is free on that machine, the same to all processes"
        ) from None


def _gather(
    server: socket.socket, num_processes: int, deadline: float, timeout: float
) -> dict[int, socket.socket]:
    """Accepts all other processes."""
    came: dict[int, socket.socket] = {}
    problem = ""
    while len(came) < num_processes - 1 and not problem:
        server.settimeout(max(deadline - time.monotonic(), 0.01))
        try:
            connection = server.accept()[0]
        except TimeoutError:
            missing = [str(n) for n in range(1, num_processes) if n not in came]
            problem = (
                f"process {', '.join(missing)} of {num_processes} did not come within "
                f"{timeout:g} s; start all processes, each with its own process_id"
            )
            continue
        connection.settimeout(5)
        number, count = _greeting(_receive(connection))
        if number is None:
            # Something else, for instance a scan of the ports.
            connection.close()
        elif count != num_processes:
            problem = f"process {number} expects {count} processes and process 0 {num_processes}; "
            problem += "start all processes with the same num_processes"
        elif number in came or not 0 < number < num_processes:
            problem = f"two processes have the process_id {number}; give each its own, from 0"
        if number is not None:
            # Under another key if there is one already: it has to be told as well.
            came[number if number not in came else -1] = connection
    links = Links(came)
    if problem:
        links.end(problem)
        raise ValueError(problem)
    links._send(_GO)
    return came


def _join(
    address: str, num_processes: int, process_id: int, deadline: float, timeout: float
) -> socket.socket:
    """Connects to process 0, and waits for its word."""
    host, _, port = address.rpartition(":")
    reason: Exception | None = None
    while time.monotonic() < deadline:
        try:
            connection = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
        except (OSError, OverflowError) as error:
            reason = error
            time.sleep(0.2)
            continue
        with contextlib.suppress(OSError):
            connection.sendall(f"jax_s4rl {process_id} {num_processes}\n".encode())
        # Process 0 may have come later, and waits as long.
        connection.settimeout(timeout + 5)
        answer = _receive(connection)
        if answer == _GO:
            return connection
        connection.close()
        if answer.startswith(_END):
            raise ValueError(answer[len(_END) :].decode(errors="replace").strip())
        if answer:
            raise ValueError(
                f"process {process_id} was not expected at {address}: its run goes on with another "
                "process of this number, or another program is there; give each process its own "
                "process_id, and a port that is free"
            )
    raise ValueError(
        f"process {process_id} met no process 0 at {address} within {timeout:g} s "
        f"({reason or 'no answer'}); check that process 0 runs on that machine, and that all "
        "processes were started, each with its own process_id"
    )


def _greeting(message: bytes) -> tuple[int | None, int]:
    """Reads the number of a process and the number of processes that it expects."""
    name, *numbers = message.decode(errors="replace").split()[:4] or [""]
    if name != "jax_s4rl" or len(numbers) != 2 or not all(map(str.isdecimal, numbers)):
        return None, 0
    return int(numbers[0]), int(numbers[1])


def _receive(connection: socket.socket) -> bytes:
    """Receives a line; nothing if the other side is gone."""
    message = b""
    with contextlib.suppress(OSError):
        while not message.endswith(b"\n") and len(message) < _LONGEST:
            # Byte by byte: a second message may follow at once.
            received = connection.recv(1)
            if not received:
                return b""
            message += received
    return message
