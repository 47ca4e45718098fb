"""Training regimes: how the rows of a batch are drawn from recorded episodes.

| regime | a row is | state at its start | fits acting with |
| --- | --- | --- | --- |
| `"windows"` | a slice of one episode, from any step on | cleared in mid-episode | a memory that restarts on the way |
| `"episodes"` | one whole episode, padded | cleared where the episode starts | a state carried through the episode |
| `"packed"` | whole episodes end to end, no padding | the same, by resets in the row | the same; lengths that differ |
| `"openings"` | the first steps of an episode | cleared where the episode starts | tasks that are decided early |

A model only meets a state in acting that it has met in training if the two fit.
"""

from collections.abc import Callable

import jax
from jaxtyping import Array, Key

from jax_s4rl.data import sampling, trajectories, windows

REGIMES = ("windows", "episodes", "packed", "openings")
WHOLE = ("episodes", "packed")

Draw = Callable[[Key[Array, " B"], windows.Store], windows.Windows]


def make(regime: str, record: trajectories.Trajectories, *, context_length: int) -> Draw:
    """Makes the function that draws the rows of a batch.

    A key for each row lets devices share a batch: each draws its own rows, and together they draw the same batch as one
    device would.

    Args:
        regime: "windows", "episodes", "packed" or "openings".
        record: The episodes; only their lengths matter here.
        context_length: Steps in each row (K).

    Returns:
        A pure function of [B] typed keys and a store (`windows.make_store`) to B rows; every shape is static.

    Raises:
        ValueError: If there is no such regime, the context is below 1, or the longest episode does not fit into it
            where episodes are to be whole.

    Example:
        >>> import numpy as np
        >>> one = trajectories.Episode(np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...                            np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> record = trajectories.from_episodes([one])
        >>> draw = make("packed", record, context_length=3)
        >>> draw(jax.random.split(jax.random.key(0), 1), windows.make_store(record)).resets.tolist()
        [[True, False, True]]
    """
    if context_length < 1:
        raise ValueError(f"got context_length {context_length}, wanted at least 1 step")
    if regime not in REGIMES:
        raise ValueError(f"got regime={regime!r}, wanted one of {', '.join(REGIMES)}")
    longest, shortest = int(record.episode_lengths.max()), int(record.episode_lengths.min())
    if regime in WHOLE and longest > context_length:
        raise ValueError(
            f"training on whole episodes asks for context_length >= {longest}, the longest episode, but it is "
            f"{context_length}; raise it, or take the regime 'windows'"
        )
    if regime == "packed":
        count = -(-context_length // shortest)
        return lambda keys, store: windows.gather_packed(store, _episodes(keys, store, count), context_length)
    first = _anywhere if regime == "windows" else _beginning
    return lambda keys, store: windows.gather_windows(store, first(keys, store), context_length)


def _anywhere(keys: Key[Array, " B"], store: windows.Store) -> Array:
    """An episode by its weight, and a step of it uniformly."""
    both = jax.vmap(jax.random.split)(keys)
    starts = _beginning(both[:, 0], store)
    lengths = store.remaining[starts]
    return starts + jax.vmap(lambda key, length: jax.random.randint(key, (), 0, length))(both[:, 1], lengths)


def _beginning(keys: Key[Array, " B"], store: windows.Store) -> Array:
    return store.episode_starts[_episodes(keys, store, 1)[:, 0]]


def _episodes(keys: Key[Array, " B"], store: windows.Store, count: int) -> Array:
    return jax.vmap(lambda key: sampling.draw_episodes(key, store.episode_bounds, count))(keys)
