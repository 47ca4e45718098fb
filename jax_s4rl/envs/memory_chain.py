"""bsuite's memory chain of any length: a bit at the start is asked for at the end."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions

CUES = ("first", "always")
# Entries of an observation.
TIME_LEFT, QUERY, BIT = range(3)


class MemoryChainEnv(gymnasium.Env):
    """Wait for a number of steps, then name the bit that the start showed.

    Observations, rewards and ends are those of bsuite's memory_len, which has lengths up to 100.

    * Observation: three numbers, float32: the share of time left, from 1 down to 0; the number of
      the queried bit, always 0 because there is one bit; and the bit, -1 or 1. As in bsuite, the
      first two observations are the same and hold the bit, the others hold 0 in its place. With
      `cue="always"` all hold it, a twin of the task that needs no memory.
    * Action: the answer 0 or 1 in the last step; before, actions have no effect.
    * Reward: in the last step 1 for the right answer and -1 for the wrong one, otherwise 0.
    * End: terminated after `length + 1` steps.

    Args:
        length: Number of steps of the chain, 2 or more. The bit is `length - 1` steps old when it
            is needed.
        cue: Steps whose observations hold the bit, "first" or "always".
        render_mode: Always None; nothing is drawn.

    Attributes:
        length: Number of steps of the chain.
        cue: Steps whose observations hold the bit.
        max_steps: Number of steps of an episode.
        bit: Bit of the current episode, 0 or 1.

    Raises:
        ValueError: If an argument is out of its range.

    Source:
        Osband et al. 2020, Behaviour Suite for Reinforcement Learning (memory_len).

    Example:
        >>> env = MemoryChainEnv(length=2)
        >>> observation, _ = env.reset(seed=0)
        >>> observation[1:].tolist()
        [0.0, 1.0]
        >>> [env.step(0)[0].tolist() for _ in range(2)]
        [[1.0, 0.0, 1.0], [0.5, 0.0, 0.0]]
        >>> env.step(1)[1:3]
        (1.0, True)
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, length: int = 100, *, cue: str = "first", render_mode: str | None = None):
        if length < 2:
            raise ValueError(f"got length={length}, wanted 2 or more: a bit, then a question")
        if cue not in CUES:
            raise ValueError(f"got cue={cue!r}, wanted one of {', '.join(CUES)}")
        self.length, self.cue, self.max_steps = length, cue, length + 1
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.bit = 0
        self.age: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode with a random bit."""
        super().reset(seed=seed)
        self.bit = int(self.np_random.integers(2))
        self.age = 0
        return self._observation(0), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Waits, or answers in the last step."""
        action = _actions.as_index(action, 2)
        if self.age is None:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        # bsuite counts a step after it has made its observation, so the first one comes twice.
        observation = self._observation(self.age)
        if self.age < self.length:
            self.age += 1
            return observation, 0.0, False, False, {}
        self.age = None
        return observation, 1.0 if action == self.bit else -1.0, True, False, {}

    def _observation(self, age: int) -> np.ndarray:
        shown = 2 * self.bit - 1 if age == 0 or self.cue == "always" else 0
        return np.array([1 - age / self.length, 0, shown], np.float32)
