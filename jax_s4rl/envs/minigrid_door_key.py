"""MiniGrid's DoorKey-5x5 observed as a vector of the agent's picture alone."""

from typing import Any

import gymnasium
import numpy as np
from minigrid.envs.doorkey import DoorKeyEnv

from jax_s4rl.envs import _minigrid_episodes

SIZE = 5


class MiniGridDoorKeyEnv(_minigrid_episodes.OneEpisode, DoorKeyEnv):
    """Take the key, open the door, go to the goal; MiniGrid's environment with other observations.

    * Observation: the picture of 7 x 7 cells in front of the agent, with three numbers each, as a
      vector of 147 bytes. The picture turns with the agent, which stands at its lower edge and
      looks up: it says what lies in front, but no direction of the compass.
    * Action: turn left, turn right, go on, pick up, drop, toggle, done (nothing).
    * Reward: at the goal `1 - 0.9 t / 250` after t steps, otherwise 0.
    * End: terminated at the goal, truncated after 250 steps.
    * Info, for metrics only: at the end `is_success`.

    Args:
        render_mode: Render mode, None or "rgb_array".
        tile_size: Side of a cell in the picture, in pixels.

    Source:
        `MiniGrid-DoorKey-5x5-v0` of Minigrid, behind its `ImgObsWrapper`.

    Example:
        >>> env = MiniGridDoorKeyEnv()
        >>> observation, _ = env.reset(seed=0)
        >>> observation.shape, observation.dtype, env.max_steps
        ((147,), dtype('uint8'), 250)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, render_mode: str | None = None, tile_size: int = 32):
        super().__init__(size=SIZE, render_mode=render_mode, tile_size=tile_size)
        side = self.agent_view_size
        self.observation_space: Any = gymnasium.spaces.Box(0, 255, (3 * side * side,), np.uint8)

    def gen_obs(self) -> Any:
        """Returns the agent's picture as a vector, uint8 [147]."""
        picture: Any = super().gen_obs()["image"]
        return picture.reshape(-1)
