"""Command-line entry points: user errors and signals end the process with one line, no traceback.

The exit codes are listed in `cli.main.EXIT_CODES`.
"""

import contextlib
import dataclasses
import errno
import json
import math
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jax_s4rl.agents import exhaustion, interruption, ranges

Options = TypeVar("Options")

# Status after the reader of the output has gone, as shells report it: 128 and SIGPIPE's number.
NO_READER = 141
# Errors that a user can fix, whose message is a sentence; XLA's and Orbax's have a line at least.
_SENTENCES = (ValueError, FloatingPointError, ModuleNotFoundError)
# The number of an error of the operating system in the text of TensorStore, which writes arrays.
_SYSTEM = re.compile(r"(?:os_error_code='|\bOS error )(\d+)")
_FREE = "free space, or name a folder on another disk"
_RIGHTS = "change its permissions, or name another file or folder"
# What to do about errors of the operating system.
_REMEDIES = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EFBIG: "raise the limit on the size of files, or name a folder on another disk",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "name a folder that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or end other programs",
    errno.ENFILE: "end other programs",
    errno.ENOENT: "check the name, and that nobody removes it",
    errno.ESTALE: "check that the file system is still there, and start again",
    errno.EIO: "check the disk, and start again",
    errno.EAGAIN: "end other programs, or raise the limit on processes (ulimit -u)",
}
_OTHER = "name another file or folder, or free space for it"


def run(
    command: Callable[[Options], object],
    options: type[Options],
    description: str | None,
    arguments: Sequence[str] | None = None,
    name: str | None = None,
) -> None:
    """Reads the command line into options and runs a command with them.

    Args:
        command: Function that does the work.
        options: Dataclass of the options, with a sentence under each field.
        description: Text for `--help`, usually the docstring of the script.
        arguments: Arguments of the command; those of the process if None.
        name: Name of the command in its help; that of the process if None.
    """
    with errors_as_sentences():
        # Here, so that the doctor runs without it.
        import tyro

        given = tyro.cli(options, args=arguments, description=description, prog=name)
        check_numbers(given)
        command(given)


def check_numbers(options: Any) -> None:
    """Checks the numbers of a script before it does anything.

    Numbers are counts, seeds and limits: finite and not negative. A count whose default is above
    zero is at least 1.

    Args:
        options: Dataclass of the options.

    Raises:
        ValueError: If a number is out of its range.
    """
    for field in dataclasses.fields(options):
        given, default = getattr(options, field.name), field.default
        values = given if isinstance(given, tuple) else (given,)
        defaults = default if isinstance(default, tuple) else (default,)
        counts = [one for one in defaults if isinstance(one, int)]
        least = 1 if counts and min(counts) > 0 else 0
        for value in values:
            if isinstance(value, int) and not isinstance(value, bool):
                ranges.check_count(field.name, value, least=least)
            elif isinstance(value, float) and not 0 <= value < math.inf:
                raise ValueError(f"{field.name} is {value}; give a finite number of at least 0")


@contextlib.contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Ends the process with one line at a signal or at an error that the user can fix.

    Such errors are impossible settings, files that cannot be read or written, a full disk,
    exhausted memory, losses that are not finite, and packages of an extra that is not installed. A
    second signal ends the process at once. If nobody reads the output any more, the process ends
    without a word.

    Yields:
        Nothing.

    Raises:
        SystemExit: If such an error was raised (status 1), a signal arrived (128 and its number),
            or nobody reads the output (`NO_READER`).
    """
    try:
        with interruption.raised():
            yield
            # Here and not when Python exits, which would print a traceback.
            sys.stdout.flush()
    except KeyboardInterrupt as stop:
        number = getattr(stop, "number", signal.SIGINT)
        # From here on a second one must not end in a traceback of the interpreter's own exit.
        _leave_at_once_at(number)
        print(f"stopped by {interruption.name_of(number)}{_advice(stop)}", file=sys.stderr)
        sys.exit(128 + number)
    except SystemExit as stop:
        # Rich ends the process itself if nobody reads, with the status 1.
        if isinstance(stop.__context__, BrokenPipeError):
            sys.exit(NO_READER)
        raise
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            _drop_output()
            sys.exit(NO_READER)
        text = sentence(error)
        if text is None:
            raise
        sys.exit(f"error: {text}")
    finally:
        _flush_or_drop()


def sentence(error: BaseException) -> str | None:
    """Describes an error that a user can fix, whatever it is wrapped in.

    Args:
        error: Error that ended the work.

    Returns:
        What happened and what to do, in one line; None for a mistake of the program.

    Example:
        >>> sentence(OSError(28, "No space left on device", "runs/x"))
        'runs/x: No space left on device; free space, or name a folder on another disk'
    """
    # Stable: the outermost error first, but after its causes if it says nothing about them.
    for cause in sorted(_causes(error), key=_hides_its_cause):
        for describe in (_of_memory, _of_system, _of_depth, _of_text, _of_xla):
            if text := describe(cause):
                return " ".join(text.split()) + _advice(error)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error, the members of a group, and the errors that caused them."""
    yield error
    for member in getattr(error, "exceptions", ()):
        yield from _causes(member)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)


