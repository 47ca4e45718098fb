"""Films a trained policy at chosen target returns, side by side, as a GIF.

    jax-s4rl film runs/cartpole --targets 100 500 --out film.gif

Above each episode stand its target return, the return so far, and the step.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from jax_s4rl import cache_folders, self_test
from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import film, ranges
from jax_s4rl.cli import _dataset_figures, entry_point


@dataclasses.dataclass(frozen=True)
class Film:
    """Options of a film: folder, target returns and file."""

    folder: tyro.conf.Positional[Path]
    """Run directory of `jax-s4rl train`, or policy folder of `Agent.save`."""
    targets: tuple[float, ...] = ()
    """Target returns, one episode for each; by default the highest return in the data."""
    out: Path = Path(f"film{film.ENDING}")
    """File to write; one of this name is replaced once the new one is complete."""
    env: str | None = None
    """Environment to act in, an id or module:function; that of the training by default."""
    sampled: bool = False
    """Whether to sample actions instead of taking the likeliest ones."""
    seed: int = 0
    """Seed of the environment and of sampled actions."""
    number: int = 0
    """Index of the model among the seeds of the training."""
    best: bool = False
    """Whether to take the checkpoint with the lowest training loss instead of the newest."""
    max_frames: int = 120
    """Largest number of frames; of longer episodes, every n-th step is shown."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences():
        options = tyro.cli(Film, args=arguments, description=__doc__, prog="jax-s4rl film")
        entry_point.import_from_current_folder()
        cache_folders.enable_compilation_cache()
        self_test.require()
        _dataset_figures.need_no_screen()
        ranges.check_evaluation(options.targets, 1, options.seed)
        ranges.check_count("number", options.number, least=0)
        ranges.check_count("max_frames", options.max_frames, least=2)
        agent = agents.load(options.folder, best=options.best)
        acted = film.record(
            agent,
            options.out,
            options.targets or None,
            env=options.env,
            greedy=not options.sampled,
            seed=options.seed,
            number=options.number,
            max_frames=options.max_frames,
        )
        for target, achieved in zip(acted.targets, acted.record.episode_returns, strict=True):
            print(f"target return {target:g}, achieved {achieved:g}")
        print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
