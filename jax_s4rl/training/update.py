"""The update of the parameters: several gradient steps in one program, pmapped over all devices."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from jax_s4rl import stack

AXIS = "devices"


class TrainState(NamedTuple):
    """All that changes in training; where several seeds are trained at once, stacked along a leading axis.

    Attributes:
      params: of the model.
      opt_state: of the optimizer.
      step: updates so far; with `key` it fixes all randomness to come, so a resumed run repeats an uninterrupted one.
      key: typed key of the run.
    """

    params: Any
    opt_state: Any
    step: Int[Array, "*seeds"]
    key: PRNGKeyArray


Draw = Callable[[Any, Any], Any]
"""Draws the rows of a batch from a store: `draw(keys, store)`, with one typed key for each row."""

LossFunction = Callable[[Any, Any, Key[Array, " rows"]], tuple[Float[Array, ""], Float[Array, ""]]]
"""`loss(params, batch, noise)` gives sum and weight; their quotient over the rows of all devices is minimized.

`noise` is a typed key for each row: what a row draws from its own is the same wherever the row is.
"""


class Metrics(NamedTuple):
    """What one update tells, before the parameters change.

    Attributes:
      loss: mean over the global batch.
      gradient_norm: of the mean gradient, before clipping.
    """

    loss: Float[Array, "*updates"]
    gradient_norm: Float[Array, "*updates"]


def init(params: Any, optimizer: optax.GradientTransformation, key: PRNGKeyArray) -> TrainState:
    """The state of one seed before its first update."""
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

    Every row of the global batch has a key of its own, made from the run's key, the step and the row's number. So the
    same rows are drawn whatever the number of devices, and each device gathers its own share. Several seeds are trained
    in one program, each as if it were alone: spread over the devices where these divide them, and otherwise all on
    every device, which then share the rows of each seed's batch.

    Args:
      loss: of a batch.
      draw: of rows from the store.
      optimizer: of the parameters.
      batch_size: rows of one update of one seed, over all devices.
      updates_per_dispatch: updates in one call, in one compiled program.
      num_seeds: models trained at once.
      num_micro_batches: parts in which a device takes its rows, one after the other, to save memory; the gradient is
        that of all.
      devices: to train on; all devices if None.

    Returns:
      A pmapped function of the train states (see `place`) and the store (see `replicate`) to the next train states and
      the metrics of each update, [devices, num_seeds, updates_per_dispatch], the same on all devices. The given states
      are donated.

    Raises:
      ValueError: the devices or the micro-batches do not divide the batch, or the installed JAX must not be used (see
        `stack`).
    """
    stack.require()
    num_devices = len(devices) if devices is not None else jax.device_count()
    shared = not _is_spread(num_seeds, num_devices)
    rows = _rows(batch_size, num_devices if shared else 1, num_micro_batches)
    if updates_per_dispatch < 1:
        raise ValueError(f"updates_per_dispatch is {updates_per_dispatch}; a dispatch makes at least 1 update")

    def update_one(train_state: TrainState, store: Any) -> tuple[TrainState, Metrics]:
        def body(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            part = jax.lax.axis_index(AXIS) if shared else jnp.zeros((), jnp.int32)
            sums = _sums(state, store, loss, draw, part * rows + jnp.arange(rows, dtype=jnp.int32), num_micro_batches)
            return _descend(state, jax.lax.psum(sums, AXIS) if shared else sums, optimizer)

        return jax.lax.scan(body, train_state, length=updates_per_dispatch)

    def update(train_states: TrainState, store: Any) -> tuple[TrainState, Metrics]:
        train_states, metrics = _over_seeds(update_one, train_states, store)
        # Small, and so every process can watch all seeds.
        return train_states, metrics if shared else jax.lax.all_gather(metrics, AXIS, tiled=True)

    return jax.pmap(update, axis_name=AXIS, donate_argnums=0, devices=devices)


def choose_devices(batch_size: int, num_seeds: int, devices: Sequence[Any] | None = None) -> list[Any]:
    """As many devices as can be given the same work: seeds of their own, or as many rows of every batch.

    Args:
      batch_size: rows of one update of one seed.
      num_seeds: models trained at once.
      devices: that there are; all devices of this process if None.

    Returns:
      The first of them, to be given to `make`, `replicate` and `place`.

    Example:
      >>> [len(choose_devices(rows, seeds, range(8))) for rows, seeds in ((64, 5), (100, 5), (7, 1))]
      [8, 5, 7]
    """
    found = list(devices) if devices is not None else jax.local_devices()
    even = [n for n in range(1, len(found) + 1) if _is_spread(num_seeds, n) or batch_size % n == 0]
    return found[: max(even)]


def _over_seeds(update_one: Callable[..., Any], train_states: TrainState, store: Any) -> Any:
    if train_states.step.shape[0] > 1:
        return jax.vmap(update_one, in_axes=(0, None))(train_states, store)
    # One seed alone is spared an axis of length one, which every operation would carry along.
    results = update_one(jax.tree.map(lambda x: x[0], train_states), store)
    return jax.tree.map(lambda x: x[None], results)


def _is_spread(num_seeds: int, num_devices: int) -> bool:
    """Whether every device trains its own seeds; otherwise all devices train all of them together."""
    if num_seeds < 1:
        raise ValueError(f"num_seeds is {num_seeds}; train at least 1 model")
    return num_seeds % num_devices == 0


def _rows(batch_size: int, num_parts: int, num_micro_batches: int) -> int:
    """Rows of a batch on one device."""
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
    state: TrainState, store: Any, loss: LossFunction, draw: Draw, row_numbers: Int[Array, " rows"], num_parts: int
) -> Any:
    """Loss, weight and gradient, each summed over the given rows of the batch."""
    _, noise_key = _draw_and_noise_keys(state.key, state.step)
    value_and_grad = jax.value_and_grad(loss, has_aux=True)

    def of_rows(numbers: Int[Array, " part"]) -> Any:
        batch = draw(row_keys(state.key, state.step, numbers), store)
        return value_and_grad(state.params, batch, jax.vmap(jax.random.fold_in, (None, 0))(noise_key, numbers))

    parts = row_numbers.reshape(num_parts, -1)
    if num_parts == 1:
        return of_rows(parts[0])

    def add(sums: Any, numbers: Int[Array, " part"]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, of_rows(numbers)), None

    return jax.lax.scan(add, of_rows(parts[0]), parts[1:])[0]


