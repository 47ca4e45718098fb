"""CartPole without its velocities: the smallest control task that needs memory."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import cartpole

from jax_s4rl.envs import _actions

SEEN = [0, 2]  # position of the cart, angle of the pole


class MaskedCartPoleEnv(gymnasium.Env):
    """Gymnasium's CartPole that shows the positions alone; the velocities follow from the last two of them.

    * Observation: float32 [2], position of the cart and angle of the pole.
    * Everything else, the seeds included, is `CartPole-v1`'s.

    Args:
        **kwargs: of Gymnasium's `CartPoleEnv`.

    Example:
        >>> MaskedCartPoleEnv().reset(seed=0)[0].shape
        (2,)
    """

    metadata = cartpole.CartPoleEnv.metadata

    def __init__(self, render_mode: str | None = None, **kwargs: Any):
        self.cartpole = cartpole.CartPoleEnv(render_mode=render_mode, **kwargs)
        self.render_mode = render_mode
        space = self.cartpole.observation_space
        assert isinstance(space, gymnasium.spaces.Box)
        self.observation_space = gymnasium.spaces.Box(space.low[SEEN], space.high[SEEN], dtype=np.float32)
        self.action_space = self.cartpole.action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Starts an episode."""
        super().reset(seed=seed)
        observation, info = self.cartpole.reset(seed=seed, options=options)
        return observation[SEEN], info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pushes the cart to the left (0) or to the right (1)."""
        observation, reward, terminated, truncated, info = self.cartpole.step(_actions.as_index(action, 2))
        return observation[SEEN], float(reward), terminated, truncated, info

    def render(self) -> Any:
        """CartPole's own picture."""
        return self.cartpole.render()

    def close(self) -> None:
        """Closes CartPole's window, if there is one."""
        self.cartpole.close()
