"""Behaviors that know nothing: uniform over all actions, or over the legal ones."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.collection import recording
from jax_s4rl.envs import _controllers, reference_policies


def uniform(action_space: gymnasium.Space) -> recording.Behavior:
    """Chooses every action of the space with the same probability.

    Args:
        action_space: Discrete from 0, or a bounded Box.

    Returns:
        The behavior.

    Raises:
        ValueError: If the space is unbounded or of another kind.

    Example:
        >>> choose = uniform(gymnasium.spaces.Discrete(2))
        >>> choose(recording.BehaviorInput([None] * 4, [{}] * 4), np.random.default_rng(0)).shape
        (4,)
    """
    if isinstance(action_space, gymnasium.spaces.Discrete):
        num_actions = int(action_space.n)
        return lambda sight, rng: rng.integers(0, num_actions, len(sight.observations))
    if isinstance(action_space, gymnasium.spaces.Box) and action_space.is_bounded():
        low, high = action_space.low, action_space.high
        return lambda sight, rng: rng.uniform(low, high, (len(sight.observations), *low.shape)).astype(np.float32)
    raise ValueError(f"got the action space {action_space}, wanted Discrete or a bounded Box")


def uniform_legal(sight: recording.BehaviorInput, rng: np.random.Generator) -> np.ndarray:
    """Chooses among the actions that `info["action_mask"]` allows, each with the same probability.

    Args:
        sight: What the environments show; every info holds a mask with at least one 1.
        rng: Source of randomness.

    Returns:
        One action per environment.

    Example:
        >>> sight = recording.BehaviorInput([0], [{"action_mask": np.array([0, 1, 0], np.int8)}])
        >>> uniform_legal(sight, np.random.default_rng(0)).tolist()
        [1]
    """
    masks = np.stack([info["action_mask"] for info in sight.infos]).astype(bool)
    return np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)


class Optimal:
    """Acts in every environment with `envs.reference_policies.optimal` of that environment, which may look into it.

    Args:
        make_policy: Makes the policy of one environment.

    Example:
        >>> from jax_s4rl.envs import registry
        >>> record = recording.record_episodes(lambda: registry.make("umbrella_length/4"), Optimal(), 5, seed=0)
        >>> record.rewards[record.episode_lengths.cumsum() - 1].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, make_policy: Callable[[gymnasium.Env], reference_policies.Policy] = reference_policies.optimal):
        self.make_policy = make_policy
        self.known: dict[gymnasium.Env, reference_policies.Policy] = {}

    def __call__(self, sight: recording.BehaviorInput, rng: np.random.Generator) -> np.ndarray:
        """Chooses one action per environment; those that wait get the action of another."""
        chosen: list[Any] = [None] * len(sight.envs)
        for index, (env, age) in enumerate(zip(sight.envs, sight.ages, strict=True)):
            if age < 0:
                continue
            if env not in self.known:
                self.known[env] = self.make_policy(env)
            if age == 0:
                _controllers.forget(self.known[env])
            chosen[index] = self.known[env](sight.observations[index])
        filler = next(action for action in chosen if action is not None)
        return np.array([filler if action is None else action for action in chosen])
