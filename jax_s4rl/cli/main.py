"""The command `jax-s4rl`, with a subcommand for each public file of this folder.

Each subcommand also runs by `python -m jax_s4rl.cli.NAME`.
"""

import importlib
import sys
from collections.abc import Sequence

from jax_s4rl import __version__
from jax_s4rl.cli import entry_point

COMMANDS = {
    "train": "trains decision transformers on a dataset, in a run directory, and evaluates them",
    "evaluate": "evaluates a trained agent in its environment",
    "film": "films a trained agent at chosen target returns, as a GIF",
    "export": "exports a trained policy to one file that acts without this package",
    "check": "shows what a model will see, and compares training with acting token by token",
    "make-dataset": "records named datasets, or lists them",
    "view-dataset": "draws a dataset as an HTML page",
    "doctor": "prints versions, devices and problems of the installation, each with a remedy",
}

EXIT_CODES = {
    0: "success; also a training that a signal stopped after a checkpoint",
    1: "an error, which the last line names",
    2: "an unknown command or option",
    3: "check found a mismatch",
    130: "stopped by Ctrl-C before there was anything to resume (143: by SIGTERM)",
    entry_point.NO_READER: "nobody reads the output any more",
}


def main(arguments: Sequence[str] | None = None) -> int | None:
    """Runs a subcommand.

    Args:
        arguments: Arguments of the command; those of the process if None.

    Returns:
        Exit status of the subcommand; None counts as success.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    with entry_point.errors_as_sentences():
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
        # Imported late, so that a command loads only the packages that it needs, and the doctor
        # runs even if some are missing.
        module = importlib.import_module(f"jax_s4rl.cli.{given[0].replace('-', '_')}")
        return module.main(given[1:])


def usage() -> str:
    """Returns the help text."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    codes = [f"  {code:<{width}}  {text}" for code, text in EXIT_CODES.items()]
    return "\n".join(
        [
            "usage: jax-s4rl COMMAND [options]",
            "",
            *lines,
            "",
            "jax-s4rl COMMAND --help lists the options.",
            "",
            "exit codes:",
            *codes,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
