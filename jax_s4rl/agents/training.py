"""Trains in a run directory.

It restores the newest checkpoint, trains, writes metrics and checkpoints, and stops at SIGTERM or
Ctrl-C.
"""

import contextlib
import math
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import rich.console

from jax_s4rl.agents import (
    _diagnosis,
    decision_transformer,
    exhaustion,
    interruption,
    multi_seed,
    ranges,
    run_directory,
    tasks,
)
from jax_s4rl.training import distributed, loop, optimizer, update


def run(
    task: tasks.Task,
    settings: decision_transformer.Settings,
    seeds: tuple[int, ...],
    folder: Path,
    *,
    resume: bool,
    checkpoint_every: int,
    console: rich.console.Console,
    options: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Trains all seeds in a run directory, to the end or until SIGTERM or Ctrl-C.

    Args:
        task: Task to learn, with its episodes.
        settings: Settings of model and training.
        seeds: Seeds of the models, which are trained together.
        folder: Run directory; made if it is missing.
        resume: Whether to continue a run in the folder from its last checkpoint.
        checkpoint_every: Number of updates between checkpoints.
        console: Console for progress and messages.
        options: Options of a command that a resumed run remembers.

    Returns:
        Seconds by phase, "compile" and "train".

    Raises:
        ValueError: If settings are out of range, do not fit the task or the devices, or the folder
            holds another run.
        FloatingPointError: If the loss is no longer finite.
        OSError: If the disk refuses; the error says how to go on from the last checkpoint.
        exhaustion.Exhausted: If memory is exhausted; the error names settings that need less.
        SystemExit: If SIGTERM arrived; a checkpoint was written, and the status is 0.
        interruption.Stopped: If Ctrl-C arrived; a checkpoint was written.
    """
    ranges.check_training(settings, len(seeds), checkpoint_every)
    ranges.check_seeds(seeds)

    def report(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    with exhaustion.named(settings, len(seeds), folder):
        program = decision_transformer.prepare(settings, task, len(seeds))
        description = run_directory.describe(task, settings, program.config, seeds)
        distributed.check_same("the data", description.dataset_hash)
        with run_directory.open_for_training(
            folder, description, resume=resume, report=report, options=options
        ) as directory:
            return train(program, settings, directory, checkpoint_every, console)


def train(
    program: multi_seed.Program,
    settings: decision_transformer.Settings,
    directory: run_directory.RunDirectory,
    checkpoint_every: int,
    console: rich.console.Console,
) -> dict[str, float]:
    """Trains in an open run directory, to the end or until SIGTERM or Ctrl-C.

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
        interruption.Stopped: If Ctrl-C arrived; a checkpoint was written.
    """
    seeds = directory.description.seeds
    title = f"{directory.description.dataset}: {settings.model.mixer.name}, {len(seeds)} seeds"
    with contextlib.ExitStack() as opened:
        # Before anything else: a signal during compilation stops the run after its first dispatch.
        signal_arrived = opened.enter_context(interruption.watched())
        state, start = directory.restore(program.init(seeds))
        _report_longer(settings, directory, start)
        compiled, compile_seconds = loop.compile_update(program.update, state, program.store)
        advance = opened.enter_context(
            loop.progress(title, settings.num_updates, console, start=start)
        )
        # Checkpoints are due where the updates pass a multiple of this: in the same places wherever
        # the run was stopped and resumed.
        distance = math.ceil(checkpoint_every / settings.updates_per_dispatch)
        distance *= settings.updates_per_dispatch
        before = start
        for dispatch in loop.dispatches(
            compiled,
            state,
            program.store,
            num_updates=settings.num_updates,
            updates_per_dispatch=settings.updates_per_dispatch,
            num_seeds=len(seeds),
            start=start,
            shorter=program.shorter,
            explain=_explainer(program, state, settings.batch_size, len(seeds)),
        ):
            advance(dispatch)
            directory.write(dispatch)
            # All processes stop together: one that continued would wait for the others forever.
            stop = distributed.any_of(signal_arrived() is not None)
            is_due = dispatch.step // distance > before // distance
            is_due |= dispatch.step == settings.num_updates
            if stop or is_due:
                since = (dispatch.step - 1) // distance * distance
                directory.save(dispatch, since=since if is_due else None)
            before = dispatch.step
            if stop:
                directory.complete()
                _stop(signal_arrived(), dispatch.step, settings, directory)
    return {"compile": compile_seconds, "train": directory.complete()}


def _report_longer(
    settings: decision_transformer.Settings, directory: run_directory.RunDirectory, start: int
) -> None:
    """Says what more updates than planned mean for the learning rate."""
    before, updates = directory.updates_before, settings.num_updates
    if before is None or before >= updates:
        return
    planned, longer, last = (
        optimizer.rates(settings.optimization, length, step)["learning_rate"]
        for length, step in ((before, start), (updates, start), (updates, updates))
    )
    directory.report(
        f"{before:,} updates were planned, now {updates:,}: from here on the learning rate is that "
        f"of a run of {updates:,} updates, so it goes from {planned:.3g} to {longer:.3g} and falls "
        f"to {last:.3g} at the end; a run of this length from its start gives another result"
    )


def _stop(
    number: int | None,
    step: int,
    settings: decision_transformer.Settings,
    directory: run_directory.RunDirectory,
) -> None:
    """Ends the training after a signal, with a sentence."""
    name = "a signal to another process" if number is None else interruption.name_of(number)
    directory.report(
        f"stopped by {name} after update {step} of {settings.num_updates}, with a checkpoint; "
        f"resume with: {directory.resume_command}"
    )
    if number == signal.SIGINT:
        raise interruption.Stopped(number)
    sys.exit(0)


def _explainer(
    program: multi_seed.Program,
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
