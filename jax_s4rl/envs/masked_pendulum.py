"""Pendulum without its velocity, a small task with continuous actions that needs memory."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import pendulum

SEEN = [0, 1]  # cosine and sine of the angle


class MaskedPendulumEnv(gymnasium.Env):
    """Gymnasium's Pendulum with observations of the angle alone.

    The velocity follows from the last two observations. The twin that needs no memory is
    `Pendulum-v1`.

    * Observation: cosine and sine of the angle, float32 [2].
    * Everything else, including the seeds, is the same as in `Pendulum-v1`.

    Args:
        render_mode: Render mode of `PendulumEnv`, or None.
        **kwargs: Other arguments of Gymnasium's `PendulumEnv`.

    Example:
        >>> MaskedPendulumEnv().reset(seed=0)[0].shape
        (2,)
    """

    metadata = pendulum.PendulumEnv.metadata

    def __init__(self, render_mode: str | None = None, **kwargs: Any):
        self.pendulum = pendulum.PendulumEnv(render_mode=render_mode, **kwargs)
        self.render_mode = render_mode
        space = self.pendulum.observation_space
        assert isinstance(space, gymnasium.spaces.Box)
        self.observation_space = gymnasium.spaces.Box(
            space.low[SEEN], space.high[SEEN], dtype=np.float32
        )
        self.action_space = self.pendulum.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Starts an episode."""
        super().reset(seed=seed)
        observation, info = self.pendulum.reset(seed=seed, options=options)
        return observation[SEEN], info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Applies a torque of -2 to 2, float32 [1]."""
        observation, reward, terminated, truncated, info = self.pendulum.step(action)
        return observation[SEEN], float(reward), terminated, truncated, info

    def render(self) -> Any:
        """Returns Pendulum's own picture."""
        return self.pendulum.render()

    def close(self) -> None:
        """Closes Pendulum's window if there is one."""
        self.pendulum.close()
