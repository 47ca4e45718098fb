"""The second signal ends the process even while it compiles.

Python runs handlers between two bytecodes of the main thread, which may be in XLA for minutes. It
writes the number of each signal to a pipe at once, and a thread reads it. Pipe and thread are made
once and stay as long as the process: a signal may arrive at any line that would close them.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Collection, Iterator

# No signal has this number: the main thread asks whether everything before it was read.
_MARK = b"\0"


@contextlib.contextmanager
def ends(numbers: Collection[int], own: dict[str, int]) -> Iterator[None]:
    """Ends the process at a second signal; for the main thread alone.

    Args:
        numbers: Signals that count.
        own: Under `listener`, how many of the next signals come from this process and do not
            count; it is counted down.

    Yields:
        Nothing.
    """
    listener = _listener()
    outer, listener.counting = listener.counting, _Counting(numbers, own)
    before = signal.set_wakeup_fd(listener.write_end, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        listener.finish()
        listener.counting = outer


class _Counting:
    """Number of the signals that arrived, of those that count."""

    def __init__(self, numbers: Collection[int], own: dict[str, int]):
        self.numbers, self.own, self.arrived = numbers, own, 0

    def take(self, number: int) -> None:
        """Takes a signal, and ends the process if it is the second one."""
        if number not in self.numbers:
            return
        if self.own["listener"]:
            self.own["listener"] -= 1
            return
        self.arrived += 1
        if self.arrived == 2:
            # Not `sys.exit`, which would only end the listening thread.
            os._exit(128 + number)


class _Listener:
    """The pipe, the thread that reads it, and where it counts what it reads.

    Attributes:
        process: Process that made it.
        write_end: Where Python writes the numbers of signals.
        counting: Takes the signals.
    """

    def __init__(self):
        self.process, self.counting = os.getpid(), _Counting((), {})
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self.write_end, False)
        self._finished = threading.Event()
        threading.Thread(target=self._listen, name="second-signal", daemon=True).start()

    def finish(self) -> None:
        """Returns when every signal before this call is counted."""
        self._finished.clear()
        os.write(self.write_end, _MARK)
        self._finished.wait()

    def _listen(self) -> None:
        while arrived := os.read(self._read_end, 1):
            if arrived == _MARK:
                self._finished.set()
            else:
                self.counting.take(arrived[0])


_only: _Listener | None = None


def _listener() -> _Listener:
    """Returns the listener of this process, after all signals before this call are counted."""
    global _only
    # A forked child has the object, not the thread.
    if _only is None or _only.process != os.getpid():
        _only = _Listener()
    else:
        _only.finish()
    return _only
