"""The training loop on the host: dispatches updates, checks their metrics, shows progress."""

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

# Longest title of a progress bar; the whole line then fits 80 columns.
TITLE_WIDTH = 20

Update = Callable[[Any, Any], tuple[Any, updates.Metrics]]
"""Function of train states and store, from `update.make` or `compile_update`."""


class Dispatch(NamedTuple):
    """Result of one call of the compiled update.

    Attributes:
        step: Number of updates made so far.
        train_state: States on the devices; they are donated to the next dispatch, so read them
            before the loop goes on.
        metrics: Metrics of each update of the dispatch, on the host: [seeds, updates].
        seconds: Wall-clock time of this dispatch.
    """

    step: int
    train_state: Any
    metrics: updates.Metrics
    seconds: float

    def means(self) -> dict[str, list[float]]:
        """Computes the mean of each metric over the dispatch's updates, one for each seed."""
        return {
            name: np.mean(values, axis=-1).tolist()
            for name, values in self.metrics._asdict().items()
        }

    @property
    def loss(self) -> float:
        """Mean loss over updates and seeds."""
        return float(np.mean(self.metrics.loss))


class Diverged(FloatingPointError):
    """Error for a loss or gradient that is no longer finite.

    Attributes:
        step: Number of updates before the first bad one; the parameters were still good then.
    """

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step


@dataclasses.dataclass(frozen=True)
class TrainingLog:
    """Losses, gradient norms and time of a training run.

    Attributes:
        steps: Number of updates made after each dispatch.
        losses: Mean loss of each dispatch, a list with one number for each seed.
        gradient_norms: Mean gradient norm of each dispatch, a list with one number for each seed.
        seconds: Wall-clock time of all updates; compilation is not in it.
    """

    steps: list[int]
    losses: list[Any]
    gradient_norms: list[Any]
    seconds: float

    def of_seed(self, number: int, num_seeds: int) -> "TrainingLog":
        """Returns the log of one seed, with an equal share of the time.

        Args:
            number: Position of the seed among the seeds trained at once.
            num_seeds: Number of seeds trained at once.

        Returns:
            The log with the losses and gradient norms of this seed.
        """
        losses, norms = (
            [values[number] for values in every] for every in (self.losses, self.gradient_norms)
        )
        return TrainingLog(self.steps, losses, norms, self.seconds / num_seeds)

    @property
    def updates_per_second(self) -> float:
        """Updates over wall-clock time, compilation not included."""
        return self.steps[-1] / self.seconds


def compile_update(update: Update, train_state: Any, store: Any) -> tuple[Update, float]:
    """Compiles an update before its first call.

    Compilation can then be timed separately, and the compiled update can serve several runs. With
    several processes pmap compiles only at its first call; then the update is called once with a
    copy of the state, and the result of this call is dropped.

    Args:
        update: Update function, from `update.make`.
        train_state: States on the devices; they are not changed.
        store: Replicated data.

    Returns:
        The compiled update (with several processes, the update itself) and the seconds that it
        took.
    """
    start = time.perf_counter()
    if jax.process_count() > 1:
        # A copy, because the update donates its argument.
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
    shorter: Callable[[int], Update] | None = None,
    explain: Callable[[int, int], str] | None = None,
) -> Iterator[Dispatch]:
    """Trains and yields the result of each dispatch; training ends when the caller stops iterating.

    During training only metrics leave the devices, and nothing enters them. If the last dispatch
    has fewer updates than the others, its program is compiled before it.

    Args:
        update: Update function, from `update.make` or `compile_update`; without ahead-of-time
            compilation the first dispatch takes longer.
        train_state: States on the devices; they are donated and must not be used again.
        store: Replicated data for the update's `draw`.
        num_updates: Number of updates of the whole training, those before `start` included.
        updates_per_dispatch: Number with which `update` was made.
        num_seeds: Number of seeds with which `update` was made.
        start: Number of updates that `train_state` has had before.
        shorter: Function that makes an update for a last dispatch of fewer updates; None if all
            dispatches are whole.
        explain: Function of the seed whose loss or gradient is not finite and the number of updates
            before; its text is put into the error, for instance the episodes of the batch.

    Yields:
        One dispatch after the other, up to `num_updates`.

    Raises:
        ValueError: If there are too few updates, or they do not make whole dispatches and `shorter`
            is None.
        Diverged: If a loss or gradient is no longer finite; that dispatch is not yielded.
    """
    check_dispatches(num_updates, updates_per_dispatch, start=start)
    if shorter is None and (num_updates - start) % updates_per_dispatch:
        raise ValueError(
            f"{num_updates - start} updates do not make whole dispatches of "
            f"{updates_per_dispatch}; take a multiple, or pass shorter="
        )
    for step in range(start, num_updates, updates_per_dispatch):
        count = min(updates_per_dispatch, num_updates - step)
        if shorter is not None and count < updates_per_dispatch:
            update, _ = compile_update(shorter(count), train_state, store)
        begin = time.perf_counter()
        train_state, metrics = update(train_state, store)
        # Fetched first and indexed on the host: indexing on a device would send the index there.
        # Fetching also waits for the end of the dispatch, so the time below is that of its work.
        metrics = updates.collect(jax.device_get(metrics), num_seeds)
        _check_finite(metrics, step, explain)
        yield Dispatch(step + count, train_state, metrics, time.perf_counter() - begin)


