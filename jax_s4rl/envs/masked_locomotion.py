"""MuJoCo's walking robots without their velocities, locomotion that needs memory."""

from typing import Any

import gymnasium
import numpy as np

ROBOTS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5", "walker2d": "Walker2d-v5"}

_METADATA = {"render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"]}


class MaskedLocomotionEnv(gymnasium.Env):
    """Gymnasium's Hopper, HalfCheetah or Walker2d with observations of the positions alone.

    The velocities follow from the last two observations. As in Gymnasium's tasks, the distance
    walked is not observed. The extra `mujoco` is needed.

    * Observation: heights and angles, float64 [5] for Hopper, [8] for the others.
    * Everything else, including the seeds, is the same as in Gymnasium's task.

    Args:
        robot: Name of the robot: hopper, halfcheetah or walker2d.
        render_mode: Render mode of Gymnasium's task, or None.
        **kwargs: Other arguments of Gymnasium's task.

    Raises:
        ValueError: If there is no such robot.
        gymnasium.error.DependencyNotInstalled: If MuJoCo is not installed.

    Source:
        Ni et al. (2022), "Recurrent Model-Free RL Can Be a Strong Baseline for Many POMDPs": tasks
        of which only positions, or only velocities, are observed.
    """

    metadata = _METADATA

    def __init__(self, robot: str = "hopper", render_mode: str | None = None, **kwargs: Any):
        if robot not in ROBOTS:
            raise ValueError(f"got the robot {robot!r}, wanted one of {', '.join(ROBOTS)}")
        made = gymnasium.make(
            ROBOTS[robot], render_mode=render_mode, disable_env_checker=True, **kwargs
        )
        # Without Gymnasium's wrappers: the registered limit of steps is that of this environment.
        self.robot: Any = made.unwrapped
        self.metadata = self.robot.metadata
        self.render_mode = render_mode
        # Positions come first in the observation, then velocities.
        self.num_positions = int(self.robot.observation_structure["qpos"])
        space = self.robot.observation_space
        kept = slice(self.num_positions)
        self.observation_space = gymnasium.spaces.Box(
            space.low[kept], space.high[kept], dtype=space.dtype
        )
        self.action_space = self.robot.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        observation, info = self.robot.reset(seed=seed, options=options)
        return observation[: self.num_positions], info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Applies torques to the joints, each from -1 to 1."""
        observation, reward, terminated, truncated, info = self.robot.step(action)
        return observation[: self.num_positions], float(reward), terminated, truncated, info

    def render(self) -> Any:
        """Returns the robot's own picture."""
        return self.robot.render()

    def close(self) -> None:
        """Closes the robot's window if there is one."""
        self.robot.close()
