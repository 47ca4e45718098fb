"""The training loop on the host: dispatches updates, watches them, and shows how far they are."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
import rich.console
import rich.progress

from jax_s4rl.training import update as updates


@dataclasses.dataclass(frozen=True)
class TrainingLog:
    """What a training run left behind.

    Attributes:
      steps: number of updates made when each loss was taken.
      losses: mean loss of each dispatch.
      gradient_norms: mean gradient norm of each dispatch.
      seconds: wall-clock time of all updates; compilation is not in it.
    """

    steps: list[int]
    losses: list[float]
    gradient_norms: list[float]
    seconds: float

    @property
    def updates_per_second(self) -> float:
        """Updates over wall-clock time, compilation not included."""
        return self.steps[-1] / self.seconds


def compile_update(
    update: Callable[[updates.TrainState, Any], tuple[updates.TrainState, updates.Metrics]],
    train_state: updates.TrainState,
    store: Any,
) -> tuple[Any, float]:
    """Compiles an update ahead of its first call, so that it can be timed apart and serve several runs.

    Args:
      update: what `update.make` returned.
      train_state: replicated; only its shapes are used.
      store: replicated data; only its shapes are used.

    Returns:
      The compiled update, and the seconds that it took.
    """
    start = time.perf_counter()
    compiled = update.lower(train_state, store).compile()  # pyright: ignore[reportFunctionMemberAccess]
    return compiled, time.perf_counter() - start


def run(
    update: Callable[[updates.TrainState, Any], tuple[updates.TrainState, updates.Metrics]],
    train_state: updates.TrainState,
    store: Any,
    *,
    num_updates: int,
    updates_per_dispatch: int,
    title: str = "training",
    console: rich.console.Console | None = None,
) -> tuple[updates.TrainState, TrainingLog]:
    """Trains for `num_updates` updates.

    Args:
      update: what `update.make` or `compile_update` returned; the first makes the first dispatch longer.
      train_state: replicated; it is donated and must not be used again.
      store: replicated data for the update's `draw`.
      num_updates: a multiple of `updates_per_dispatch`.
      updates_per_dispatch: the number that `update` was made with.
      title: stands before the progress bar.
      console: where progress is shown; nothing is shown if it is no terminal.

    Returns:
      The last train state, still replicated, and the log.

    Raises:
      ValueError: the updates do not make whole dispatches.
      FloatingPointError: the loss is no longer a finite number.
    """
    check_dispatches(num_updates, updates_per_dispatch)
    steps, losses, norms = [], [], []
    start = time.perf_counter()
    with _progress(title, num_updates, console) as advance:
        for step in range(updates_per_dispatch, num_updates + 1, updates_per_dispatch):
            train_state, metrics = update(train_state, store)
            loss, norm = (float(np.mean(values)) for values in jax.device_get(updates.unreplicate(metrics)))
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"{title}: the loss became {loss} between update {step - updates_per_dispatch} and {step}; "
                    "lower the learning rate, or look for bad numbers in the data"
                )
            steps.append(step)
            losses.append(loss)
            norms.append(norm)
            advance(step, loss)
    return train_state, TrainingLog(steps, losses, norms, time.perf_counter() - start)


def check_dispatches(num_updates: int, updates_per_dispatch: int) -> None:
    """Raises `ValueError` unless the updates fill whole dispatches."""
    if num_updates < 1 or num_updates % updates_per_dispatch:
        raise ValueError(
            f"{num_updates} updates do not make whole dispatches of {updates_per_dispatch}; "
            "take a multiple, or fewer updates per dispatch"
        )


@contextmanager
def _progress(title: str, total: int, console: rich.console.Console | None) -> Iterator[Callable[[int, float], None]]:
    console = console or rich.console.Console()
    if not console.is_terminal:
        yield lambda step, loss: None
        return
    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("loss {task.fields[loss]:.4f}"),
        rich.progress.TextColumn("{task.fields[speed]:.1f} updates/s"),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    start = time.perf_counter()
    with bar:
        task = bar.add_task(title, total=total, loss=math.nan, speed=0.0)

        def advance(step: int, loss: float) -> None:
            speed = step / (time.perf_counter() - start)
            bar.update(task, completed=step, loss=loss, speed=speed)

        yield advance
