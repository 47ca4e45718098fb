"""What MiniGrid's environments have in common here: one episode from reset to its end."""

from typing import Any

import gymnasium
from minigrid.minigrid_env import MiniGridEnv

from jax_s4rl.envs import _actions

NUM_ACTIONS = 7


class OneEpisode(MiniGridEnv):
    """Checks actions and the end of an episode; stands before MiniGrid's class among the bases.

    An episode that pays anything is a success: these tasks pay at their goal alone.
    """

    _is_over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode in a new world."""
        self._is_over = False
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Turns, moves, or does something with what lies in front."""
        action = _actions.as_index(action, NUM_ACTIONS)
        if self._is_over:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        observation, earned, terminated, truncated, info = super().step(action)
        reward = float(earned)
        # MiniGrid sets both if the end is reached in the last step.
        truncated = truncated and not terminated
        self._is_over = terminated or truncated
        if self._is_over:
            info["is_success"] = reward > 0
        return observation, reward, terminated, truncated, info
