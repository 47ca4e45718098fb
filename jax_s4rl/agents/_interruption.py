"""Interruption by a signal: the training stops at a point from which it can be resumed.

The first SIGTERM only sets a flag. The training loop reads the flag after each dispatch; if it is
set, the loop saves a checkpoint and the process exits with 0. The second SIGTERM ends the process
at once.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def watched(number: signal.Signals = signal.SIGTERM) -> Iterator[Callable[[], bool]]:
    """Remembers a signal instead of ending the process; a second one ends it as usual.

    Only the main thread may use it.

    Args:
        number: Signal that schedulers send before they kill a process.

    Yields:
        A function that returns whether the signal arrived.

    Example:
        >>> import os
        >>> with watched(signal.SIGUSR1) as asked:
        ...     before = asked()
        ...     os.kill(os.getpid(), signal.SIGUSR1)
        ...     print(before, asked())
        False True
    """
    arrived = []

    # A handler may run between any two bytecodes of the main thread, so it only sets the flag. The
    # next signal gets the default action: whoever sends it does not want to wait for a checkpoint.
    def remember(*_: object) -> None:
        arrived.append(True)
        signal.signal(number, signal.SIG_DFL)

    # None stands for a handler that was not installed from Python, which Python cannot restore.
    previous = signal.signal(number, remember) or signal.SIG_DFL
    try:
        yield lambda: bool(arrived)
    finally:
        signal.signal(number, previous)
