"""Windows of fixed length, cut from trajectories on the device.

Padding and time indices are defined here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from jax_s4rl.data import _narrowing, returns, sampling, trajectories

NO_ACTION = -1


class Store(NamedTuple):
    """A whole data set on the device, with precomputed returns-to-go and indices.

    N is the number of steps, E the number of episodes.

    Attributes:
        observations: Observations of all episodes, one episode after the other.
        actions: Actions of all steps.
        returns_to_go: Undiscounted sum of rewards from each step to the end of its episode.
        time_steps: Index of each step in its own episode.
        remaining: Number of steps from each step to the end of its episode, itself included.
        episode_starts: Index of each episode's first step.
        episode_bounds: Ends of the episodes' shares of all draws, see `sampling.bounds`.
        loss_weights: Weight of each step's action in the loss; None if all have the same.
    """

    observations: Shaped[Array, "N *obs"]
    actions: Shaped[Array, "N *action"]
    returns_to_go: Float[Array, " N"]
    time_steps: Int[Array, " N"]
    remaining: Int[Array, " N"]
    episode_starts: Int[Array, " E"]
    episode_bounds: UInt32[Array, " E"]
    loss_weights: Float[Array, " N"] | None = None


class Windows(NamedTuple):
    """B rows of `context_length` (K) steps.

    A row is a slice of one episode, padded on the right, or holds whole episodes end to end. Unless
    said otherwise, the padding holds zeros.

    Attributes:
        observations: Observation of each step.
        actions: Action of each step.
        previous_actions: Action of the step before each step, also if that one lies before the row;
            -1 (discrete) or 0 (continuous) at an episode's first step and in the padding.
        returns_to_go: Return-to-go of each step.
        time_steps: Index of each step in its own episode.
        mask: True on real steps.
        resets: True where an episode starts in a packed row; None if each row holds one episode.
        loss_weights: Weight of each step's action in the loss; None if all have the same.
    """

    observations: Shaped[Array, "B K *obs"]
    actions: Shaped[Array, "B K *action"]
    previous_actions: Shaped[Array, "B K *action"]
    returns_to_go: Float[Array, "B K"]
    time_steps: Int[Array, "B K"]
    mask: Bool[Array, "B K"]
    resets: Bool[Array, "B K"] | None = None
    loss_weights: Float[Array, "B K"] | None = None

    def inputs(self) -> dict[str, Array | None]:
        """Returns what a model maps, by the names of its arguments."""
        return {name: values for name, values in self._asdict().items() if name != "loss_weights"}


def make_store(
    record: trajectories.Trajectories,
    weighting: str = "length",
    loss_weights: Float[np.ndarray, " N"] | None = None,
) -> Store:
    """Puts a record on the default device, with its returns-to-go and indices.

    Args:
        record: The episodes; their arrays must fit into device memory.
        weighting: Name of the rule that says how often each episode is drawn, see
            `sampling.episode_weights`.
        loss_weights: Weight of each step's action in the loss, 0 or more; None if all have the
            same.

    Returns:
        Device arrays to draw windows from; observations have at most 32 bits.

    Raises:
        ValueError: If there is no such weighting, observations of 64 bits would lose their
            differences in 32, or the weights do not fit the steps.
    """
    _check_weights(record, loss_weights)
    lengths = record.episode_lengths
    time_steps = np.arange(record.num_steps) - np.repeat(record.episode_starts, lengths)
    remaining = np.repeat(lengths, lengths) - time_steps
    weights = sampling.episode_weights(lengths, record.episode_returns, weighting)
    return Store(
        observations=jnp.asarray(_narrowing.to_32_bits("observations", record.observations)),
        actions=jnp.asarray(record.actions),
        returns_to_go=jnp.asarray(returns.returns_to_go(record.rewards, lengths)),
        time_steps=jnp.asarray(time_steps, jnp.int32),
        remaining=jnp.asarray(remaining, jnp.int32),
        episode_starts=jnp.asarray(record.episode_starts, jnp.int32),
        episode_bounds=jnp.asarray(sampling.bounds(weights)),
        loss_weights=None if loss_weights is None else jnp.asarray(loss_weights, jnp.float32),
    )


def _check_weights(
    record: trajectories.Trajectories, loss_weights: Float[np.ndarray, " N"] | None
) -> None:
    if loss_weights is None:
        return
    if loss_weights.shape != record.rewards.shape:
        raise ValueError(
            f"got loss weights of shape {loss_weights.shape}, wanted one for each of the "
            f"{record.num_steps} steps; compute them from the same record"
        )
    if not (np.isfinite(loss_weights).all() and (loss_weights >= 0).all() and loss_weights.any()):
        raise ValueError(
            f"got loss weights from {loss_weights.min():g} to {loss_weights.max():g}, wanted finite"
            " ones of 0 or more, some of them above 0; take the positive part of advantages"
        )


def gather_windows(store: Store, first_steps: Int[Array, " B"], context_length: int) -> Windows:
    """Cuts the windows that begin at the given steps.

    Args:
        store: Data set on the device, from `make_store`.
        first_steps: Flat index of each window's first step, from 0 to N - 1.
        context_length: Number of steps in each window (K).

    Returns:
        The windows; none reaches into the next episode.

    Raises:
        ValueError: If `context_length` is below 1.

    Example:
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> batch = gather_windows(make_store(trajectories.from_episodes([one])), jnp.array([0]), 4)
        >>> batch.mask.tolist(), batch.returns_to_go.tolist()
        ([[True, True, False, False]], [[2.0, 1.0, 0.0, 0.0]])
    """
    if context_length < 1:
        raise ValueError(f"got context_length {context_length}, wanted at least 1 step")
    offsets = jnp.arange(context_length, dtype=jnp.int32)
    mask = offsets[None, :] < store.remaining[first_steps][:, None]
    # Padding points at the window's first step, so that no index leaves the data set.
    steps = jnp.where(mask, first_steps[:, None] + offsets[None, :], first_steps[:, None])
    return _cut(store, steps, mask)


def gather_packed(store: Store, episodes: Int[Array, "B M"], context_length: int) -> Windows:
    """Lays the given episodes end to end in each row.

    The last episode in a row is cut off at the row's end.

    Args:
        store: Data set on the device, from `make_store`.
        episodes: Indices of episodes for each row, enough of them to fill it; those that do not fit
            are left out.
        context_length: Number of steps in each row (K).

    Returns:
        The rows, with `resets` where an episode starts. Steps that no episode fills are padding.

    Example:
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> store = make_store(trajectories.from_episodes([one]))
        >>> batch = gather_packed(store, jnp.array([[0, 0]]), 3)
        >>> batch.resets.tolist(), batch.time_steps.tolist()
        ([[True, False, True]], [[0, 1, 0]])
    """
    starts = store.episode_starts[episodes]
    ends = jnp.cumsum(store.remaining[starts], axis=1)
    offsets = jnp.arange(context_length, dtype=jnp.int32)
    # The episode of each step: the first whose end in the row lies behind the step.
    slots = jax.vmap(lambda row: jnp.searchsorted(row, offsets, side="right"))(ends).astype(
        jnp.int32
    )
    mask = slots < episodes.shape[1]
    # Padding behind the last episode must not index past it.
    slots = jnp.minimum(slots, episodes.shape[1] - 1)
    begins = jnp.take_along_axis(ends - store.remaining[starts], slots, axis=1)
    steps = jnp.take_along_axis(starts, slots, axis=1) + jnp.where(
        mask, offsets[None, :] - begins, 0
    )
    return _cut(store, steps, mask)._replace(resets=mask & (offsets[None, :] == begins))


def has_next(
    mask: Bool[Array, "B K"], resets: Bool[Array, "B K"] | None = None
) -> Bool[Array, "B K"]:
    """Marks the steps whose next step lies in the same row and belongs to the same episode.

    Args:
        mask: True on real steps.
        resets: True where an episode starts in a packed row; None if each row holds one episode.

    Returns:
        The flags; False in the padding.

    Example:
        >>> has_next(jnp.array([[True, True, True, False]])).tolist()
        [[True, True, False, False]]
    """
    # A step has a next one if the step to its right is real and does not start an episode. `roll`
    # wraps around, so the last column is set to False.
    continues = mask if resets is None else mask & ~resets
    return mask & jnp.roll(continues, -1, axis=1).at[:, -1].set(False)


def rewards(batch: Windows) -> Float[Array, "B K"]:
    """Computes the reward of every step from the returns-to-go.

    The last step of a row that cuts its episode gets the return of the whole rest, so that the
    rewards of a row add up to the return-to-go of its first step.

    Args:
        batch: Rows of steps.

    Returns:
        The rewards; 0 in the padding.
    """
    to_go = batch.returns_to_go
    follows = has_next(batch.mask, batch.resets)
    return to_go - jnp.where(follows, jnp.roll(to_go, -1, axis=1), jnp.zeros_like(to_go))


def _cut(store: Store, steps: Int[Array, "B K"], mask: Bool[Array, "B K"]) -> Windows:
    """Gathers the given steps and fills the padding."""
    time_steps = store.time_steps[steps]
    has_previous = mask & (time_steps > 0)
    no_action = NO_ACTION if store.actions.ndim == 1 else 0
    return Windows(
        observations=_fill_padding(store.observations[steps], mask, 0),
        actions=_fill_padding(store.actions[steps], mask, 0),
        # Step 0 of the data set has no step before it; `has_previous` is False there.
        previous_actions=_fill_padding(
            store.actions[jnp.maximum(steps - 1, 0)], has_previous, no_action
        ),
        returns_to_go=_fill_padding(store.returns_to_go[steps], mask, 0),
        time_steps=_fill_padding(time_steps, mask, 0),
        mask=mask,
        loss_weights=None
        if store.loss_weights is None
        else _fill_padding(store.loss_weights[steps], mask, 0),
    )


def _fill_padding(
    values: Shaped[Array, "B K *rest"], mask: Bool[Array, "B K"], filler: int
) -> Shaped[Array, "B K *rest"]:
    # One trailing axis of length 1 for each axis of an observation or action, to broadcast.
    wide = mask.reshape(mask.shape + (1,) * (values.ndim - 2))
    return jnp.where(wide, values, jnp.asarray(filler, values.dtype))
