"""The training loop on the host: dispatches updates, watches them, and shows how far they are."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np
import rich.console
import rich.progress
from jaxtyping import Float

from jax_s4rl.training import update as updates

Update = Callable[[Any, Any], tuple[Any, updates.Metrics]]
"""What `update.make` or `compile_update` returned."""


class Dispatch(NamedTuple):
    """What one call of the compiled update leaves.

    Attributes:
      step: updates made so far.
      train_state: replicated; donated to the next dispatch, so read it before the loop goes on.
      metrics: of each of the dispatch's updates, on the host: [seeds, updates].
      seconds: wall-clock time of this dispatch.
    """

    step: int
    train_state: Any
    metrics: updates.Metrics
    seconds: float

    def means(self) -> dict[str, list[float]]:
        """Mean of each metric over the dispatch's updates, one for each seed."""
        return {name: np.mean(values, axis=-1).tolist() for name, values in self.metrics._asdict().items()}

    @property
    def loss(self) -> float:
        """Mean loss over updates and seeds."""
        return float(np.mean(self.metrics.loss))


class Diverged(FloatingPointError):
    """A loss or gradient is no longer a finite number.

    Attributes:
      step: updates made before the first bad one; the parameters were still good then.
    """

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step


@dataclasses.dataclass(frozen=True)
class TrainingLog:
    """What a training run left behind.

    Attributes:
      steps: number of updates made when each loss was taken.
      losses: mean loss of each dispatch, a list of one for each seed.
      gradient_norms: mean gradient norm of each dispatch, likewise.
      seconds: wall-clock time of all updates; compilation is not in it.
    """

    steps: list[int]
    losses: list[Any]
    gradient_norms: list[Any]
    seconds: float

    def of_seed(self, number: int, num_seeds: int) -> "TrainingLog":
        """The log of one seed: its losses and gradient norms, and its share of the time."""
        losses, norms = ([values[number] for values in every] for every in (self.losses, self.gradient_norms))
        return TrainingLog(self.steps, losses, norms, self.seconds / num_seeds)

    @property
    def updates_per_second(self) -> float:
        """Updates over wall-clock time, compilation not included."""
        return self.steps[-1] / self.seconds


def compile_update(update: Update, train_state: Any, store: Any) -> tuple[Update, float]:
    """Compiles an update ahead of its first call, so that it can be timed apart and serve several runs.

    Args:
      update: what `update.make` returned.
      train_state: replicated; only its shapes are used.
      store: replicated data; only its shapes are used.

    Returns:
      The compiled update, and the seconds that it took. Over several processes, where pmap compiles on its first call
      only, the update itself after a first call with a copy of the state.
    """
    start = time.perf_counter()
    if jax.process_count() > 1:
        jax.block_until_ready(update(jax.tree.map(lambda x: x.copy(), train_state), store))
        return update, time.perf_counter() - start
    compiled = update.lower(train_state, store).compile()  # pyright: ignore[reportFunctionMemberAccess]
    return compiled, time.perf_counter() - start


def dispatches(
    update: Update,
    train_state: Any,
    store: Any,
    *,
    num_updates: int,
    updates_per_dispatch: int,
    num_seeds: int = 1,
    start: int = 0,
    explain: Callable[[int, int], str] | None = None,
) -> Iterator[Dispatch]:
    """Trains, and hands out what each dispatch leaves; whoever stops asking stops the training.

    Only metrics leave the devices, and nothing enters them.

    Args:
      update: what `update.make` or `compile_update` returned; the first makes the first dispatch longer.
      train_state: replicated; it is donated and must not be used again.
      store: replicated data for the update's `draw`.
      num_updates: of the whole training, those before `start` included.
      updates_per_dispatch: the number that `update` was made with.
      num_seeds: the number that `update` was made with.
      start: updates that `train_state` has behind it.
      explain: told which seed's loss or gradient became no number, and the updates made before; what it returns stands
        in the error, for instance what that batch held.

    Yields:
      One dispatch after the other, up to `num_updates`.

    Raises:
      ValueError: the updates do not make whole dispatches.
      Diverged: a loss or gradient is no longer a finite number; nothing is yielded from that dispatch.
    """
    check_dispatches(num_updates, updates_per_dispatch)
    check_dispatches(num_updates - start, updates_per_dispatch, least=0)
    for step in range(start, num_updates, updates_per_dispatch):
        begin = time.perf_counter()
        train_state, metrics = update(train_state, store)
        # Fetched first and put together here: indexing on a device would send the index there.
        metrics = updates.collect(jax.device_get(metrics), num_seeds)
        _check_finite(metrics, step, explain)
        yield Dispatch(step + updates_per_dispatch, train_state, metrics, time.perf_counter() - begin)