def run(
    update: Update,
    train_state: Any,
    store: Any,
    *,
    num_updates: int,
    updates_per_dispatch: int,
    num_seeds: int = 1,
    shorter: Callable[[int], Update] | None = None,
    title: str = "training",
    console: rich.console.Console | None = None,
    watch: Callable[[Dispatch], None] | None = None,
) -> tuple[Any, TrainingLog]:
    """Trains for `num_updates` updates, by `dispatches`, and shows a progress bar.

    Args:
        update: Update function; see `dispatches`.
        train_state: States on the devices; see `dispatches`.
        store: Replicated data; see `dispatches`.
        num_updates: Number of updates.
        updates_per_dispatch: Number with which `update` was made.
        num_seeds: Number of seeds with which `update` was made.
        shorter: Function that makes the update of a shorter last dispatch; see `dispatches`.
        title: Text before the progress bar.
        console: Console for the progress bar; a console that is not a terminal shows nothing.
        watch: Function that gets every dispatch. It has to copy whatever it keeps of the train
            state, which is donated to the next dispatch.

    Returns:
        The last states, still on the devices, and the log.

    Raises:
        ValueError: If there are too few updates; see `dispatches`.
        Diverged: If a loss or gradient is no longer finite.
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
            shorter=shorter,
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


def check_dispatches(num_updates: int, updates_per_dispatch: int, *, start: int = 0) -> None:
    """Checks the length of a training and of its dispatches.

    Args:
        num_updates: Number of updates of the whole training.
        updates_per_dispatch: Number of updates in one call of the update.
        start: Number of updates made before.

    Raises:
        ValueError: If one of the numbers is below 1, or more updates were made before than there
            are.
    """
    if num_updates < 1:
        raise ValueError(f"num_updates is {num_updates}; train for at least 1 update")
    if updates_per_dispatch < 1:
        raise ValueError(
            f"updates_per_dispatch is {updates_per_dispatch}; a dispatch makes at least 1 update"
        )
    if start > num_updates:
        raise ValueError(
            f"{start} updates were made before, num_updates is {num_updates}; give at least as many"
        )


@contextmanager
def progress(
    title: str, total: int, console: rich.console.Console | None = None, *, start: int = 0
) -> Iterator[Callable[[Dispatch], None]]:
    """Shows a progress bar of at most 80 columns on a terminal, and nothing elsewhere.

    Args:
        title: Text before the bar, shortened if it is long.
        total: Number of updates of the whole training.
        console: Console for the bar.
        start: Number of updates made before.

    Yields:
        A function that advances the bar after a dispatch.
    """
    console = console or rich.console.Console()
    if not console.is_terminal:
        yield lambda dispatch: None
        return
    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(bar_width=8),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("loss {task.fields[loss]:.4g}"),
        rich.progress.TextColumn("{task.fields[speed]:.3g}/s"),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    begin = time.perf_counter()
    short = title if len(title) <= TITLE_WIDTH else f"{title[: TITLE_WIDTH - 1]}…"
    with bar:
        task = bar.add_task(short, total=total, completed=start, loss=math.nan, speed=0.0)

        def advance(dispatch: Dispatch) -> None:
            speed = (dispatch.step - start) / (time.perf_counter() - begin)
            bar.update(task, completed=dispatch.step, loss=dispatch.loss, speed=speed)

        yield advance


def _check_finite(
    metrics: updates.Metrics, step: int, explain: Callable[[int, int], str] | None
) -> None:
    """Raises `Diverged` at the first update with a metric that is not finite."""
    firsts = {name: _first_bad(values) for name, values in metrics._asdict().items()}
    bad = {name: first for name, first in firsts.items() if first is not None}
    if not bad:
        return
    # The pairs compare by their updates first.
    name = min(bad, key=bad.__getitem__)
    number, seed = bad[name]
    reason = f" ({explain(seed, step + number)})" if explain is not None else ""
    raise Diverged(
        f"the {name.replace('_', ' ')} became {getattr(metrics, name)[seed, number]} at update "
        f"{step + number + 1}{reason}; lower the learning rate, or look for bad numbers in the "
        "data",
        step + number,
    )


def _first_bad(values: Float[np.ndarray, "seeds updates"]) -> tuple[int, int] | None:
    """Returns the first update with a number that is not finite, and the seed of that number."""
    # Transposed, because `argwhere` lists entries row by row: updates have to come first.
    bad = np.argwhere(~np.isfinite(values).T)
    return (int(bad[0, 0]), int(bad[0, 1])) if len(bad) else None
