"""The update of the parameters: several gradient steps in one program, pmapped over all devices.

Random numbers follow one convention. Folding the step into the run's key gives the key of the
update; splitting this one gives a key for drawing rows and a key for noise; folding the row's
number in the global batch into either one gives the row's own key. So a row does not depend on the
number of devices, and any row can be drawn again.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from jax_s4rl import self_test
from jax_s4rl.training import _freed_programs

AXIS = "devices"


class TrainState(NamedTuple):
    """Everything that changes in training.

    The states of several seeds are stacked along a leading axis.

    Attributes:
        params: Parameters of the model.
        opt_state: State of the optimizer.
        step: Number of updates so far. Together with `key` it determines all further randomness, so
            a resumed run repeats an uninterrupted one.
        key: Typed key of the run; it does not change.
    """

    params: Any
    opt_state: Any
    step: Int[Array, "*seeds"]
    key: PRNGKeyArray


Draw = Callable[[Any, Any], Any]
"""Function `draw(keys, store)` that draws rows from a store, with one typed key for each row."""

LossFunction = Callable[[Any, Any, Key[Array, " rows"]], tuple[Float[Array, ""], Float[Array, ""]]]
"""Function `loss(params, batch, noise)` that returns the sum and the weight of a batch's losses.

Training minimizes the sum over the rows of all devices, divided by their weight. `noise` has a
typed key for each row, so that a row's random numbers do not depend on the device that holds it.
"""


class Metrics(NamedTuple):
    """Metrics of one update, with the parameters before it.

    Attributes:
        loss: Mean loss over the global batch.
        gradient_norm: Global norm of the mean gradient, before clipping.
    """

    loss: Float[Array, "*updates"]
    gradient_norm: Float[Array, "*updates"]


def init(params: Any, optimizer: optax.GradientTransformation, key: PRNGKeyArray) -> TrainState:
    """Makes the state of one seed before its first update.

    Args:
        params: Parameters of the model.
        optimizer: Optimizer of the parameters.
        key: Typed key of the run.

    Returns:
        The state at step 0.
    """
    return TrainState(params, optimizer.init(params), jnp.zeros((), jnp.int32), key)


def make(
    loss: LossFunction,
    draw: Draw,
    optimizer: optax.GradientTransformation,
    *,
    batch_size: int,
    updates_per_dispatch: int,
    num_seeds: int = 1,
    num_micro_batches: int = 1,
    devices: Sequence[Any] | None = None,
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    """Makes the update function.

    Every row of the global batch has its own key, made from the run's key, the step and the row's
    number. So the same rows are drawn with any number of devices, and each device gathers its own
    share. Several seeds are trained in one program, each as if it were alone. If the number of
    devices divides the number of seeds, each device trains its own seeds; otherwise every device
    trains all seeds, and the devices share the rows of each seed's batch.

    Args:
        loss: Loss of a batch.
        draw: Function that draws rows from the store.
        optimizer: Optimizer of the parameters.
        batch_size: Number of rows of one update of one seed, over all devices.
        updates_per_dispatch: Number of updates in one call, in one compiled program.
        num_seeds: Number of models trained at once.
        num_micro_batches: Number of parts in which a device takes its rows, one after the other, to
            save memory; the gradient is that of all rows.
        devices: Devices to train on; all devices if None.

    Returns:
        A pmapped function of the train states (see `place`) and the store (see `replicate`). It
        returns the next train states and the metrics of each update, [devices, num_seeds,
        updates_per_dispatch], the same on all devices. The given states are donated.

    Raises:
        ValueError: If the devices or the micro-batches do not divide the batch, a number is below
            1, or the installed JAX must not be used (see `self_test`).
    """
    self_test.require()
    num_devices = len(devices) if devices is not None else jax.device_count()
    # Shared: all devices work on the same seeds, each on its own rows of their batches.
    shared = not _is_spread(num_seeds, num_devices)
    rows = _rows(batch_size, num_devices if shared else 1, num_micro_batches)
    if updates_per_dispatch < 1:
        raise ValueError(
            f"updates_per_dispatch is {updates_per_dispatch}; a dispatch makes at least 1 update"
        )

    def update_one(train_state: TrainState, store: Any) -> tuple[TrainState, Metrics]:
        def body(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            # A device that is alone with its seeds holds all rows of their batches.
            part = jax.lax.axis_index(AXIS) if shared else jnp.zeros((), jnp.int32)
            sums = _sums(
                state,
                store,
                loss,
                draw,
                part * rows + jnp.arange(rows, dtype=jnp.int32),
                num_micro_batches,
            )
            return _descend(state, jax.lax.psum(sums, AXIS) if shared else sums, optimizer)

        # All updates of a dispatch in one program, so that the devices do not wait for the host.
        return jax.lax.scan(body, train_state, length=updates_per_dispatch)

    def update(train_states: TrainState, store: Any) -> tuple[TrainState, Metrics]:
        train_states, metrics = _over_seeds(update_one, train_states, store)
        # Metrics are small; all are sent to all devices, so that every process can check all seeds.
        return train_states, metrics if shared else jax.lax.all_gather(metrics, AXIS, tiled=True)

    # Donated: the new states take the buffers of the old ones, so that only one copy of parameters
    # and optimizer state is in the memory of a device. The caller must not read the old states.
    mapped = jax.pmap(update, axis_name=AXIS, donate_argnums=0, devices=devices)
    return _freed_programs.with_its_function(mapped, update)


def choose_devices(
    batch_size: int, num_seeds: int, devices: Sequence[Any] | None = None
) -> list[Any]:
    """Chooses as many devices as possible with equal work for each.

    Equal work means the same number of own seeds, or the same number of rows of every batch.

    Args:
        batch_size: Number of rows of one update of one seed.
        num_seeds: Number of models trained at once.
        devices: Devices to choose from; all devices of this process if None.

    Returns:
        The first devices, as many as can be used, for `make`, `replicate` and `place`.

    Raises:
        ValueError: If `num_seeds` is below 1.

    Example:
        >>> sizes = ((64, 5), (100, 5), (7, 1))
        >>> [len(choose_devices(rows, seeds, range(8))) for rows, seeds in sizes]
        [8, 5, 7]
    """
    candidates = list(devices) if devices is not None else jax.local_devices()
    even = [
        n for n in range(1, len(candidates) + 1) if _is_spread(num_seeds, n) or batch_size % n == 0
    ]
    return candidates[: max(even)]


def _over_seeds(update_one: Callable[..., Any], train_states: TrainState, store: Any) -> Any:
    """Runs an update for each seed on this device."""
    if train_states.step.shape[0] > 1:
        return jax.vmap(update_one, in_axes=(0, None))(train_states, store)
    # For one seed without `vmap`, which would give every operation an axis of length one.
    results = update_one(jax.tree.map(lambda x: x[0], train_states), store)
    return jax.tree.map(lambda x: x[None], results)


def _is_spread(num_seeds: int, num_devices: int) -> bool:
    """Returns whether each device trains its own seeds; otherwise all devices train all seeds."""
    if num_seeds < 1:
        raise ValueError(f"num_seeds is {num_seeds}; train at least 1 model")
    return num_seeds % num_devices == 0


def _rows(batch_size: int, num_parts: int, num_micro_batches: int) -> int:
    """Computes the number of rows of a batch on one device."""
    if batch_size < 1 or batch_size % num_parts:
        lower = max(batch_size // num_parts, 1) * num_parts
        raise ValueError(
            f"a batch of {batch_size} rows cannot be shared evenly by {num_parts} devices; "
            f"take a multiple of {num_parts}, for instance {lower}"
        )
    rows = batch_size // num_parts
    if num_micro_batches < 1 or rows % num_micro_batches:
        raise ValueError(
            f"{rows} rows on a device cannot be taken in {num_micro_batches} equal parts; "
            "choose a number of micro-batches that divides them"
        )
    return rows


def _sums(
    state: TrainState,
    store: Any,
    loss: LossFunction,
    draw: Draw,
    row_numbers: Int[Array, " rows"],
    num_parts: int,
) -> Any:
    """Sums loss, weight and gradient over the given rows of the batch."""
    _, noise_key = _draw_and_noise_keys(state.key, state.step)
    value_and_grad = jax.value_and_grad(loss, has_aux=True)

    def of_rows(numbers: Int[Array, " part"]) -> Any:
        batch = draw(row_keys(state.key, state.step, numbers), store)
        # While tracing: a draw or loss of another shape is named here, not deep inside of pmap.
        chex.assert_tree_shape_prefix(batch, numbers.shape)
        sums, gradient = value_and_grad(
            state.params, batch, jax.vmap(jax.random.fold_in, (None, 0))(noise_key, numbers)
        )
        chex.assert_rank(sums, 0)
        return sums, gradient

    parts = row_numbers.reshape(num_parts, -1)
    if num_parts == 1:
        return of_rows(parts[0])

    def add(sums: Any, numbers: Int[Array, " part"]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, of_rows(numbers)), None

    # The first part starts the sums, which saves building zeros of the right structure.
    return jax.lax.scan(add, of_rows(parts[0]), parts[1:])[0]


def _descend(
    state: TrainState, sums: Any, optimizer: optax.GradientTransformation
) -> tuple[TrainState, Metrics]:
    """Changes the parameters by the mean gradient."""
    # Devices may hold different numbers of real steps, so sums are added first and divided once.
    (total, weight), gradient = sums
    # A batch without real steps has sums of 0; they are divided by 1, not by 0.
    scale = 1.0 / jnp.maximum(weight, jnp.ones_like(weight))
    gradient = jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient)
    changes, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, changes)
    metrics = Metrics(total * scale, optax.tree.norm(gradient))
    return TrainState(params, opt_state, state.step + 1, state.key), metrics


def row_keys(
    key: PRNGKeyArray, step: Int[Array, ""] | int, row_numbers: Int[Array, " rows"]
) -> Key[Array, " rows"]:
    """Makes the keys with which rows of a batch are drawn.

    With them the same rows can be drawn again later, to inspect them.

    Args:
        key: Typed key of the run.
        step: Number of updates made before.
        row_numbers: Positions of the rows in the global batch.

    Returns:
        A typed key for each row.
    """
    draw_key, _ = _draw_and_noise_keys(key, step)
    # Folded in, not split: a device can make the keys of its own rows alone, and a row's key does
    # not depend on the number of rows.
    return jax.vmap(jax.random.fold_in, (None, 0))(draw_key, row_numbers)


def _draw_and_noise_keys(
    key: PRNGKeyArray, step: Int[Array, ""] | int
) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    draw_key, noise_key = jax.random.split(jax.random.fold_in(key, step))
    return draw_key, noise_key


def replicate(tree: Any, devices: Sequence[Any] | None = None) -> Any:
    """Copies a tree to every device, with a leading axis of devices.

    Args:
        tree: Tree of arrays.
        devices: Devices that `make` was given; all devices if None.

    Returns:
        The tree with arrays [devices of this process, ...].
    """
    count = len(devices) if devices is not None else jax.local_device_count()
    # pmap copies an argument without a mapped axis to every device; the counter only sets their
    # number.
    return _copy(None if devices is None else tuple(devices))(jnp.arange(count), tree)


def place(train_states: Sequence[TrainState], devices: Sequence[Any] | None = None) -> TrainState:
    """Places the states of all seeds on the devices, as the function of `make` takes them.

    Args:
        train_states: State of each seed, the same in every process.
        devices: Devices that `make` was given; all devices if None.

    Returns:
        The states, [devices of this process, seeds on a device, ...].
    """
    everywhere = list(devices) if devices is not None else jax.devices()
    if not _is_spread(len(train_states), len(everywhere)):
        return replicate(_stack(list(train_states)), devices)
    # Every process has the states of all seeds and takes those of its own devices.
    own = tuple(
        n for n, device in enumerate(everywhere) if device.process_index == jax.process_index()
    )
    split = _by_device(list(train_states), len(everywhere), own)
    return _spread(None if devices is None else tuple(devices))(split)


# Functions below are made once: a new one in each training would be compiled, and kept, again. The
# stacking is jitted, because each of its many small operations would be compiled by itself.


@jax.jit
def _stack(states: list[TrainState]) -> TrainState:
    return jax.tree.map(lambda *x: jnp.stack(x), *states)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _by_device(states: list[TrainState], count: int, own: tuple[int, ...]) -> TrainState:
    """Stacks states, [own devices, seeds on a device, ...]."""
    split = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), _stack(states))
    return jax.tree.map(lambda x: x[jnp.array(own)], split)


# The axis has the update's name: with another one the first dispatch would be compiled for another
# mesh than the next.
@functools.cache
def _copy(devices: tuple[Any, ...] | None) -> Callable[[Any, Any], Any]:
    return jax.pmap(lambda _, x: x, axis_name=AXIS, in_axes=(0, None), devices=devices)


@functools.cache
def _spread(devices: tuple[Any, ...] | None) -> Callable[[Any], Any]:
    return jax.pmap(lambda x: x, axis_name=AXIS, devices=devices)


def collect(tree: Any, num_seeds: int) -> Any:
    """Collects states of all seeds, or parts of them, from the devices, in every process.

    If the seeds are spread over several processes, all of these have to call it at the same point.

    Args:
        tree: Tree of arrays [devices of this process, seeds on a device, ...], on the devices or
            already on the host.
        num_seeds: Number of models trained at once.

    Returns:
        The tree with arrays [seeds, ...], copied to the host except for typed keys.
    """

    def one(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(
                jnp.asarray(one(jax.random.key_data(x))), impl=jax.random.key_impl(x)
            )
        # A copy: on the CPU, NumPy would share the memory of a JAX array, which the next update
        # overwrites because its argument is donated.
        x = np.array(x)
        # Every device holds all seeds: the copies on all devices are the same.
        if x.shape[1] == num_seeds:
            return x[0]
        # Every device holds its own seeds. Unless this process has them all, the other processes
        # send theirs.
        x = x.reshape(-1, *x.shape[2:])
        return (
            x
            if len(x) == num_seeds
            else np.asarray(multihost_utils.process_allgather(x, tiled=True))
        )

    return jax.tree.map(one, tree)
