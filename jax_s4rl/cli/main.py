"""The command `jax-s4rl`, with a subcommand for each public file of this folder.

Each subcommand also runs by `python -m jax_s4rl.cli.NAME`.
"""

import importlib
import sys
from collections.abc import Sequence

from jax_s4rl import __version__

COMMANDS = {
    "train": "trains decision transformers on a dataset, in a run directory, and evaluates them",
    "evaluate": "evaluates a trained agent in its environment",
    "make-dataset": "records named datasets, or lists them",
    "view-dataset": "draws a dataset as an HTML page",
    "doctor": "prints versions, devices and problems of the installation, each with a remedy",
}


def main(arguments: Sequence[str] | None = None) -> int | None:
    """Runs a subcommand.

    Args:
        arguments: Arguments of the command; those of the process if None.

    Returns:
        Exit status of the subcommand; None counts as success.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(usage())
        return 0
    if given[0] == "--version":
        print(__version__)
        return 0
    if given[0] not in COMMANDS:
        print(
            f"error: got the command {given[0]!r}; choose from {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    # Imported late, so that a command loads only the packages that it needs, and the doctor runs
    # even if some are missing.
    try:
        module = importlib.import_module(f"jax_s4rl.cli.{given[0].replace('-', '_')}")
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error}")
    return module.main(given[1:])


def usage() -> str:
    """Returns the help text."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: jax-s4rl COMMAND [options]",
            "",
            *lines,
            "",
            "jax-s4rl COMMAND --help lists the options.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
