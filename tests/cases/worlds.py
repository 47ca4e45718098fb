"""Environments and policies that show what reaches them, for the tests of this folder."""

import dataclasses
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.data import d4rl
from jax_s4rl.evaluation import rollout

SEEN: list[np.ndarray] = []
Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete


class World(gymnasium.Env):
    """Episodes of six steps; the observation is the clock, and the actions are noted."""

    observation_space: gymnasium.Space = Box(-np.inf, np.inf, (1,))
    action_space: gymnasium.Space = Discrete(2)

    def __init__(self):
        self.given: list[Any] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.clock = 0
        return self.look(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.given.append(action)
        self.clock += 1
        return self.look(), 1.0, self.clock == 6, False, {}

    def look(self):
        return np.full(1, self.clock, np.float32)


@dataclasses.dataclass(frozen=True)
class Watcher:
    """Takes one action always, and keeps what it is shown."""

    action: Any = 0
    max_steps: int = 8

    def prepare(self, params):
        return params

    def init(self, prepared, num_envs):
        return jnp.zeros(num_envs)

    def act(self, prepared, state, observation, return_to_go, greedy, key):
        jax.debug.callback(lambda seen: SEEN.append(np.array(seen)), observation)
        chosen = jnp.asarray(self.action)
        return jnp.broadcast_to(chosen, (len(observation), *chosen.shape)), state


def act(make_env, *, count=2, action=0):
    """Lets the watcher act; returns the record, and what it saw, `[episodes, steps, ...]`."""
    SEEN.clear()
    policy = Watcher(action)
    acted = rollout.rollout(make_env, policy, {}, np.ones(count), greedy=True, seed=0)
    jax.effects_barrier()
    # The first call only compiles.
    return acted.record, np.stack(SEEN[1:], axis=1)


def load(steps=6, **changes):
    """Reads flat data of which some arrays are changed; episodes are three steps long."""
    options = {
        name: changes.pop(name)
        for name in ("observation_space", "action_space", "max_episode_steps", "split")
        if name in changes
    }
    arrays = {
        "observations": np.arange(2.0 * steps).reshape(steps, 2),
        "actions": np.arange(steps) % 2,
        "rewards": np.ones(steps),
        "terminals": np.arange(steps) % 3 == 2,
        **changes,
    }
    given = {name: values for name, values in arrays.items() if values is not None}
    return d4rl.from_d4rl(given, last_observation="repeat", **options)
