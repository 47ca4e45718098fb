"""Wrappers: a key shown at a wrong cell, resets with fixed options, rewards paid at the end."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs.key_door import layout

ELSEWHERE, NOWHERE = "elsewhere", "nowhere"
KINDS = (ELSEWHERE, NOWHERE)
# With the salt, the shown cells do not depend on the environment's own draws from the same seed.
SALT = 977


class FalseKey(gymnasium.ObservationWrapper):
    """Moves the first key in full observations to another cell, or hides it, until it is taken.

    This is a control for key-and-door results: a policy that reads the position of the key fails
    here, and one that sweeps over many cells, or repeats the most frequent moves, is not affected.
    The environment itself, its rewards and its random numbers do not change.

    Args:
        env: Key-and-door environment observed in the mode "full".
        shown: Cell at which the key is shown: "elsewhere" (a free cell drawn for each episode from
            its seed, never the right one) or "nowhere".

    Raises:
        ValueError: If the observations have another mode, or `shown` has another value.

    Example:
        >>> from jax_s4rl.envs.key_door import environment
        >>> world = environment.KeyToDoorEnv("dt")
        >>> observation, _ = FalseKey(world).reset(seed=0)
        >>> int(observation[world.encoder.key_maps :].argmax()) == world.layout.keys[0]
        False
    """

    def __init__(self, env: gymnasium.Env, shown: str = ELSEWHERE):
        super().__init__(env)
        self.world: Any = env.unwrapped
        if self.world.encoder.mode != "full":
            raise ValueError(
                f"got an environment with obs={self.world.encoder.mode!r}, which FalseKey cannot "
                "change; wanted obs='full'"
            )
        if shown not in KINDS:
            raise ValueError(f"got shown={shown!r}, wanted one of {', '.join(KINDS)}")
        self.shown = shown
        self.cell = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode and draws the cell at which the key is shown."""
        observation, info = self.env.reset(seed=seed, options=options)
        generator = np.random.default_rng(None if seed is None else [SALT, seed])
        cells = layout.free_cells(self.world.settings)
        self.cell = int(generator.choice(cells[cells != self.world.layout.keys[0]]))
        return self.observation(observation), info

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """Returns the observation with the key's map changed, until the key is taken."""
        encoder = self.world.encoder
        # This view is written in place, which is safe: the encoder returns a fresh array each time.
        key_map = observation[encoder.key_maps : encoder.key_maps + encoder.area]
        if key_map.any():
            key_map[:] = 0
            if self.shown == ELSEWHERE:
                key_map[self.cell] = 1
        return observation


class FixedOptions(gymnasium.Wrapper):
    """Resets an environment with the same options every time; options of `reset` override them.

    Args:
        env: Environment whose `reset` takes these options.
        options: Options of every reset.

    Example:
        >>> from jax_s4rl.envs import random_walk
        >>> FixedOptions(random_walk.RandomWalkEnv(), {"start": 7}).reset(seed=0)[0]
        7
    """

    def __init__(self, env: gymnasium.Env, options: Mapping[str, Any]):
        super().__init__(env)
        self.options = dict(options)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode with the fixed options, updated with those given here."""
        return self.env.reset(seed=seed, options={**self.options, **(options or {})})


class DelayedRewards(gymnasium.Wrapper):
    """Pays the whole return of an episode with its last step, and nothing before.

    A time limit inside the wrapped environment is an end; one around the wrapper is not, so that
    nothing is paid there.

    Args:
        env: Environment.

    Example:
        >>> env = DelayedRewards(gymnasium.make("CartPole-v1"))
        >>> _ = env.reset(seed=0)
        >>> [env.step(1)[1:3] for _ in range(8)][-2:]
        [(0.0, False), (8.0, True)]
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.owed = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, which owes nothing yet."""
        self.owed = 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays one action; the last one of an episode earns the return."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.owed += float(reward)
        paid = self.owed if terminated or truncated else 0.0
        return observation, paid, terminated, truncated, info
