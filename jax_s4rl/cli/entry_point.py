"""Command-line entry points: user errors print one line and exit with status 1."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import tyro

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
    """Ends the process with one line and status 1 at an error that the user can fix.

    Such errors are impossible settings, files that cannot be read or written, losses that are not
    finite, and packages of an extra that is not installed.

    Yields:
        Nothing.

    Raises:
        SystemExit: If such an error was raised.
    """
    try:
        yield
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