def run(
    update: Update,
    train_state: Any,
    store: Any,
    *,
    num_updates: int,
    updates_per_dispatch: int,
    num_seeds: int = 1,
    title: str = "training",
    console: rich.console.Console | None = None,
    watch: Callable[[Dispatch], None] | None = None,
) -> tuple[Any, TrainingLog]:
    """Trains for `num_updates` updates without a stop: `dispatches` with a progress bar, to its end.

    Args:
      update: see `dispatches`.
      train_state: see `dispatches`.
      store: see `dispatches`.
      num_updates: a multiple of `updates_per_dispatch`.
      updates_per_dispatch: see `dispatches`.
      num_seeds: see `dispatches`.
      title: stands before the progress bar.
      console: where progress is shown; nothing is shown if it is no terminal.
      watch: sees every dispatch; of its train state it has to copy what it keeps, for the next dispatch takes it.

    Returns:
      The last train state, still replicated, and the log.

    Raises:
      ValueError: the updates do not make whole dispatches.
      Diverged: a loss or gradient is no longer a finite number.
    """
    steps, losses, norms = [], [], []
    begin = time.perf_counter()
    with progress(title, num_updates, console) as advance:
        for dispatch in dispatches(
            update,
            train_state,
            store,
            num_updates=num_updates,
            updates_per_dispatch=updates_per_dispatch,
            num_seeds=num_seeds,
        ):
            train_state = dispatch.train_state
            means = dispatch.means()
            steps.append(dispatch.step)
            losses.append(means["loss"])
            norms.append(means["gradient_norm"])
            if watch is not None:
                watch(dispatch)
            advance(dispatch)
    return train_state, TrainingLog(steps, losses, norms, time.perf_counter() - begin)


def check_dispatches(num_updates: int, updates_per_dispatch: int, *, least: int = 1) -> None:
    """Raises `ValueError` unless the updates fill whole dispatches."""
    if num_updates < least or num_updates % updates_per_dispatch:
        raise ValueError(
            f"{num_updates} updates do not make whole dispatches of {updates_per_dispatch}; "
            "take a multiple, or fewer updates per dispatch"
        )


@contextmanager
def progress(
    title: str, total: int, console: rich.console.Console | None = None, *, start: int = 0
) -> Iterator[Callable[[Dispatch], None]]:
    """Shows a bar on a terminal, and nothing elsewhere.

    Args:
      title: stands before the bar.
      total: updates of the whole training.
      console: where the bar is shown.
      start: updates made before.

    Yields:
      A function that moves the bar on after a dispatch.
    """
    console = console or rich.console.Console()
    if not console.is_terminal:
        yield lambda dispatch: None
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
    begin = time.perf_counter()
    with bar:
        task = bar.add_task(title, total=total, completed=start, loss=math.nan, speed=0.0)

        def advance(dispatch: Dispatch) -> None:
            speed = (dispatch.step - start) / (time.perf_counter() - begin)
            bar.update(task, completed=dispatch.step, loss=dispatch.loss, speed=speed)

        yield advance


def _check_finite(metrics: updates.Metrics, step: int, explain: Callable[[int, int], str] | None) -> None:
    firsts = {name: _first_bad(values) for name, values in metrics._asdict().items()}
    bad = {name: first for name, first in firsts.items() if first is not None}
    if not bad:
        return
    name = min(bad, key=bad.__getitem__)
    number, seed = bad[name]
    reason = f" ({explain(seed, step + number)})" if explain is not None else ""
    raise Diverged(
        f"the {name.replace('_', ' ')} became {getattr(metrics, name)[seed, number]} at update {step + number + 1}"
        f"{reason}; lower the learning rate, or look for bad numbers in the data",
        step + number,
    )


def _first_bad(values: Float[np.ndarray, "seeds updates"]) -> tuple[int, int] | None:
    """The first update in which a seed has no finite number, and that seed."""
    bad = np.argwhere(~np.isfinite(values).T)
    return (int(bad[0, 0]), int(bad[0, 1])) if len(bad) else None
