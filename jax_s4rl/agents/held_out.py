"""Losses of trained models on episodes that they were not trained on."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.agents import decision_transformer, multi_seed
from jax_s4rl.data import trajectories, windows
from jax_s4rl.models import configs

# Number of windows in one call of the compiled program.
ROWS = 64


def split(
    record: trajectories.Trajectories, share: float, *, seed: int = 0
) -> tuple[trajectories.Trajectories, trajectories.Trajectories]:
    """Splits a record by episodes.

    Args:
        record: At least two episodes.
        share: Share of the episodes that is held out, above 0 and below 1.
        seed: Seed of the choice.

    Returns:
        The episodes to train on, and those held out, each in the order of the record.

    Raises:
        ValueError: If the share is out of range, or one of the two would be empty.
    """
    if not 0 < share < 1 or record.num_episodes < 2:
        raise ValueError(
            f"got the share {share} of {record.num_episodes} episodes to hold out, wanted one "
            "above 0 and below 1 of at least 2; give more episodes, or hold out none"
        )
    count = min(max(1, round(share * record.num_episodes)), record.num_episodes - 1)
    order = np.random.default_rng(seed).permutation(record.num_episodes)
    return record.select(np.sort(order[count:])), record.select(np.sort(order[:count]))


def loss(
    config: configs.DecisionTransformerConfig, params: Any, record: trajectories.Trajectories
) -> float:
    """Computes the mean training loss over all steps of a record, without dropout.

    Episodes are cut into windows of the model's context, from their first step on.

    Args:
        config: Shape of the model.
        params: Parameters of the model.
        record: Episodes of its task.

    Returns:
        The loss, that of a batch in training: cross-entropy in nats, or squared error of
        standardized actions, and the weighted losses of further heads.
    """
    length, store = config.model.context_length, windows.make_store(record)
    lengths = record.episode_lengths
    counts = -(-lengths // length)
    # The number of the window within its episode.
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    firsts = np.repeat(record.episode_starts, counts) + length * numbers
    total, weight = 0.0, 0.0
    for start in range(0, len(firsts), ROWS):
        part = firsts[start : start + ROWS]
        # The last call is filled up, so that one compiled program serves all.
        filled = np.resize(part, ROWS).astype(np.int32)
        is_real = jnp.arange(ROWS) < len(part)
        one_total, one_weight = _sums(config)(params, store, jnp.asarray(filled), is_real)
        total, weight = total + float(one_total), weight + float(one_weight)
    return total / weight if weight else math.nan


@multi_seed.shared
def _sums(config: configs.DecisionTransformerConfig) -> Callable[..., Any]:
    """Makes the function of the sum and the weight of the losses of windows."""
    compute = decision_transformer.loss_function(config, is_training=False)

    @jax.jit
    def run(params: Any, store: windows.Store, firsts: jax.Array, is_real: jax.Array) -> Any:
        batch = windows.gather_windows(store, firsts, config.model.context_length)
        batch = batch._replace(mask=batch.mask & is_real[:, None])
        # Not used without dropout, but a loss takes a key for each row.
        return compute(params, batch, jax.random.split(jax.random.key(0), len(firsts)))

    return run
