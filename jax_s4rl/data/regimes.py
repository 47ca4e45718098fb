"""Training regimes: how the rows of a batch are drawn from recorded episodes.

| regime | content of a row | state at the row's start | fits |
| --- | --- | --- | --- |
| `"windows"` | slice of one episode, from any step on | reset in mid-episode | acting with resets |
| `"episodes"` | one whole episode, padded | reset at the episode's start | acting without reset |
| `"packed"` | whole episodes end to end | reset where episodes start | the same, unequal lengths |
| `"openings"` | first steps of one episode | reset at the episode's start | tasks decided early |

Acting with resets clears the state within an episode; acting without reset carries it through the
whole episode. Packed rows have no padding between episodes. If training and acting do not fit, a
model meets states in acting that it never met in training.
"""

import functools
from collections.abc import Callable

import jax
from jaxtyping import Array, Key

from jax_s4rl.data import sampling, trajectories, windows

REGIMES = ("windows", "episodes", "packed", "openings")
WHOLE = ("episodes", "packed")

Draw = Callable[[Key[Array, " B"], windows.Store], windows.Windows]


def make(regime: str, record: trajectories.Trajectories, *, context_length: int) -> Draw:
    """Makes the function that draws the rows of a batch.

    Each row has its own key, so that devices can share a batch: each device draws its own rows, and
    together they draw the same batch as one device would.

    Args:
        regime: Name of the regime: "windows", "episodes", "packed" or "openings".
        record: The episodes; only their lengths matter here.
        context_length: Number of steps in each row (K).

    Returns:
        A pure function of [B] typed keys and a store (`windows.make_store`) to B rows; every shape
        is static. Equal choices give the same function, so that trainings can share a program.

    Raises:
        ValueError: If there is no such regime, the context is below 1, or the regime needs whole
            episodes and the longest one exceeds the context.

    Example:
        >>> import numpy as np
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
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
            f"training on whole episodes asks for context_length >= {longest}, the longest "
            f"episode, but it is {context_length}; raise it, or take the regime 'windows'"
        )
    if regime == "packed":
        # Rounded up: this many episodes fill a row even if all are as short as the shortest.
        return _packed(-(-context_length // shortest), context_length)
    return _windows(_draw_steps if regime == "windows" else _draw_first_steps, context_length)


@functools.cache
def _packed(count: int, context_length: int) -> Draw:
    return lambda keys, store: windows.gather_packed(
        store, _draw_episodes(keys, store, count), context_length
    )


@functools.cache
def _windows(draw: Callable[..., Array], context_length: int) -> Draw:
    return lambda keys, store: windows.gather_windows(store, draw(keys, store), context_length)


def _draw_steps(keys: Key[Array, " B"], store: windows.Store) -> Array:
    starts = store.episode_starts
    return sampling.draw_steps(keys, store.episode_bounds, starts, store.remaining[starts])


def _draw_first_steps(keys: Key[Array, " B"], store: windows.Store) -> Array:
    return store.episode_starts[_draw_episodes(keys, store, 1)[:, 0]]


def _draw_episodes(keys: Key[Array, " B"], store: windows.Store, count: int) -> Array:
    return jax.vmap(lambda key: sampling.draw_episodes(key, store.episode_bounds, count))(keys)