def _descend(state: TrainState, sums: Any, optimizer: optax.GradientTransformation) -> tuple[TrainState, Metrics]:
    """Changes the parameters by the mean gradient."""
    # Devices may hold different numbers of real steps: sums are added first and divided once.
    (total, weight), gradient = sums
    scale = 1.0 / jnp.maximum(weight, jnp.ones_like(weight))
    gradient = jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient)
    changes, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, changes)
    metrics = Metrics(total * scale, optax.tree.norm(gradient))
    return TrainState(params, opt_state, state.step + 1, state.key), metrics


def row_keys(key: PRNGKeyArray, step: Int[Array, ""] | int, row_numbers: Int[Array, " rows"]) -> Key[Array, " rows"]:
    """The keys with which rows of a batch are drawn: the same rows can be drawn again, to see what was in them.

    Args:
      key: of the run.
      step: updates made before.
      row_numbers: places in the global batch.

    Returns:
      A key for each row.
    """
    draw_key, _ = _draw_and_noise_keys(key, step)
    return jax.vmap(jax.random.fold_in, (None, 0))(draw_key, row_numbers)


def _draw_and_noise_keys(key: PRNGKeyArray, step: Int[Array, ""] | int) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    draw_key, noise_key = jax.random.split(jax.random.fold_in(key, step))
    return draw_key, noise_key


def replicate(tree: Any, devices: Sequence[Any] | None = None) -> Any:
    """Copies a tree to every device, with a leading axis of devices."""
    count = len(devices) if devices is not None else jax.local_device_count()
    # The axis has the name of the update's, or the first dispatch would be compiled for another mesh than the next.
    copy = jax.pmap(lambda _, x: x, axis_name=AXIS, in_axes=(0, None), devices=devices)
    return copy(jnp.arange(count), tree)


def place(train_states: Sequence[TrainState], devices: Sequence[Any] | None = None) -> TrainState:
    """Lays the states of all seeds out on the devices, as the function that `make` returned takes them.

    Args:
      train_states: one for each seed, the same on every process.
      devices: those that `make` was given; all devices if None.

    Returns:
      The states, [devices of this process, seeds on a device, ...].
    """
    # One program: by themselves, the many small operations would each be compiled.
    stacked = jax.jit(lambda states: jax.tree.map(lambda *x: jnp.stack(x), *states))(list(train_states))
    everywhere = list(devices) if devices is not None else jax.devices()
    if not _is_spread(len(train_states), len(everywhere)):
        return replicate(stacked, devices)
    own = jnp.asarray([n for n, device in enumerate(everywhere) if device.process_index == jax.process_index()])
    split = jax.tree.map(lambda x: x.reshape(len(everywhere), -1, *x.shape[1:])[own], stacked)
    return jax.pmap(lambda x: x, axis_name=AXIS, devices=devices)(split)


def collect(tree: Any, num_seeds: int) -> Any:
    """Takes states, or parts of them, of all seeds back from the devices, on every process.

    Args:
      tree: of arrays [devices of this process, seeds on a device, ...], still there or fetched to the host.
      num_seeds: models trained at once.

    Returns:
      The tree with arrays [seeds, ...], copied to the host but for typed keys.
    """

    def one(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.asarray(one(jax.random.key_data(x))), impl=jax.random.key_impl(x))
        # A copy: what NumPy shows of an array on the CPU is the array itself, which the next update overwrites.
        x = np.array(x)
        if x.shape[1] == num_seeds:
            return x[0]
        x = x.reshape(-1, *x.shape[2:])
        return x if len(x) == num_seeds else np.asarray(multihost_utils.process_allgather(x, tiled=True))

    return jax.tree.map(one, tree)
