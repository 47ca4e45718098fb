"""Interruption by SIGTERM or Ctrl-C: the first signal stops politely, the second ends at once."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from jax_s4rl.agents import _second_signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(KeyboardInterrupt):
    """A signal ended the work.

    Attributes:
        number: Signal that arrived.
    """

    def __init__(self, number: int):
        super().__init__(f"stopped by {name_of(number)}")
        self.number = number


class Stopped(Interrupted):
    """A signal ended a training after a checkpoint was written; the run can be resumed."""


def name_of(number: int) -> str:
    """Returns the name of a signal as a user knows it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


@contextlib.contextmanager
def watched(numbers: tuple[signal.Signals, ...] = SIGNALS) -> Iterator[Callable[[], int | None]]:
    """Remembers a signal instead of ending the process; a second one ends it at once.

    Outside the main thread, which alone gets signals, nothing is watched.

    Args:
        numbers: Signals to watch.

    Yields:
        A function that returns the signal that arrived, None if there was none.

    Example:
        >>> with watched((signal.SIGUSR1,)) as arrived:
        ...     before = arrived()
        ...     os.kill(os.getpid(), signal.SIGUSR1)
        ...     print(before, signal.Signals(arrived()).name)
        None SIGUSR1
    """
    found: list[int] = []
    with _handled(numbers, found.append):
        yield lambda: found[0] if found else None


@contextlib.contextmanager
def raised(numbers: tuple[signal.Signals, ...] = SIGNALS) -> Iterator[None]:
    """Raises `Interrupted` at a signal, wherever the main thread is; a second one ends at once.

    Args:
        numbers: Signals to watch.

    Yields:
        Nothing.

    Raises:
        Interrupted: If a signal arrived.
    """

    def stop(number: int) -> None:
        raise Interrupted(number)

    with _handled(numbers, stop) as again, _not_swallowed(again):
        yield


@contextlib.contextmanager
def _not_swallowed(again: Callable[[int], None]) -> Iterator[None]:
    """Raises an interruption again that Python would only report.

    A signal may arrive in a callback of the garbage collector, of which JAX has one, or in a
    finalizer: Python prints exceptions there and goes on.
    """
    previous = sys.unraisablehook

    # With a link to the hook below, by which others find theirs.
    @functools.wraps(previous)
    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        stop = unraisable.exc_value
        if isinstance(stop, Interrupted):
            # A moment later, when the callback is over.
            threading.Timer(0.02, again, (stop.number,)).start()
        else:
            previous(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        # Another one that was installed since then stays; it calls this one.
        if sys.unraisablehook is hook:
            sys.unraisablehook = previous


@contextlib.contextmanager
def _handled(
    numbers: tuple[signal.Signals, ...], react: Callable[[int], None]
) -> Iterator[Callable[[int], None]]:
    """Calls a function at the first signal, and ends the process at the second.

    Yields:
        A function that sends a signal of this process, which does not count as a second one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda number: None
        return
    # A shell that starts a job in the background ignores Ctrl-C for it; that stays so.
    kept = tuple(n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN)
    # Signals that this process sends itself: what the handler and the listener have not seen yet.
    own = {"handler": 0, "listener": 0}
    seen: list[int] = []

    def handle(number: int, _: object) -> None:
        if own["handler"]:
            own["handler"] -= 1
        elif seen:
            os._exit(128 + number)
        seen.append(number)
        react(number)

    def again(number: int) -> None:
        for name in own:
            own[name] += 1
        os.kill(os.getpid(), number)

    with _second_signal.ends(kept, own):
        # None stands for a handler that was not installed from Python, which Python cannot restore.
        previous = {n: signal.signal(n, handle) or signal.SIG_DFL for n in kept}
        try:
            yield again
        finally:
            for number, before in previous.items():
                signal.signal(number, before)
