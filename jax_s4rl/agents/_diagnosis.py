"""Recovers the episodes in the batch of any update.

The rows of a batch depend only on the run's key and the step, so they can be drawn again.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PRNGKeyArray

from jax_s4rl.training import update

# Largest number of episodes that a message names.
SHOWN = 20


def episodes_of_update(
    draw: update.Draw, store: Any, key: PRNGKeyArray, step: int, batch_size: int
) -> Int[np.ndarray, " episodes"]:
    """Finds the episodes in the batch of one update.

    Args:
        draw: Function with which the update was made.
        store: One replica of a store as in `data.windows`: its `observations` have an entry for
            each recorded step, and the `mask` of a batch is True at the steps that `draw` gathered.
        key: Typed key of the run.
        step: Number of updates made before.
        batch_size: Number of rows of the update, over all devices.

    Returns:
        Indices of the episodes in the record, each once, in order.
    """
    keys = update.row_keys(key, step, jnp.arange(batch_size, dtype=jnp.int32))
    return episodes_of_rows(draw, store, keys)


def episodes_of_rows(
    draw: update.Draw, store: Any, keys: Key[Array, " rows"]
) -> Int[np.ndarray, " episodes"]:
    """Finds the episodes in the rows that are drawn with the given keys.

    Args:
        draw: Function that draws rows; see `episodes_of_update`.
        store: One replica of a store; see `episodes_of_update`.
        keys: Typed key of each row.

    Returns:
        Indices of the episodes in the record, each once, in order.
    """
    # Each step's index takes the place of its observation, so that the rows hold the indices of the
    # steps that `draw` gathered.
    numbered = store._replace(observations=jnp.arange(len(store.observations), dtype=jnp.int32))
    batch = jax.jit(draw)(keys, numbered)
    steps = np.asarray(batch.observations)[np.asarray(batch.mask)]
    return np.unique(np.searchsorted(np.asarray(store.episode_starts), steps, side="right") - 1)


def describe(episodes: Int[np.ndarray, " episodes"]) -> str:
    """Describes the episodes of a batch in a few words.

    Args:
        episodes: Indices of episodes.

    Returns:
        Part of a sentence.

    Example:
        >>> describe(np.array([3, 5]))
        'its batch came from episodes 3, 5'
    """
    shown = ", ".join(str(number) for number in episodes[:SHOWN])
    more = f" and {len(episodes) - SHOWN} more" if len(episodes) > SHOWN else ""
    return f"its batch came from episodes {shown}{more}"
