"""CartPole without its velocities, a small control task that needs memory."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import cartpole

from jax_s4rl.envs import _actions

SEEN = [0, 2]  # position of the cart, angle of the pole


class MaskedCartPoleEnv(gymnasium.Env):
    """Gymnasium's CartPole with observations of the positions alone.

    The velocities follow from the last two observations.

    * Observation: position of the cart and angle of the pole, float32 [2].
    * Everything else, including the seeds, is the same as in `CartPole-v1`.

    Args:
        render_mode: Render mode of `CartPoleEnv`, or None.
        **kwargs: Other arguments of Gymnasium's `CartPoleEnv`.

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
        self.observation_space = gymnasium.spaces.Box(
            space.low[SEEN], space.high[SEEN], dtype=np.float32
        )
        self.action_space = self.cartpole.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Starts an episode."""
        super().reset(seed=seed)
        observation, info = self.cartpole.reset(seed=seed, options=options)
        return observation[SEEN], info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pushes the cart to the left (0) or to the right (1)."""
        observation, reward, terminated, truncated, info = self.cartpole.step(
            _actions.as_index(action, 2)
        )
        return observation[SEEN], float(reward), terminated, truncated, info

    def render(self) -> Any:
        """Returns CartPole's own picture."""
        return self.cartpole.render()

    def close(self) -> None:
        """Closes CartPole's window if there is one."""
        self.cartpole.close()
