"""The optimal policies of the worlds, as behaviors that can be recorded."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.collection import rollouts
from jax_s4rl.envs import controllers, policies


class Optimal:
    """Acts in every environment with `envs.policies.optimal` of that environment, which may look into it.

    Args:
        make_policy: Makes the policy of one environment.

    Example:
        >>> from jax_s4rl.envs import making
        >>> record = rollouts.record_episodes(lambda: making.make("umbrella_length/4"), Optimal(), 5, seed=0)
        >>> record.rewards[record.episode_lengths.cumsum() - 1].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, make_policy: Callable[[gymnasium.Env], policies.Policy] = policies.optimal):
        self.make_policy = make_policy
        self.known: dict[gymnasium.Env, policies.Policy] = {}

    def __call__(self, sight: rollouts.Sight, rng: np.random.Generator) -> np.ndarray:
        """Chooses one action per environment; those that wait get the action of another."""
        chosen: list[Any] = [None] * len(sight.envs)
        for index, (env, age) in enumerate(zip(sight.envs, sight.ages, strict=True)):
            if age < 0:
                continue
            if env not in self.known:
                self.known[env] = self.make_policy(env)
            if age == 0:
                controllers.forget(self.known[env])
            chosen[index] = self.known[env](sight.observations[index])
        filler = next(action for action in chosen if action is not None)
        return np.array([filler if action is None else action for action in chosen])
