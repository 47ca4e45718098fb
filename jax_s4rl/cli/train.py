"""Trains decision transformers on a dataset, in a run directory, and evaluates them.

    jax-s4rl train --dataset cartpole/mixed --mixer s4d --folder runs/cartpole --seeds 2

A run that ended early, by a signal or a power cut, continues with `--resume` as if it had never
stopped:

    jax-s4rl train --folder runs/cartpole --resume
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import rich.console
import tyro

from jax_s4rl import cache_folders, stack
from jax_s4rl.agents import decision_transformer, run_directory, tasks, training
from jax_s4rl.cli import entry_point, evaluate
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import config_io, distributed


@dataclasses.dataclass(frozen=True)
class Train:
    """Options of a training: dataset, settings, run directory and evaluation."""

    dataset: str = "cartpole/mixed"
    """Name of the dataset, recorded on first use."""
    mixer: str | None = None
    """Sequence mixer, short for --model.mixer.name."""
    seeds: int = 1
    """Number of models, trained at once with the seeds 0, 1, ..."""
    folder: Path = Path("runs/train")
    """Run directory, which gets all output."""
    resume: bool = False
    """Whether to continue the run in the folder, if there is one.

    Settings that are not given are those of the run.
    """
    checkpoint_every: int = 500
    """Number of updates between checkpoints."""
    targets: tuple[float, ...] = ()
    """Target returns of the evaluation; by default the highest return in the data."""
    episodes: int = 10
    """Number of episodes for each target return, with greedy and again with sampled actions."""
    settings: Annotated[decision_transformer.Settings, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=decision_transformer.Settings
    )
    """Settings of model and training."""
    cluster: distributed.Cluster = dataclasses.field(default_factory=distributed.Cluster)
    """Other processes that train with this one."""

    def resolved(self) -> decision_transformer.Settings:
        """Returns the settings with the mixer that `--mixer` names."""
        return self.settings if self.mixer is None else self.settings.with_mixer(self.mixer)


def train(options: Train) -> None:
    """Trains in the run directory, and evaluates the last and the best checkpoint.

    Args:
        options: Options of the command.

    Raises:
        ValueError: If settings do not fit the data or the devices, the folder holds another run,
            or the processes do not agree.
        FloatingPointError: If the loss is no longer finite.
        SystemExit: If SIGTERM arrived; a checkpoint was written, and the status is 0.
    """
    cache_folders.enable_compilation_cache()
    with distributed.joined(options.cluster):
        stack.require()
        console = rich.console.Console(quiet=not distributed.is_first())
        settings, seeds = options.resolved(), tuple(range(options.seeds))
        console.print(
            f"{options.dataset}: loading the data (recorded on first use)", highlight=False
        )
        configuration = json.dumps(config_io.to_json([settings, seeds]), sort_keys=True)
        distributed.check_same("the configuration", configuration)
        with distributed.one_before_the_others():
            task = tasks.load(options.dataset)
        seconds = training.run(
            task,
            settings,
            seeds,
            options.folder,
            resume=options.resume,
            checkpoint_every=options.checkpoint_every,
            console=console,
        )
        # The evaluation runs in the first process alone; the others need not wait for it.
        distributed.part()
        if distributed.is_first():
            rows = evaluate.evaluate_checkpoints(
                options.folder, options.targets, options.episodes, console, seconds=seconds
            )
            result_rows.write_rows(options.folder / run_directory.RESULTS, rows)


def parse(arguments: Sequence[str] | None = None) -> Train:
    """Reads the command line; with `--resume`, options that are not given are those of the run.

    Args:
        arguments: Arguments of the command; those of the process if None.

    Returns:
        The options.
    """
    options = tyro.cli(Train, args=arguments, description=__doc__, prog="jax-s4rl train")
    if not options.resume or not (options.folder / run_directory.ABOUT).exists():
        return options
    # The arguments are parsed again, with the settings of the run as defaults.
    saved = run_directory.read(options.folder)
    saved_options = Train(dataset=saved.dataset, seeds=len(saved.seeds), settings=saved.settings)
    return tyro.cli(
        Train, args=arguments, default=saved_options, description=__doc__, prog="jax-s4rl train"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences():
        train(parse(arguments))


if __name__ == "__main__":
    main()
