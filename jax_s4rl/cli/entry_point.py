"""Command-line entry points: user errors and signals end the process with one line, no traceback.

The exit codes are listed in `cli.main.EXIT_CODES`.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jax_s4rl.agents import interruption

Options = TypeVar("Options")


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
        command(tyro.cli(options, args=arguments, description=description, prog=name))


@contextlib.contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Ends the process with one line at a signal or at an error that the user can fix.

    Such errors are impossible settings, files that cannot be read or written, losses that are not
    finite, and packages of an extra that is not installed. A second signal ends the process at
    once.

    Yields:
        Nothing.

    Raises:
        SystemExit: If such an error was raised (status 1), or a signal arrived (128 and its
            number).
    """
    try:
        with interruption.raised():
            yield
    except KeyboardInterrupt as stop:
        number = getattr(stop, "number", signal.SIGINT)
        # From here on a second one must not end in a traceback of the interpreter's own exit.
        _leave_at_once_at(number)
        advice = "".join(f"; {note}" for note in getattr(stop, "__notes__", ()))
        print(f"stopped by {interruption.name_of(number)}{advice}", file=sys.stderr)
        sys.exit(128 + number)
    except (ValueError, FloatingPointError, ModuleNotFoundError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        # Errors that this package raises have no number, and their message is a sentence already.
        if error.errno is None:
            sys.exit(f"error: {error}")
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(
            f"error: {where}{error.strerror}; name another file or folder, or free space for it"
        )


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