def _hides_its_cause(error: BaseException) -> bool:
    """Returns whether a wrapped error is not a sentence that says what to do."""
    return error.__cause__ is not None and "; " not in str(error)


def _advice(error: BaseException) -> str:
    # JAX adds a note about its own traceback, of several lines; ours are sentences.
    notes = [note for note in getattr(error, "__notes__", ()) if "\n" not in note.strip()]
    return "".join(f"; {note}" for note in notes)


def _of_memory(error: BaseException) -> str | None:
    if isinstance(error, exhaustion.Exhausted):
        return str(error)
    if exhaustion.is_one(error) or getattr(error, "errno", None) == errno.ENOMEM:
        return (
            "memory is exhausted; end other programs, or choose smaller numbers, for instance of "
            "episodes, seeds, rows of a batch or steps of a context"
        )
    return None


def _of_system(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        # Errors that this package raises have no number, and their message is a sentence already.
        if error.errno is None:
            return str(error) or "the operating system refused to read or write; start again"
        number, name, reason = error.errno, error.filename, error.strerror
    elif found := _SYSTEM.search(str(error)):
        number, name, reason = int(found[1]), None, os.strerror(int(found[1]))
    elif "can't start new thread" in str(error):
        number, name, reason = errno.EAGAIN, None, str(error)
    else:
        return None
    where = f"{os.fsdecode(name)}: " if isinstance(name, str | bytes | os.PathLike) else ""
    return f"{where}{reason}; {_REMEDIES.get(number, _OTHER)}"


def _of_depth(error: BaseException) -> str | None:
    if isinstance(error, RecursionError):
        return "a file or an option is nested too deeply; give one with fewer levels"
    return None


def _of_text(error: BaseException) -> str | None:
    if isinstance(error, UnicodeError):
        return f"a file or a name is not text in UTF-8 ({error}); save it as UTF-8, or name another"
    if isinstance(error, _SENTENCES):
        return str(error) or type(error).__name__
    return None


def _of_xla(error: BaseException) -> str | None:
    # By name, because JAX may not be imported yet.
    if type(error).__name__ not in ("JaxRuntimeError", "XlaRuntimeError"):
        return None
    return f"a computation failed ({str(error).strip()[:300]}); jax-s4rl doctor tests JAX"


def _nobody_reads() -> bool:
    """Returns whether standard output is a pipe whose other end was closed."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in watched.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


def _drop_output() -> None:
    """Sends what is left of the output nowhere, so that Python's exit does not fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _flush_or_drop() -> None:
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_output()


@contextlib.contextmanager
def if_stopped(advice: str) -> Iterator[None]:
    """Adds to the sentence about a signal in the body what to do next.

    Args:
        advice: Words for the end of the sentence.

    Yields:
        Nothing.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        # The innermost one knows best.
        if not getattr(stop, "__notes__", None):
            stop.add_note(advice)
        raise


def _leave_at_once_at(number: int) -> None:
    with contextlib.suppress(ValueError):
        # Outside the main thread it is not allowed, and not needed.
        signal.signal(number, signal.SIG_DFL)


def import_from_current_folder() -> None:
    """Lets "module:function" name a module of the current folder, as `python -m` does."""
    # At the end, so that no file there hides an installed package.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


def print_json(values: Mapping[str, Any]) -> None:
    """Prints an object as one line, the last of a command with `--json`.

    Args:
        values: Values that JSON can hold.
    """
    print(json.dumps(values), flush=True)


def check_writable(path: Path) -> None:
    """Opens a file for appending before anything is measured, so that no result is lost.

    Args:
        path: File for results; made, with its folder, if it is missing.

    Raises:
        OSError: If the file cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a"):
        pass
