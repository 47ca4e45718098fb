"""Episodes that all start as one is told, for instance a walk at one node, in an evaluation that resets by itself."""

from collections.abc import Mapping
from typing import Any

import gymnasium


class FixedOptions(gymnasium.Wrapper):
    """Resets an environment with the same options every time; options given to `reset` come on top.

    Args:
        env: an environment whose `reset` takes these options.
        options: of every reset.

    Example:
        >>> from jax_s4rl.envs import random_walk
        >>> FixedOptions(random_walk.RandomWalkEnv(), {"start": 7}).reset(seed=0)[0]
        7
    """

    def __init__(self, env: gymnasium.Env, options: Mapping[str, Any]):
        super().__init__(env)
        self.options = dict(options)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        return self.env.reset(seed=seed, options={**self.options, **(options or {})})
