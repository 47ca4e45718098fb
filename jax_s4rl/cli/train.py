"""Trains decision models on a data set, in a run folder, and lets them act.

    python -m jax_s4rl.cli.train --dataset cartpole/mixed --mixer s4d --folder runs/cartpole --seeds 2

A run that ended early, by a signal or a power cut, goes on with `--resume` as if nothing had been:

    python -m jax_s4rl.cli.train --folder runs/cartpole --resume
"""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import rich.console
import tyro

from jax_s4rl import cache_folders, stack
from jax_s4rl.agents import decision_transformer, run_directory, tasks
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.training import _diagnosis, _interruption, config_io, distributed, loop, update

RULE = "the one with the lowest mean loss of training since the one before it; returns have no say"


@dataclasses.dataclass(frozen=True)
class Train:
    """What to train, and where."""

    dataset: str = "cartpole/mixed"
    """Name of the data set, made on first use."""
    mixer: str | None = None
    """Sequence mixer, short for --model.mixer.name."""
    seeds: int = 1
    """Models to train at once, with seeds 0, 1, ..."""
    folder: Path = Path("runs/train")
    """Where all that is written goes."""
    resume: bool = False
    """Goes on with the run in the folder, if there is one; settings that are not given are those of the run."""
    checkpoint_every: int = 500
    """Updates between checkpoints."""
    targets: tuple[float, ...] = ()
    """Returns asked for in the end; by default the highest in the data."""
    episodes: int = 10
    """Episodes for each target, greedy and sampled."""
    settings: Annotated[decision_transformer.Settings, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=decision_transformer.Settings
    )
    """How models are built and trained."""
    cluster: distributed.Cluster = dataclasses.field(default_factory=distributed.Cluster)
    """Other processes that train with this one."""

    def resolved(self) -> decision_transformer.Settings:
        """The settings with the mixer that was asked for by its short name."""
        if self.mixer is None:
            return self.settings
        model = self.settings.model
        mixer = dataclasses.replace(model.mixer, name=self.mixer)
        return dataclasses.replace(self.settings, model=dataclasses.replace(model, mixer=mixer))


def main(options: Train) -> None:
    """Trains, and acts with what was learned."""
    cache_folders.enable_cache()
    with distributed.joined(options.cluster):
        stack.require()
        console = rich.console.Console(quiet=not distributed.is_first())
        settings, seeds = options.resolved(), tuple(range(options.seeds))
        console.print(f"{options.dataset}: loading the data (recorded on first use)", highlight=False)
        distributed.check_same("the configuration", json.dumps(config_io.to_json([settings, seeds]), sort_keys=True))
        with distributed.one_before_the_others():
            task = tasks.load(options.dataset)
        program = decision_transformer.prepare(settings, task, len(seeds))
        description = run_directory.describe(task, settings, program.config, seeds)
        distributed.check_same("the data", description.dataset_hash)
        with run_directory.opened(
            options.folder, description, resume=options.resume, report=lambda text: console.print(text, highlight=False)
        ) as folder:
            seconds = train(program, settings, folder, options.checkpoint_every, console)
            # What follows is local: the other processes need not wait for it.
            distributed.part()
            if distributed.is_first():
                folder.write_results(evaluate(options, seconds, console))


def train(
    program: decision_transformer.Program,
    settings: decision_transformer.Settings,
    folder: run_directory.RunFolder,
    checkpoint_every: int,
    console: rich.console.Console,
) -> dict[str, float]:
    """Trains to the end, or until SIGTERM: then a checkpoint is written, and the process ends with success.

    Args:
      program: what to run.
      settings: of the training.
      folder: open for this run.
      checkpoint_every: updates between checkpoints.
      console: where progress is shown.

    Returns:
      Seconds to compile and to train.
    """
    seeds = folder.description.seeds
    title = f"{folder.description.dataset}: {settings.model.mixer.name}, {len(seeds)} seeds"
    with contextlib.ExitStack() as opened:
        # First of all: a signal that comes while the program is compiled stops the run after its first dispatch.
        is_told_to_stop = opened.enter_context(_interruption.watched())
        state, start = folder.restore(program.init(seeds))
        compiled, compile_seconds = loop.compile_update(program.update, state, program.store)
        advance = opened.enter_context(loop.progress(title, settings.num_updates, console, start=start))
        saved = start
        for dispatch in loop.dispatches(
            compiled,
            state,
            program.store,
            num_updates=settings.num_updates,
            updates_per_dispatch=settings.updates_per_dispatch,
            num_seeds=len(seeds),
            start=start,
            explain=explainer(program, state, settings.batch_size, len(seeds)),
        ):
            advance(dispatch)
            folder.write(dispatch)
            stop = distributed.any_of(is_told_to_stop())
            if stop or dispatch.step - saved >= checkpoint_every or dispatch.step == settings.num_updates:
                folder.save(dispatch)
                saved = dispatch.step
            if stop and dispatch.step < settings.num_updates:
                folder.complete()
                console.print(
                    f"stopped by SIGTERM after update {dispatch.step} of {settings.num_updates}, with a checkpoint; "
                    f"go on with: {folder.resume_command}",
                    highlight=False,
                    soft_wrap=True,
                )
                sys.exit(0)
    return {"compile": compile_seconds, "train": folder.complete()}


