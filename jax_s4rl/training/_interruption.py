"""Being told to stop: a signal is remembered, and the training ends where it can be gone on with."""

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def watched(number: signal.Signals = signal.SIGTERM) -> Iterator[Callable[[], bool]]:
    """Remembers a signal instead of dying of it. A second one ends the process as usual.

    Only the main thread may use it.

    Args:
      number: what schedulers send before they kill.

    Yields:
      A function that tells whether the signal came.

    Example:
      >>> import os
      >>> with watched(signal.SIGUSR1) as asked:
      ...     before = asked()
      ...     os.kill(os.getpid(), signal.SIGUSR1)
      ...     print(before, asked())
      False True
    """
    came = []

    def remember(*_: object) -> None:
        came.append(True)
        signal.signal(number, signal.SIG_DFL)

    # None stands for a handler of some library's, which Python cannot put back.
    previous = signal.signal(number, remember) or signal.SIG_DFL
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(number, previous)
