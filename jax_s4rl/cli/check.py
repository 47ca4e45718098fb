"""Shows what a model will see, and compares training with acting token by token.

    jax-s4rl check --data my.npz --env CartPole-v1
    jax-s4rl check runs/mine

The first form shows range, mean and scale of each feature, returns, lengths, ends and actions. It
replays recorded actions in the environment, and compares a window of training with the inputs of
acting. The second form compares a trained run with its environment. A mismatch is named with its
step and both values, and the exit code is 3.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from jax_s4rl.cli import _data, entry_point

MISMATCH = 3


@dataclasses.dataclass(frozen=True)
class Check:
    """Options of the check: a run directory, or data and an environment."""

    run: tyro.conf.Positional[Path | None] = None
    """Run directory of `jax-s4rl train`; without it, the data are checked."""
    data: Annotated[_data.Data, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=_data.Data
    )
    """Data and environment."""
    json: bool = False
    """Whether to print a JSON object as the last line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences(), entry_point.if_stopped("nothing was changed"):
        entry_point.import_from_current_folder()
        options = tyro.cli(Check, args=arguments, description=__doc__, prog="jax-s4rl check")
        kwargs = options.data.check()
        from jax_s4rl import cache_folders
        from jax_s4rl.agents import check

        cache_folders.enable_compilation_cache()
        if options.run is not None:
            report = _of_run(options.run, options.data.env, kwargs)
        else:
            report = check.check(options.data.load())
        print("\n".join(check.lines(report)))
        if options.json:
            entry_point.print_json(report)
        if report["mismatches"]:
            sys.exit(MISMATCH)


def _of_run(folder: Path, env: str | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    from jax_s4rl.agents import agent, check
    from jax_s4rl.cli import evaluate

    trained = agent.load(folder)
    factory = evaluate.find_factory(env, kwargs)
    if factory is None:
        evaluate.check_env(trained)
    return check.check_run(trained, factory)


if __name__ == "__main__":
    main()
