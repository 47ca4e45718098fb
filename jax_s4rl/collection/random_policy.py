"""Behaviors that know nothing: uniform over all actions, or over the legal ones."""

import gymnasium
import numpy as np

from jax_s4rl.collection import rollouts


def uniform(action_space: gymnasium.Space) -> rollouts.Behavior:
    """Chooses every action of the space with the same probability.

    Args:
        action_space: Discrete from 0, or a bounded Box.

    Returns:
        The behavior.

    Raises:
        ValueError: If the space is unbounded or of another kind.

    Example:
        >>> choose = uniform(gymnasium.spaces.Discrete(2))
        >>> choose(rollouts.Sight([None] * 4, [{}] * 4), np.random.default_rng(0)).shape
        (4,)
    """
    if isinstance(action_space, gymnasium.spaces.Discrete):
        num_actions = int(action_space.n)
        return lambda sight, rng: rng.integers(0, num_actions, len(sight.observations))
    if isinstance(action_space, gymnasium.spaces.Box) and action_space.is_bounded():
        low, high = action_space.low, action_space.high
        return lambda sight, rng: rng.uniform(low, high, (len(sight.observations), *low.shape)).astype(np.float32)
    raise ValueError(f"got the action space {action_space}, wanted Discrete or a bounded Box")


def uniform_legal(sight: rollouts.Sight, rng: np.random.Generator) -> np.ndarray:
    """Chooses among the actions that `info["action_mask"]` allows, each with the same probability.

    Args:
        sight: What the environments show; every info holds a mask with at least one 1.
        rng: Source of randomness.

    Returns:
        One action per environment.

    Example:
        >>> sight = rollouts.Sight([0], [{"action_mask": np.array([0, 1, 0], np.int8)}])
        >>> uniform_legal(sight, np.random.default_rng(0)).tolist()
        [1]
    """
    masks = np.stack([info["action_mask"] for info in sight.infos]).astype(bool)
    return np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
