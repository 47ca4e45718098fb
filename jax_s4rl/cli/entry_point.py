"""How a script is started: what a person can do wrong ends it with a sentence."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

Options = TypeVar("Options")


def run(main: Callable[[Options], object], options: type[Options], description: str | None) -> None:
    """Reads the command line and does what it says.

    Settings that cannot be, files that cannot be read or written and numbers that are none end the program with a
    sentence and the exit status 1.

    Args:
      main: does it.
      options: a dataclass of what can be said, with a sentence under each field.
      description: the script's own, shown by `--help`.
    """
    try:
        main(tyro.cli(options, description=description))
    except (ValueError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None:  # Ours, and a sentence already.
            sys.exit(f"error: {error}")
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror}; name another file or folder, or make room for it")


def check_writable(path: Path) -> None:
    """Opens a file for appending, so that what is measured later is not lost.

    Raises:
      OSError: it cannot be made or written; a new file is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a"):
        pass
