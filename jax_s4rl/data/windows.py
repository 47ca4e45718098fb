"""Windows of fixed length, cut from trajectories on the device: padding and the time index live here."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from jax_s4rl.data import returns, sampling, trajectories

NO_ACTION = -1


class Store(NamedTuple):
    """A whole data set on the device, with all that a window needs precomputed (N steps, E episodes).

    `time_steps` is each step's index in its own episode, `remaining` the steps from it to the episode's end, itself
    included. `episode_bounds` says how often each episode is drawn, see `sampling.bounds`.
    """

    observations: Shaped[Array, "N *obs"]
    actions: Shaped[Array, "N *action"]
    returns_to_go: Float[Array, " N"]
    time_steps: Int[Array, " N"]
    remaining: Int[Array, " N"]
    episode_starts: Int[Array, " E"]
    episode_bounds: UInt32[Array, " E"]


class Windows(NamedTuple):
    """Rows of `context_length` (K) steps: a slice of one episode, padded on the right, or whole episodes end to end.

    `previous_actions` holds the action of the step before (also the one before the window), and -1 (discrete) or 0
    (continuous) at an episode's first step and in the padding. Elsewhere the padding holds zeros. `mask` is True on
    real steps. `resets` is True where an episode starts inside a packed row; None where each row is of one episode.
    """

    observations: Shaped[Array, "B K *obs"]
    actions: Shaped[Array, "B K *action"]
    previous_actions: Shaped[Array, "B K *action"]
    returns_to_go: Float[Array, "B K"]
    time_steps: Int[Array, "B K"]
    mask: Bool[Array, "B K"]
    resets: Bool[Array, "B K"] | None = None


def make_store(record: trajectories.Trajectories, weighting: str = "length") -> Store:
    """Puts a record on the default device, with its returns-to-go and clocks.

    Args:
        record: The episodes; their arrays must fit into device memory.
        weighting: How often each episode is drawn, see `sampling.episode_weights`.

    Returns:
        Device arrays to draw windows from.
    """
    lengths = record.episode_lengths
    time_steps = np.arange(record.num_steps) - np.repeat(record.episode_starts, lengths)
    remaining = np.repeat(lengths, lengths) - time_steps
    weights = sampling.episode_weights(lengths, record.episode_returns, weighting)
    return Store(
        observations=jnp.asarray(record.observations),
        actions=jnp.asarray(record.actions),
        returns_to_go=jnp.asarray(returns.returns_to_go(record.rewards, lengths)),
        time_steps=jnp.asarray(time_steps, jnp.int32),
        remaining=jnp.asarray(remaining, jnp.int32),
        episode_starts=jnp.asarray(record.episode_starts, jnp.int32),
        episode_bounds=jnp.asarray(sampling.bounds(weights)),
    )


def gather_windows(store: Store, first_steps: Int[Array, " B"], context_length: int) -> Windows:
    """Cuts the windows that begin at the given steps.

    Args:
        store: What `make_store` gave.
        first_steps: Flat index of each window's first step, from 0 to N - 1.
        context_length: Steps in each window (K).

    Returns:
        The windows; none reaches into the next episode.

    Raises:
        ValueError: If `context_length` is below 1.

    Example:
        >>> one = trajectories.Episode(np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...                            np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> batch = gather_windows(make_store(trajectories.from_episodes([one])), jnp.array([0]), 4)
        >>> batch.mask.tolist(), batch.returns_to_go.tolist()
        ([[True, True, False, False]], [[2.0, 1.0, 0.0, 0.0]])
    """
    if context_length < 1:
        raise ValueError(f"got context_length {context_length}, wanted at least 1 step")
    offsets = jnp.arange(context_length, dtype=jnp.int32)
    mask = offsets[None, :] < store.remaining[first_steps][:, None]
    steps = jnp.where(mask, first_steps[:, None] + offsets[None, :], first_steps[:, None])
    return _cut(store, steps, mask)


def gather_packed(store: Store, episodes: Int[Array, "B M"], context_length: int) -> Windows:
    """Lays the given episodes end to end in each row; the last one that has room is cut off at the row's end.

    Args:
        store: What `make_store` gave.
        episodes: Numbers of episodes for each row; as many as fill it in any case, what does not fit is left out.
        context_length: Steps in each row (K).

    Returns:
        The rows, with `resets` where an episode starts. Steps that no episode fills are padding.

    Example:
        >>> one = trajectories.Episode(np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...                            np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> batch = gather_packed(make_store(trajectories.from_episodes([one])), jnp.array([[0, 0]]), 3)
        >>> batch.resets.tolist(), batch.time_steps.tolist()
        ([[True, False, True]], [[0, 1, 0]])
    """
    starts = store.episode_starts[episodes]
    ends = jnp.cumsum(store.remaining[starts], axis=1)
    offsets = jnp.arange(context_length, dtype=jnp.int32)
    slots = jax.vmap(lambda row: jnp.searchsorted(row, offsets, side="right"))(ends).astype(jnp.int32)
    mask = slots < episodes.shape[1]
    slots = jnp.minimum(slots, episodes.shape[1] - 1)
    begins = jnp.take_along_axis(ends - store.remaining[starts], slots, axis=1)
    steps = jnp.take_along_axis(starts, slots, axis=1) + jnp.where(mask, offsets[None, :] - begins, 0)
    return _cut(store, steps, mask)._replace(resets=mask & (offsets[None, :] == begins))


def _cut(store: Store, steps: Int[Array, "B K"], mask: Bool[Array, "B K"]) -> Windows:
    """The given steps, with zeros where `mask` is False."""
    time_steps = store.time_steps[steps]
    has_previous = mask & (time_steps > 0)
    no_action = NO_ACTION if store.actions.ndim == 1 else 0
    return Windows(
        observations=_keep(store.observations[steps], mask, 0),
        actions=_keep(store.actions[steps], mask, 0),
        previous_actions=_keep(store.actions[jnp.maximum(steps - 1, 0)], has_previous, no_action),
        returns_to_go=_keep(store.returns_to_go[steps], mask, 0),
        time_steps=_keep(time_steps, mask, 0),
        mask=mask,
    )


def _keep(values: Shaped[Array, "B K *rest"], mask: Bool[Array, "B K"], filler: int) -> Shaped[Array, "B K *rest"]:
    wide = mask.reshape(mask.shape + (1,) * (values.ndim - 2))
    return jnp.where(wide, values, jnp.asarray(filler, values.dtype))
