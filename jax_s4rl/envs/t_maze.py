"""A T-maze: a cue at the start tells which way to turn at the end of a long corridor."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions, _maze_picture

CUES = ("first", "always")
# Standard deviations beyond which noise is cut, so that observations have bounds.
LARGEST_NOISE = 10.0
FORWARD, UP, DOWN = range(3)
# Entries of an observation.
CUE_UP, CUE_DOWN, CORRIDOR, JUNCTION = range(4)


class TMazeEnv(gymnasium.Env):
    """Walk along a corridor and turn to the side that the first observation showed.

    * Observation: four flags, float32: the cue says up, the cue says down, in the corridor, at the
      junction. The first one has the cue alone; with `cue="always"` all have it, a twin of the task
      that needs no memory.
    * Action: walk on (0), turn up (1), turn down (2). Turning in the corridor and walking on at the
      junction do nothing, but take a step.
    * Reward: 1 for the right turn at the junction, otherwise 0.
    * End: terminated by a turn at the junction, truncated after `2 * length` steps.
    * Info, for metrics only: `action_mask` (1 for each action that does something), and at the end
      `is_success`.

    Args:
        length: Number of steps of an episode that walks straight on and turns, 2 or more. The cue
            is `length - 1` steps old when it is needed.
        cue: Steps whose observations hold the cue, "first" or "always".
        noise: Standard deviation of normal noise on every entry of every observation, 0 or more;
            the noise is cut at ten of them.
        render_mode: Render mode, None or "rgb_array".

    Raises:
        ValueError: If an argument is out of its range.

    Source:
        Bakker (2001), "Reinforcement Learning with Long Short-Term Memory".

    Example:
        >>> env = TMazeEnv(length=3)
        >>> env.reset(seed=0)[0].tolist()
        [0.0, 1.0, 0.0, 0.0]
        >>> [env.step(action)[0].tolist() for action in (FORWARD, FORWARD)]
        [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
        >>> env.step(DOWN)[1:3]
        (1.0, True)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self,
        length: int = 100,
        *,
        cue: str = "first",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        if length < 2:
            raise ValueError(f"got length={length}, wanted 2 or more: a cue, then a turn")
        if cue not in CUES:
            raise ValueError(f"got cue={cue!r}, wanted one of {', '.join(CUES)}")
        if not (np.isfinite(noise) and noise >= 0):
            raise ValueError(f"got noise={noise}, wanted a finite number of 0 or more")
        self.length, self.cue, self.noise = length, cue, float(noise)
        self.render_mode = render_mode
        reach = LARGEST_NOISE * self.noise
        self.observation_space = gymnasium.spaces.Box(-reach, 1 + reach, (4,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.age: int | None = None
        self.position = 0
        self.side = 0
        self.turn: str | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode at the cue."""
        super().reset(seed=seed)
        self.side = int(self.np_random.integers(2))
        self.age = self.position = 0
        self.turn = None
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Walks on or turns."""
        action = _actions.as_index(action, 3)
        if self.age is None:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        self.age += 1
        terminated = self._is_at_junction and action != FORWARD
        is_success = terminated and action == (UP, DOWN)[self.side]
        if terminated:
            self.turn = "up" if action == UP else "down"
        if action == FORWARD and not self._is_at_junction:
            self.position += 1
        truncated = not terminated and self.age >= 2 * self.length
        observation, info = self._observation(), self._info()
        if terminated or truncated:
            info["is_success"] = is_success
            self.age = None
        return observation, float(is_success), terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """Returns a picture of the maze, uint8 [120, 460, 3]; None without a render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() needs render_mode='rgb_array' when the environment is made"
            )
            return None
        return _maze_picture.draw(
            self.position,
            self.length,
            cue_is_up=self.side == 0,
            cue_is_shown=self._shows_cue,
            turn=self.turn,
        )

    @property
    def _shows_cue(self) -> bool:
        return self.position == 0 or self.cue == "always"

    @property
    def _is_at_junction(self) -> bool:
        return self.position == self.length - 1

    def _observation(self) -> np.ndarray:
        flags = np.zeros(4, np.float32)
        if self._shows_cue:
            flags[(CUE_UP, CUE_DOWN)[self.side]] = 1
        if self.position > 0:
            flags[JUNCTION if self._is_at_junction else CORRIDOR] = 1
        if self.noise:
            draws = np.clip(self.np_random.normal(size=4), -LARGEST_NOISE, LARGEST_NOISE)
            flags += (self.noise * draws).astype(np.float32)
        return flags

    def _info(self) -> dict[str, Any]:
        turns = self._is_at_junction
        return {"action_mask": np.array([not turns, turns, turns], np.int8)}
