"""A trained policy outside its training: its observations, its networks and its actions."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import utils as space_utils

from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import update
from jax_s4rl.data import actions, observations, player

_apply = jax.jit(ppo_network.apply, static_argnums=0)


class Snapshot(NamedTuple):
    """A policy at one time of its training.

    Attributes:
        parameters: Parameters of the networks.
        normalizer: Shift and scale of observations.
        num_steps: Number of environment steps of the training so far.
        mean_return: Mean return of episodes with sampled actions; NaN before it is measured.
    """

    parameters: Any
    normalizer: ppo_network.Normalizer
    num_steps: int
    mean_return: float


class PolicyView(gymnasium.Wrapper):
    """Environment with flat float32 observations for a policy network, and a seed for each episode.

    Every reset has a seed, including the autoresets of vector environments, so that each training
    episode can be repeated. Infos are dropped. What the environment returns is checked (see
    `data.player`), and an episode that never ends is an error.

    Args:
        env: Environment to wrap.
        seeds: Iterator over the seeds of its episodes.
        number: Index of the environment among several, for messages.
    """

    def __init__(self, env: gymnasium.Env, seeds: Iterator[int], number: int = 0):
        super().__init__(env)
        self.seeds = seeds
        self.episode_seed = -1
        self._player = player.Player(env, number)
        size = space_utils.flatdim(env.observation_space)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts the next episode with the next seed of the stream; the arguments are ignored."""
        self.episode_seed = next(self.seeds)
        self._player.reset(self.episode_seed)
        return self._flat(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays one action."""
        _, reward, is_over = self._player.step(action)
        if not is_over:
            recording.check_length(self._player)
        return self._flat(), reward, self._player.terminated, self._player.truncated, {}

    def _flat(self) -> np.ndarray:
        return flatten(self.env.observation_space, self._player.raw_observation)


def flatten(space: gymnasium.Space, observation: Any) -> np.ndarray:
    """Converts an observation to one float32 vector; indices become one-hot.

    Args:
        space: Space of the observation.
        observation: One observation.

    Returns:
        The vector.

    Example:
        >>> flatten(gymnasium.spaces.Discrete(3), 1).tolist()
        [0.0, 1.0, 0.0]
    """
    if isinstance(space, gymnasium.spaces.Box):
        return np.asarray(observation, np.float32).ravel()
    return np.asarray(space_utils.flatten(space, observation), np.float32)


def make_network(env: gymnasium.Env, config: update.Config) -> ppo_network.ActorCritic:
    """Makes the networks for an environment's actions.

    Args:
        env: Environment in which the policy will act.
        config: Settings of PPO.

    Returns:
        Actor and critic, without parameters.

    Raises:
        ValueError: If the actions are neither Discrete from 0 nor a bounded Box of one axis.
    """
    observations.encoder(env.observation_space)
    space: Any = actions.encoder(env.action_space).encoded_space
    # The networks choose actions of the environment itself, so both spaces have to be the same.
    is_same = isinstance(env.action_space, type(space)) and env.action_space == space
    if not is_same:
        raise ValueError(
            f"got the action space {env.action_space}, wanted Discrete from 0 or a float32 Box of "
            "one axis; wrap the environment with gymnasium.wrappers.TransformAction"
        )
    if isinstance(space, gymnasium.spaces.Box) and not space.is_bounded():
        raise ValueError(
            f"got the action space {space}, wanted finite bounds; "
            "wrap the environment in gymnasium.wrappers.RescaleAction"
        )
    discrete = isinstance(space, gymnasium.spaces.Discrete)
    size = (
        int(space.n)
        if isinstance(space, gymnasium.spaces.Discrete)
        else int(np.prod(space.shape or ()))
    )
    return ppo_network.ActorCritic(
        size, discrete, config.width, config.num_layers, config.initial_log_scale
    )


def behavior(
    network: ppo_network.ActorCritic,
    snapshot: Snapshot,
    env: gymnasium.Env,
    *,
    greedy: bool = False,
) -> recording.Behavior:
    """Makes a behavior of a snapshot, so that it can be recorded.

    Args:
        network: Actor and critic of the training.
        snapshot: Parameters and normalizer of the policy.
        env: One environment of the kind in which it will act.
        greedy: Whether to take the likeliest action; False samples.

    Returns:
        The behavior; its randomness comes from the recorder's generator.
    """
    space, to_env = env.observation_space, action_map(env.action_space)

    def act(inputs: recording.BehaviorInput, rng: np.random.Generator) -> np.ndarray:
        vectors = np.stack([flatten(space, observation) for observation in inputs.observations])
        center, log_scale, _ = (
            np.asarray(array)
            for array in _apply(network, snapshot.parameters, vectors, snapshot.normalizer)
        )
        # The argmax of logits plus Gumbel noise is a sample of the categorical distribution. Noise
        # is drawn on the host, because the recorder owns the random numbers.
        if network.discrete:
            noise = 0.0 if greedy else rng.gumbel(size=center.shape)
            return (center + noise).argmax(axis=1)
        noise = 0.0 if greedy else rng.standard_normal(center.shape)
        return to_env((center + np.exp(log_scale) * noise).astype(np.float32))

    return act


def action_map(space: gymnasium.Space) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a map from the network's actions to an environment's.

    Args:
        space: Action space of the environment.

    Returns:
        Function of an array of actions. For a Box it maps [-1, 1] onto the box and clips; for other
        spaces it is the identity.
    """
    if not isinstance(space, gymnasium.spaces.Box):
        return lambda actions: actions
    low, high = space.low, space.high
    return lambda actions: np.clip(low + (actions + 1) * (high - low) / 2, low, high).astype(
        np.float32
    )
