"""A control for key-and-door results: the key lies where it lies, but is shown elsewhere or not at all."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs.key_door import layout

ELSEWHERE, NOWHERE = "elsewhere", "nowhere"
KINDS = (ELSEWHERE, NOWHERE)
SALT = 977


class FalseKey(gymnasium.ObservationWrapper):
    """Moves the first key in full observations to another cell, or hides it, until it is taken.

    A policy that reads where the key is fails here; one that sweeps over many cells, or repeats the commonest moves,
    does not care. The world itself, its rewards and its random numbers are untouched.

    Args:
        env: a key-and-door world observed in the mode "full".
        shown: "elsewhere" (a free cell drawn for each episode from its seed, never the right one) or "nowhere".

    Raises:
        ValueError: another mode of observation, or another `shown`.

    Example:
        >>> from jax_s4rl.envs.key_door import environment
        >>> world = environment.KeyToDoorEnv("dt")
        >>> eyes, (seen, _) = world.eyes, FalseKey(world).reset(seed=0)
        >>> int(seen[eyes.key_maps :].argmax()) == world.layout.keys[0]
        False
    """

    def __init__(self, env: gymnasium.Env, shown: str = ELSEWHERE):
        super().__init__(env)
        self.world: Any = env.unwrapped
        if self.world.eyes.mode != "full":
            raise ValueError(f"got a world with obs={self.world.eyes.mode!r}, which shows no key; wanted obs='full'")
        if shown not in KINDS:
            raise ValueError(f"got shown={shown!r}, wanted one of {', '.join(KINDS)}")
        self.shown = shown
        self.cell = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, and draws where the key is shown."""
        observation, info = self.env.reset(seed=seed, options=options)
        generator = np.random.default_rng(None if seed is None else [SALT, seed])
        cells = layout.free_cells(self.world.settings)
        self.cell = int(generator.choice(cells[cells != self.world.layout.keys[0]]))
        return self.observation(observation), info

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """The observation with the key's map changed, where the key still lies."""
        eyes = self.world.eyes
        key_map = observation[eyes.key_maps : eyes.key_maps + eyes.area]  # a view of the fresh observation
        if key_map.any():
            key_map[:] = 0
            if self.shown == ELSEWHERE:
                key_map[self.cell] = 1
        return observation


class FixedOptions(gymnasium.Wrapper):
    """Resets an environment with the same options every time; options given to `reset` come on top.

    Args:
        env: an environment whose `reset` takes these options.
        options: of every reset.

    Example:
        >>> from jax_s4rl.envs import random_walk
        >>> FixedOptions(random_walk.RandomWalkEnv(), {"start": 7}).reset(seed=0)[0]
        7
    """

    def __init__(self, env: gymnasium.Env, options: Mapping[str, Any]):
        super().__init__(env)
        self.options = dict(options)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        return self.env.reset(seed=seed, options={**self.options, **(options or {})})
