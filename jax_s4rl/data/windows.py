"""Windows of fixed length, cut from trajectories on the device: padding and the time index live here."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from jax_s4rl.data import returns, trajectories

NO_ACTION = -1
STARTS = ("anywhere", "beginning")


class Store(NamedTuple):
    """A whole data set on the device, with all that a window needs precomputed (N steps, E episodes).

    `time_steps` is each step's index in its own episode, `remaining` the steps from it to the episode's end, itself
    included.
    """

    observations: Shaped[Array, "N *obs"]
    actions: Shaped[Array, "N *action"]
    returns_to_go: Float[Array, " N"]
    time_steps: Int[Array, " N"]
    remaining: Int[Array, " N"]
    episode_starts: Int[Array, " E"]


class Windows(NamedTuple):
    """Slices of `context_length` (K) steps, each from one episode, padded on the right.

    `previous_actions` holds the action of the step before (also the one before the window), and -1 (discrete) or 0
    (continuous) at an episode's first step and in the padding. Elsewhere the padding holds zeros. `mask` is True on
    real steps.
    """

    observations: Shaped[Array, "B K *obs"]
    actions: Shaped[Array, "B K *action"]
    previous_actions: Shaped[Array, "B K *action"]
    returns_to_go: Float[Array, "B K"]
    time_steps: Int[Array, "B K"]
    mask: Bool[Array, "B K"]


def make_store(record: trajectories.Trajectories) -> Store:
    """Puts a record on the default device, with its returns-to-go and clocks.

    Args:
        record: The episodes; their arrays must fit into device memory.

    Returns:
        Device arrays for `sample_windows`.
    """
    lengths = record.episode_lengths
    time_steps = np.arange(record.num_steps) - np.repeat(record.episode_starts, lengths)
    remaining = np.repeat(lengths, lengths) - time_steps
    return Store(
        observations=jnp.asarray(record.observations),
        actions=jnp.asarray(record.actions),
        returns_to_go=jnp.asarray(returns.returns_to_go(record.rewards, lengths)),
        time_steps=jnp.asarray(time_steps, jnp.int32),
        remaining=jnp.asarray(remaining, jnp.int32),
        episode_starts=jnp.asarray(record.episode_starts, jnp.int32),
    )


def sample_windows(keys: Key[Array, " B"], store: Store, context_length: int, *, start: str = "anywhere") -> Windows:
    """Draws one window for each key; pure, and every shape is static.

    A key for each row lets devices share a batch: each draws its own rows, and together they draw the same batch as one
    device would.

    Args:
        keys: [B] typed keys, one for each window.
        store: What `make_store` gave.
        context_length: Steps in each window (K); shorter slices are padded on the right.
        start: "anywhere" draws the first step uniformly over all steps, that is an episode in proportion to its length
            and a step within it; "beginning" draws an episode uniformly and starts at its step 0.

    Returns:
        The windows.

    Raises:
        ValueError: If there is no key, the context is below 1 or `start` has no meaning.

    Example:
        >>> one = trajectories.Episode(np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...                            np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> store = make_store(trajectories.from_episodes([one]))
        >>> batch = sample_windows(jax.random.split(jax.random.key(0), 1), store, 4, start="beginning")
        >>> batch.mask.tolist(), batch.returns_to_go.tolist()
        ([[True, True, False, False]], [[2.0, 1.0, 0.0, 0.0]])
    """
    if start not in STARTS:
        raise ValueError(f"got start={start!r}, wanted one of {', '.join(STARTS)}")
    count = len(store.actions) if start == "anywhere" else len(store.episode_starts)
    chosen = jax.vmap(lambda key: jax.random.randint(key, (), 0, count))(keys)
    return gather_windows(store, chosen if start == "anywhere" else store.episode_starts[chosen], context_length)


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
    """
    if context_length < 1:
        raise ValueError(f"got context_length {context_length}, wanted at least 1 step")
    offsets = jnp.arange(context_length, dtype=jnp.int32)
    mask = offsets[None, :] < store.remaining[first_steps][:, None]
    steps = jnp.where(mask, first_steps[:, None] + offsets[None, :], first_steps[:, None])
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
