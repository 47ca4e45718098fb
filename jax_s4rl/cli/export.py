"""Exports a trained policy to one file that acts in a process without this package.

    jax-s4rl export runs/cartpole --out policy.jax_s4rl

The file holds programs by `jax.export` with the parameters inside, for any number of episodes, and
`act.py`, which shows how to act with the packages jax, numpy and flatbuffers alone.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import export, ranges
from jax_s4rl.cli import entry_point


@dataclasses.dataclass(frozen=True)
class Export:
    """Options of an export: folder, file, model and platforms."""

    folder: tyro.conf.Positional[Path]
    """Run directory of `jax-s4rl train`, or policy folder of `Agent.save`."""
    out: Path = Path(f"policy{export.ENDING}")
    """File to write; one of this name is replaced once the new one is complete."""
    number: int = 0
    """Index of the model among the seeds of the training."""
    best: bool = False
    """Whether to take the checkpoint with the lowest training loss instead of the newest."""
    platforms: tuple[str, ...] = export.PLATFORMS
    """Platforms that the file runs on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences():
        options = tyro.cli(Export, args=arguments, description=__doc__, prog="jax-s4rl export")
        export.check_path(options.out, export.ENDING)
        ranges.check_count("number", options.number, least=0)
        agent = agents.load(options.folder, best=options.best)
        agent.export(options.out, number=options.number, platforms=options.platforms)
        size = options.out.stat().st_size
        print(
            f"wrote {options.out} ({size / 1e6:.1f} MB): update {agent.step:,}, "
            f"seed {agent.description.seeds[options.number]}, for {', '.join(options.platforms)}; "
            f"how to act: python -m zipfile -e {options.out} policy, then read policy/README.md"
        )


if __name__ == "__main__":
    main()
