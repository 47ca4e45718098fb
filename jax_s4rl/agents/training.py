"""Trains in a run directory.

It restores the newest checkpoint, trains, writes metrics and checkpoints, and stops at SIGTERM.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any

import jax
import rich.console

from jax_s4rl.agents import (
    _diagnosis,
    _interruption,
    decision_transformer,
    run_directory,
    tasks,
)
from jax_s4rl.training import distributed, loop, update


def run(
    task: tasks.Task,
    settings: decision_transformer.Settings,
    seeds: tuple[int, ...],
    folder: Path,
    *,
    resume: bool,
    checkpoint_every: int,
    console: rich.console.Console,
) -> dict[str, float]:
    """Trains all seeds in a run directory, to the end or until SIGTERM.

    Args:
        task: Task to learn, with its episodes.
        settings: Settings of model and training.
        seeds: Seeds of the models, which are trained together.
        folder: Run directory; made if it is missing.
        resume: Whether to continue a run in the folder from its last checkpoint.
        checkpoint_every: Number of updates between checkpoints.
        console: Console for progress and messages.

    Returns:
        Seconds by phase, "compile" and "train".

    Raises:
        ValueError: If settings do not fit the task or the devices, or the folder holds another run.
        FloatingPointError: If the loss is no longer finite.
        SystemExit: If SIGTERM arrived; a checkpoint was written, and the status is 0.
    """
    program = decision_transformer.prepare(settings, task, len(seeds))
    description = run_directory.describe(task, settings, program.config, seeds)
    distributed.check_same("the data", description.dataset_hash)

    def report(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    with run_directory.opened(folder, description, resume=resume, report=report) as directory:
        return train(program, settings, directory, checkpoint_every, console)


def train(
    program: decision_transformer.Program,
    settings: decision_transformer.Settings,
    directory: run_directory.RunDirectory,
    checkpoint_every: int,
    console: rich.console.Console,
) -> dict[str, float]:
    """Trains in an open run directory, to the end or until SIGTERM.

    Args:
        program: Program for the seeds of the run.
        settings: Settings of model and training.
        directory: Run directory, open for training.
        checkpoint_every: Number of updates between checkpoints.
        console: Console for progress and messages.

    Returns:
        Seconds by phase, "compile" and "train".

    Raises:
        ValueError: If the checkpoint does not fit the run.
        FloatingPointError: If the loss is no longer finite.
        SystemExit: If SIGTERM arrived; a checkpoint was written, and the status is 0.
    """
    seeds = directory.description.seeds
    title = f"{directory.description.dataset}: {settings.model.mixer.name}, {len(seeds)} seeds"
    with contextlib.ExitStack() as opened:
        # Before anything else: a signal during compilation stops the run after its first dispatch.
        signal_arrived = opened.enter_context(_interruption.watched())
        state, start = directory.restore(program.init(seeds))
        compiled, compile_seconds = loop.compile_update(program.update, state, program.store)
        advance = opened.enter_context(
            loop.progress(title, settings.num_updates, console, start=start)
        )
        saved = start
        for dispatch in loop.dispatches(
            compiled,
            state,
            program.store,
            num_updates=settings.num_updates,
            updates_per_dispatch=settings.updates_per_dispatch,
            num_seeds=len(seeds),
            start=start,
            explain=_explainer(program, state, settings.batch_size, len(seeds)),
        ):
            advance(dispatch)
            directory.write(dispatch)
            # All processes stop together: one that continued would wait for the others forever.
            stop = distributed.any_of(signal_arrived())
            is_last = dispatch.step == settings.num_updates
            if stop or is_last or dispatch.step - saved >= checkpoint_every:
                directory.save(dispatch)
                saved = dispatch.step
            if stop and not is_last:
                directory.complete()
                console.print(
                    f"stopped by SIGTERM after update {dispatch.step} of {settings.num_updates}, "
                    f"with a checkpoint; resume with: {directory.resume_command}",
                    highlight=False,
                    soft_wrap=True,
                )
                sys.exit(0)
    return {"compile": compile_seconds, "train": directory.complete()}


def _explainer(
    program: decision_transformer.Program,
    state: update.TrainState,
    batch_size: int,
    num_seeds: int,
) -> Any:
    """Makes the function that names the episodes of a batch whose loss is not finite."""
    # Copied now: the first dispatch takes the buffers of the state.
    keys = update.collect(state.key, num_seeds)

    def explain(seed: int, step: int) -> str:
        store = jax.tree.map(lambda x: x[0], program.store)
        episodes = _diagnosis.episodes_of_update(program.draw, store, keys[seed], step, batch_size)
        return f"seed {seed}, {_diagnosis.describe(episodes)}"

    return explain
