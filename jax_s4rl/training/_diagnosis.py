"""What a batch held: the rows of any update can be drawn again, for they follow from the run's key and the step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PRNGKeyArray

from jax_s4rl.training import update

SHOWN = 20


def episodes_of_update(
    draw: update.Draw, store: Any, key: PRNGKeyArray, step: int, batch_size: int
) -> Int[np.ndarray, " episodes"]:
    """The episodes in the batch of one update.

    Args:
      draw: with which the update was made.
      store: as in `data.windows`, one replica: its `observations` have an entry for each recorded step, which `draw`
        gathers where its `mask` says.
      key: of the run.
      step: updates made before.
      batch_size: rows of the update, over all devices.

    Returns:
      Numbers of the episodes in the record, each once, in order.
    """
    keys = update.row_keys(key, step, jnp.arange(batch_size, dtype=jnp.int32))
    return episodes_of_rows(draw, store, keys)


def episodes_of_rows(draw: update.Draw, store: Any, keys: Key[Array, " rows"]) -> Int[np.ndarray, " episodes"]:
    """The episodes in the rows that are drawn with the given keys; see `episodes_of_update`."""
    # Each step carries its own number in place of its observation, so whatever `draw` gathers tells where it was.
    numbered = store._replace(observations=jnp.arange(len(store.observations), dtype=jnp.int32))
    batch = jax.jit(draw)(keys, numbered)
    steps = np.asarray(batch.observations)[np.asarray(batch.mask)]
    return np.unique(np.searchsorted(np.asarray(store.episode_starts), steps, side="right") - 1)


def describe(episodes: Int[np.ndarray, " episodes"]) -> str:
    """Names the episodes of a batch in a few words.

    Example:
      >>> describe(np.array([3, 5]))
      'its batch came from episodes 3, 5'
    """
    shown = ", ".join(str(number) for number in episodes[:SHOWN])
    more = f" and {len(episodes) - SHOWN} more" if len(episodes) > SHOWN else ""
    return f"its batch came from episodes {shown}{more}"
