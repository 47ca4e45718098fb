"""Trains several seeds of one model in one compiled program; shared by all agents."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
import rich.console

from jax_s4rl.training import loop, update

# Number of programs that stay compiled, for trainings with the same settings and other data or
# seeds. A compiled program takes 20 to 100 MB.
KEPT = 4

Config = TypeVar("Config")
Made = TypeVar("Made")


class Schedule(Protocol):
    """Length of a training: the fields that all settings share."""

    @property
    def batch_size(self) -> int:
        """Number of rows in one update, over all devices."""
        ...

    @property
    def num_updates(self) -> int:
        """Number of updates, each a gradient step."""
        ...

    @property
    def updates_per_dispatch(self) -> int:
        """Number of updates in one call of the compiled program."""
        ...


@dataclasses.dataclass(frozen=True)
class Program(Generic[Config]):
    """Program and data of a training, shared by all its seeds.

    Attributes:
        config: Shape of the model.
        init: Function that makes the states before the first update from the seeds, on the devices.
        draw: Function that draws the rows of a batch from a store.
        store: Data of the training, replicated over the devices.
        update: Pmapped update of `num_seeds` models at once, not yet compiled.
        shorter: Function that makes such an update with another number of updates in a dispatch.
    """

    config: Config
    init: Callable[[Sequence[int]], update.TrainState]
    draw: update.Draw
    store: Any
    update: loop.Update
    shorter: Callable[[int], loop.Update] | None = None


class Fitted(NamedTuple):
    """Result of the training of one seed.

    Attributes:
        seed: Seed of the training.
        params: Parameters after the last update, in the structure that the update trains.
        log: Losses, and an equal share of the time of all seeds that were trained together.
        compile_seconds: Seconds to compile the update, which all seeds share.
    """

    seed: int
    params: Any
    log: loop.TrainingLog
    compile_seconds: float


def build(
    config: Config,
    schedule: Schedule,
    *,
    init_params: Callable[[jax.Array], Any],
    transformation: Any,
    loss: update.LossFunction,
    draw: update.Draw,
    store: Any,
    num_seeds: int = 1,
    num_micro_batches: int = 1,
    devices: Sequence[Any] | None = None,
) -> Program[Config]:
    """Builds the program of a training, and puts the data on the devices.

    Trainings with the same functions and sizes share a compiled program.

    Args:
        config: Shape of the model.
        schedule: Length of the training.
        init_params: Function that draws the parameters of one seed from a typed key.
        transformation: Optimizer of the parameters, an `optax.GradientTransformation`.
        loss: Loss of a batch.
        draw: Function that draws the rows of a batch from the store.
        store: Data of the training, on the host.
        num_seeds: Number of models trained at once.
        num_micro_batches: Number of parts in which a device computes its rows.
        devices: Devices to train on; all devices if None.

    Returns:
        The program.

    Raises:
        ValueError: If a number of updates is below 1, or the batch does not fit the devices.
    """
    loop.check_dispatches(schedule.num_updates, schedule.updates_per_dispatch)

    make_update = functools.partial(
        _update,
        loss,
        draw,
        transformation,
        batch_size=schedule.batch_size,
        num_seeds=num_seeds,
        num_micro_batches=num_micro_batches,
        devices=None if devices is None else tuple(devices),
    )
    run_update = make_update(updates_per_dispatch=schedule.updates_per_dispatch)
    init_one = _init(init_params, transformation)

    def init(seeds: Sequence[int]) -> update.TrainState:
        return update.place([init_one(jax.random.key(seed)) for seed in seeds], devices)

    def shorter(count: int) -> loop.Update:
        return make_update(updates_per_dispatch=count)

    return Program(config, init, draw, update.replicate(store, devices), run_update, shorter)


def shared(make: Callable[..., Made]) -> Callable[..., Made]:
    """Lets equal calls of a function share their result; the last `KEPT` results stay.

    Calls with arguments that cannot be hashed share nothing.

    Args:
        make: Function that makes something.

    Returns:
        The function, with a memory.
    """
    kept = functools.lru_cache(maxsize=KEPT)(make)

    @functools.wraps(make)
    def call(*arguments: Any, **options: Any) -> Made:
        try:
            hash((arguments, *options.values()))
        except TypeError:
            return make(*arguments, **options)
        return kept(*arguments, **options)

    return call


# JAX keeps what it compiled as long as the function lives.
_update = shared(update.make)


@shared
def _init(
    init_params: Callable[[jax.Array], Any], transformation: Any
) -> Callable[[jax.Array], update.TrainState]:
    @jax.jit
    def init_one(key: jax.Array) -> update.TrainState:
        # One half initializes the parameters, the other draws the batches and the dropout.
        param_key, train_key = jax.random.split(key)
        return update.init(init_params(param_key), transformation, train_key)

    return init_one


def fit(
    program: Program[Any],
    schedule: Schedule,
    *,
    seeds: Sequence[int],
    title: str,
    console: rich.console.Console | None = None,
    watch: Callable[[loop.Dispatch], None] | None = None,
) -> Iterator[Fitted]:
    """Compiles a program and trains all its seeds to the end.

    Args:
        program: Program for the number of seeds that are given.
        schedule: Length of the training.
        seeds: Seeds of parameters and batches.
        title: Text before the progress bar.
        console: Console for the progress bar.
        watch: Function that gets every dispatch, see `loop.run`.

    Yields:
        The result of each seed, in the order of the seeds.

    Raises:
        ValueError: If a number of updates is below 1.
        FloatingPointError: If the loss is no longer finite.
    """
    state = program.init(seeds)
    compiled, compile_seconds = loop.compile_update(program.update, state, program.store)
    state, log = loop.run(
        compiled,
        state,
        program.store,
        num_updates=schedule.num_updates,
        updates_per_dispatch=schedule.updates_per_dispatch,
        num_seeds=len(seeds),
        shorter=program.shorter,
        title=title,
        console=console,
        watch=watch,
    )
    params = update.collect(state.params, len(seeds))
    for number, seed in enumerate(seeds):
        own = jax.tree.map(lambda x, n=number: x[n], params)
        yield Fitted(seed, own, log.of_seed(number, len(seeds)), compile_seconds)
