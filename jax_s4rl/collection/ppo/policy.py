"""A trained policy outside its training: what it sees, how it acts, and what it is made of."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import utils as space_utils

from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import update

_judge = jax.jit(ppo_network.judge, static_argnums=0)


class Snapshot(NamedTuple):
    """A policy as it was at one moment of its training; `mean_return` was measured by acting with it, sampled."""

    parameters: Any
    normalizer: ppo_network.Normalizer
    num_steps: int
    mean_return: float


class PolicyView(gymnasium.Wrapper):
    """An environment as a policy network sees it: one flat float32 vector, and every episode with a seed of its own.

    Seeds at every reset, autoresets included, make each training episode repeatable. Infos are dropped.

    Args:
        env: The environment.
        seeds: Where the seeds of its episodes come from.
    """

    def __init__(self, env: gymnasium.Env, seeds: Iterator[int]):
        super().__init__(env)
        self.seeds = seeds
        self.episode_seed = -1
        size = space_utils.flatdim(env.observation_space)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins the next episode; the seed comes from the stream, whatever is asked."""
        self.episode_seed = next(self.seeds)
        observation, _ = self.env.reset(seed=self.episode_seed, options=options)
        return self._flat(observation), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment."""
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return self._flat(observation), float(reward), terminated, truncated, {}

    def _flat(self, observation: Any) -> np.ndarray:
        return flatten(self.env.observation_space, observation)


def flatten(space: gymnasium.Space, observation: Any) -> np.ndarray:
    """Turns an observation into one float32 vector; indices become one-hot.

    Example:
        >>> flatten(gymnasium.spaces.Discrete(3), 1).tolist()
        [0.0, 1.0, 0.0]
    """
    if isinstance(space, gymnasium.spaces.Box):
        return np.asarray(observation, np.float32).ravel()
    return np.asarray(space_utils.flatten(space, observation), np.float32)


def make_network(env: gymnasium.Env, config: update.Config) -> ppo_network.ActorCritic:
    """Makes the networks that fit an environment's actions.

    Raises:
        ValueError: If its actions are neither Discrete from 0 nor a bounded Box of one axis.
    """
    recording.check_spaces(env)
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Box) and not space.is_bounded():
        raise ValueError(f"got the action space {space}, wanted bounds; wrap the environment in RescaleAction")
    discrete = isinstance(space, gymnasium.spaces.Discrete)
    size = int(space.n) if isinstance(space, gymnasium.spaces.Discrete) else int(np.prod(space.shape or ()))
    return ppo_network.ActorCritic(size, discrete, config.width, config.num_layers, config.initial_log_scale)


def behavior(
    network: ppo_network.ActorCritic, snapshot: Snapshot, env: gymnasium.Env, *, greedy: bool = False
) -> recording.Behavior:
    """Turns a snapshot into a behavior that can be recorded.

    Args:
        network: Of the training.
        snapshot: Of the training.
        env: One environment of the kind that it will see.
        greedy: Whether to take the likeliest action instead of drawing.

    Returns:
        The behavior; its randomness comes from the recorder's generator.
    """
    seen, to_env = env.observation_space, action_map(env.action_space)

    def act(sight: recording.BehaviorInput, rng: np.random.Generator) -> np.ndarray:
        views = np.stack([flatten(seen, observation) for observation in sight.observations])
        center, log_scale, _ = (
            np.asarray(array) for array in _judge(network, snapshot.parameters, views, snapshot.normalizer)
        )
        if network.discrete:
            noise = 0.0 if greedy else rng.gumbel(size=center.shape)
            return (center + noise).argmax(axis=1)
        noise = 0.0 if greedy else rng.standard_normal(center.shape)
        return to_env((center + np.exp(log_scale) * noise).astype(np.float32))

    return act


def action_map(space: gymnasium.Space) -> Callable[[np.ndarray], np.ndarray]:
    """Maps what the network chooses to what an environment takes: [-1, 1] onto its box, clipped."""
    if not isinstance(space, gymnasium.spaces.Box):
        return lambda actions: actions
    low, high = space.low, space.high
    return lambda actions: np.clip(low + (actions + 1) * (high - low) / 2, low, high).astype(np.float32)
