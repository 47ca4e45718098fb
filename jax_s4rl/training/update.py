"""The update of the parameters: several gradient steps in one program, pmapped over all devices."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

AXIS = "devices"


class TrainState(NamedTuple):
    """All that changes in training.

    Attributes:
      params: of the model.
      opt_state: of the optimizer.
      step: updates so far; with `key` it fixes all randomness to come, so a resumed run repeats an uninterrupted one.
      key: typed key of the run.
    """

    params: Any
    opt_state: Any
    step: Int[Array, ""]
    key: PRNGKeyArray


Draw = Callable[[Any, Any], Any]
"""Draws the rows of a batch from a store: `draw(keys, store)`, with one typed key for each row."""

LossFunction = Callable[[Any, Any, PRNGKeyArray], tuple[Float[Array, ""], Float[Array, ""]]]
"""`loss(params, batch, key)` gives sum and weight; their quotient over the rows of all devices is minimized."""


class Metrics(NamedTuple):
    """What one update tells, before the parameters change.

    Attributes:
      loss: mean over the global batch.
      gradient_norm: of the mean gradient, before clipping.
    """

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]


def init(params: Any, optimizer: optax.GradientTransformation, key: PRNGKeyArray) -> TrainState:
    """The state before the first update."""
    return TrainState(params, optimizer.init(params), jnp.zeros((), jnp.int32), key)


def make(
    loss: LossFunction,
    draw: Draw,
    optimizer: optax.GradientTransformation,
    *,
    batch_size: int,
    updates_per_dispatch: int,
    devices: Sequence[Any] | None = None,
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    """Makes the update function.

    Every row of the global batch has a key of its own, made from the run's key, the step and the row's number. So the
    same rows are drawn whatever the number of devices, and each device gathers its own share.

    Args:
      loss: of a batch.
      draw: of rows from the store.
      optimizer: of the parameters.
      batch_size: rows of one update, over all devices.
      updates_per_dispatch: updates in one call, in one compiled program.
      devices: to share the batch; all devices if None.

    Returns:
      A pmapped function of (train state, store), both replicated (see `replicate`), to the next train state and the
      metrics of each update, [devices, updates_per_dispatch]. The given train state is donated.

    Raises:
      ValueError: the devices do not divide the batch.
    """
    num_devices = len(devices) if devices is not None else jax.device_count()
    if batch_size < 1 or batch_size % num_devices:
        lower = max(batch_size // num_devices, 1) * num_devices
        raise ValueError(
            f"a batch of {batch_size} rows cannot be shared evenly by {num_devices} devices; "
            f"take a multiple of {num_devices}, for instance {lower}"
        )
    if updates_per_dispatch < 1:
        raise ValueError(f"updates_per_dispatch is {updates_per_dispatch}; a dispatch makes at least 1 update")
    rows = batch_size // num_devices

    def update(train_state: TrainState, store: Any) -> tuple[TrainState, Metrics]:
        def body(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            return _update_once(state, store, loss, draw, optimizer, rows)

        return jax.lax.scan(body, train_state, length=updates_per_dispatch)

    return jax.pmap(update, axis_name=AXIS, donate_argnums=0, devices=devices)


def _update_once(
    state: TrainState, store: Any, loss: LossFunction, draw: Draw, optimizer: Any, rows: int
) -> tuple[TrainState, Metrics]:
    device = jax.lax.axis_index(AXIS)
    _, noise_key = _draw_and_noise_keys(state.key, state.step)
    row_numbers = device * rows + jnp.arange(rows, dtype=jnp.int32)
    batch = draw(row_keys(state.key, state.step, row_numbers), store)
    value_and_grad = jax.value_and_grad(loss, has_aux=True)
    (total, weight), gradient = value_and_grad(state.params, batch, jax.random.fold_in(noise_key, device))
    # Devices may hold different numbers of real steps: sums are added first and divided once.
    total, weight, gradient = jax.lax.psum((total, weight, gradient), AXIS)
    scale = 1.0 / jnp.maximum(weight, jnp.ones_like(weight))
    gradient = jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient)
    changes, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, changes)
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradient)))
    metrics = Metrics(total * scale, norm)
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


def unreplicate(tree: Any) -> Any:
    """The first device's copy of a replicated tree."""
    return jax.tree.map(lambda x: x[0], tree)
