"""bsuite's umbrella task with two variants that separate memory from luck."""

from typing import Any

import numpy as np

from jax_s4rl.envs import bsuite_adapter

FORECASTS = ("always", "first")


class UmbrellaEnv(bsuite_adapter.BsuiteEnv):
    """bsuite's umbrella task with other observations or rewards; the defaults match bsuite exactly.

    bsuite shows at every step whether the umbrella is needed and whether it was taken, so the task
    needs no memory; and all rewards but the last are random signs, so that a high return is mostly
    luck. `forecast="first"` hides the first two entries of the observation after the first step, so
    that the agent must remember the forecast and its decision. `reward_noise=0` removes the random
    rewards: the return is +1 or -1, for the first action alone. The mean returns of random (0) and
    optimal play (1) are the same in every variant, and so is bsuite's regret.

    Args:
        bsuite_id: Id of a setting of `umbrella_length` or `umbrella_distract`.
        forecast: Steps whose observations hold the first two entries, "always" or "first".
        reward_noise: Factor of the rewards before the last one, 0 or more.
        render_mode: Always None; bsuite draws nothing.

    Raises:
        ValueError: If the id is of another experiment, or an argument is out of its range.

    Example:
        >>> env = UmbrellaEnv("umbrella_length/4", forecast="first", reward_noise=0)
        >>> _ = env.reset(seed=0)
        >>> observation, reward, *_ = env.step(1)
        >>> observation[:2].tolist(), reward
        ([0.0, 0.0], 0.0)
    """

    def __init__(
        self,
        bsuite_id: str = "umbrella_length/0",
        *,
        forecast: str = "always",
        reward_noise: float = 1.0,
        render_mode: str | None = None,
    ):
        if not bsuite_id.startswith("umbrella_"):
            raise ValueError(
                f"got the bsuite id {bsuite_id!r}, "
                "wanted one of umbrella_length or umbrella_distract"
            )
        if forecast not in FORECASTS:
            raise ValueError(f"got forecast={forecast!r}, wanted one of {', '.join(FORECASTS)}")
        if not (np.isfinite(reward_noise) and reward_noise >= 0):
            raise ValueError(
                f"got reward_noise={reward_noise}, wanted a finite factor of 0 or more"
            )
        super().__init__(bsuite_id, render_mode)
        self.forecast, self.reward_noise = forecast, float(reward_noise)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Plays one action; the first takes the umbrella (1) or not (0), others do nothing."""
        observation, reward, terminated, truncated, info = super().step(action)
        if self.forecast == "first":
            observation[:2] = 0
        return (
            observation,
            reward if terminated else reward * self.reward_noise,
            terminated,
            truncated,
            info,
        )