def explainer(program: decision_transformer.Program, state: update.TrainState, batch_size: int, num_seeds: int) -> Any:
    """Makes the function that tells which episodes a batch came from, when its loss became no number."""
    keys = update.collect(state.key, num_seeds)

    def explain(seed: int, step: int) -> str:
        store = jax.tree.map(lambda x: x[0], program.store)
        episodes = _diagnosis.episodes_of_update(program.draw, store, keys[seed], step, batch_size)
        return f"seed {seed}, {_diagnosis.describe(episodes)}"

    return explain


def evaluate(options: Train, seconds: dict[str, float], console: rich.console.Console) -> list[dict[str, Any]]:
    """Loads the finished run from its folder, as anybody would, and lets each model act: the last, and the best.

    Args:
      options: of the run.
      seconds: spent so far, by phase, on all seeds.
      console: where results are shown.

    Returns:
      A result line for each checkpoint and seed.
    """
    last, best = (run_directory.load(options.folder, best=best) for best in (False, True))
    console.print(
        f"checkpoints: last, after update {last.step:,}; best, after update {best.step:,}: {RULE}", highlight=False
    )
    if best.step == last.step:
        return evaluate_run(options, last, "last and best", seconds, console)
    return [
        row
        for name, run in (("last", last), ("best", best))
        for row in evaluate_run(options, run, name, seconds, console)
    ]


def evaluate_run(
    options: Train,
    run: run_directory.Run,
    checkpoint: str,
    seconds: dict[str, float],
    console: rich.console.Console,
) -> list[dict[str, Any]]:
    """Lets the models of one checkpoint act; all act in the same environments, with the same random numbers.

    Args:
      options: of the run.
      run: loaded from the checkpoint.
      checkpoint: its name.
      seconds: spent so far, by phase, on all seeds.
      console: where results are shown.

    Returns:
      A result line for each seed.
    """
    description, world = run.description, run.description.world
    targets = options.targets or (world.best_return,)
    asked = np.tile(np.repeat(targets, options.episodes), 2)
    greedy = np.arange(len(asked)) < len(asked) // 2
    shares = {phase: value / len(description.seeds) for phase, value in seconds.items()}
    rows = []
    for number, seed in enumerate(description.seeds):
        acted = run.act(asked, greedy=greedy, seed=1_000 * (seed + 1), number=number)
        metrics = judge(acted, targets)
        console.print(
            f"seed {seed}, {checkpoint}: asked for {targets[-1]:g}, "
            f"achieved {metrics['achieved_greedy'][-1]:.1f} greedy, {metrics['achieved_sampled'][-1]:.1f} sampled",
            highlight=False,
        )
        rows.append(
            result_rows.make_row(
                experiment="train",
                env=world.env_id if world.env_id != "jax_s4rl/Bsuite-v0" else str(world.env_kwargs["bsuite_id"]),
                dataset=description.dataset,
                method=description.model.model.mixer.name,
                tokens=description.model.model.tokens,
                context_length=description.model.model.context_length,
                seed=seed,
                parameters=network.num_parameters(run.params_of(number)),
                updates=run.step,
                metrics={"checkpoint": checkpoint, **metrics, "milliseconds_per_call": acted.milliseconds_per_call},
                seconds=shares | {"evaluate": acted.compile_seconds + acted.act_seconds},
            )
        )
    return rows


def judge(acted: rollout.Rollout, targets: tuple[float, ...]) -> dict[str, list[float]]:
    """Mean return achieved for each that was asked, greedy and sampled."""
    achieved = acted.record.episode_returns

    def means(of_kind: np.ndarray) -> list[float]:
        return [float(achieved[of_kind & (acted.targets == np.float32(target))].mean()) for target in targets]

    return {"asked": list(targets), "achieved_greedy": means(acted.greedy), "achieved_sampled": means(~acted.greedy)}


def parse(arguments: list[str] | None = None) -> Train:
    """Reads the command line; with `--resume`, what is not given is as it was in the run.

    Args:
      arguments: those of the process if None.

    Returns:
      The options.
    """
    options = tyro.cli(Train, args=arguments, description=__doc__)
    if not options.resume or not (options.folder / run_directory.ABOUT).exists():
        return options
    saved = run_directory.read(options.folder)
    before = Train(dataset=saved.dataset, seeds=len(saved.seeds), settings=saved.settings)
    return tyro.cli(Train, args=arguments, default=before, description=__doc__)


if __name__ == "__main__":
    try:
        main(parse())
    except (ValueError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
