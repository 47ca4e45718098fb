"""Value transport online: an agent with a memory learns from rewards paid to what it reads.

Each update plays a batch of whole episodes by `evaluation.rollout`, adds what
`data.value_transport` pays, and takes one gradient step through all of their steps. Transported
rewards enter the returns that train policy and value, and nothing else.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl import parameter_groups
from jax_s4rl.collection.ppo import objective
from jax_s4rl.data import trajectories, value_transport
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import memory_agent
from jax_s4rl.training import actor_critic_loss, optimizer


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of agent and training.

    Losses, transport and optimizer are those of the published agent; its pixels, convolutions, two
    LSTMs of 256 and three heads on 1,000 rows are replaced by a smaller network.
    """

    width: int = 64
    """Number of features of latents, controller and memory rows."""
    num_heads: int = 1
    """Number of read heads."""
    num_updates: int = 1_500
    """Number of updates, each from a batch of new episodes."""
    batch_size: int = 16
    """Number of episodes of a batch."""
    transports: bool = True
    """Whether value is transported."""
    rule: value_transport.Rule = dataclasses.field(default_factory=value_transport.Rule)
    """Choices of the transport; its discount is that of the returns, and their lambda."""
    weights: actor_critic_loss.Weights = dataclasses.field(
        default_factory=actor_critic_loss.Weights
    )
    """Weights of the parts of the loss."""
    learning_rate: float = 2e-4
    """Learning rate of Adam, which stays as it is."""
    betas: tuple[float, float] = (0.0, 0.95)
    """Decay rates of Adam's first and second moments."""
    epsilon: float = 1e-6
    """Term in Adam's denominator."""
    clip: float = 10.0
    """Largest size of a number of the gradient into logits and value; parameters have no limit."""


class Update(NamedTuple):
    """What happened in one update.

    Attributes:
        record: Episodes that were played.
        transported: Rewards that were added to each of their steps, `[batch, steps]`.
        loss: Loss before the update.
        params: Parameters after the update.
    """

    record: trajectories.Trajectories
    transported: np.ndarray
    loss: float
    params: Any


def train(
    make_env: Callable[[], gymnasium.Env], settings: Settings, *, seed: int
) -> Iterator[Update]:
    """Trains an agent online.

    Args:
        make_env: Function that makes an environment with a vector of numbers from 0 to 1 as
            observation, discrete actions, and episodes of one length.
        settings: Settings of agent and training.
        seed: Seed of parameters, environments and actions.

    Yields:
        What happened in each update.

    Raises:
        ValueError: If the spaces of the environment do not fit, or its episodes differ in length.
    """
    config = configure(make_env, settings)
    params = memory_agent.init(config, jax.random.key(seed))
    state = _optimizer(settings).init(params)
    policy = memory_agent.MemoryPolicy(config)
    no_targets = np.zeros(settings.batch_size, np.float32)
    for number in range(settings.num_updates):
        first = settings.batch_size * (seed * settings.num_updates + number)
        record = rollout.rollout(
            make_env, policy, params, no_targets, greedy=False, seed=first
        ).record
        batch = stack(config, record)
        extra = np.zeros_like(batch.rewards)
        if settings.transports:
            extra = transport(_along(config, params, batch.inputs), settings.rule)
        params, state, loss = _update(config, settings, params, state, batch, extra)
        yield Update(record, extra, float(loss), params)


class Batch(NamedTuple):
    """Episodes of one length.

    Attributes:
        inputs: Inputs of the agent at all steps, `[batch, steps, ...]`.
        actions: Actions taken, `[batch, steps]`.
        rewards: Rewards, `[batch, steps]`.
    """

    inputs: memory_agent.Inputs
    actions: np.ndarray
    rewards: np.ndarray


def configure(
    make_env: Callable[[], gymnasium.Env], settings: Settings
) -> memory_agent.MemoryAgentConfig:
    """Computes the shape of the agent from an environment.

    Args:
        make_env: Function that makes the environment.
        settings: Settings of agent and training.

    Returns:
        The shape.

    Raises:
        ValueError: If the observation is not a vector of numbers from 0 to 1, actions are not
            discrete from 0, or the environment does not say how long its episodes are.
    """
    env = make_env()
    env.close()
    space, actions = env.observation_space, env.action_space
    limit = getattr(env.unwrapped, "max_steps", None) or getattr(env.spec, "max_episode_steps", 0)
    is_vector = isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1
    if not (is_vector and space.low.min() >= 0 and space.high.max() <= 1):  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(
            f"got the observation space {space}, wanted a vector of numbers from 0 to 1, which are "
            "reconstructed as chances; wrap the environment"
        )
    if not isinstance(actions, gymnasium.spaces.Discrete) or actions.start != 0:
        raise ValueError(
            f"got the action space {actions}, wanted Discrete from 0; wrap the environment"
        )
    if not limit:
        raise ValueError(
            "got an environment that does not say how long its episodes are, which is the size of "
            "the memory; wrap it with gymnasium.wrappers.TimeLimit"
        )
    return memory_agent.MemoryAgentConfig(
        observation_size=space.shape[0],  # pyright: ignore[reportOptionalSubscript]
        num_actions=int(actions.n),
        max_steps=int(limit),
        width=settings.width,
        num_heads=settings.num_heads,
    )


def stack(config: memory_agent.MemoryAgentConfig, record: trajectories.Trajectories) -> Batch:
    """Stacks episodes of one length, with the inputs that the agent had in them.

    Args:
        config: Shape of the agent.
        record: Episodes.

    Returns:
        The batch.

    Raises:
        ValueError: If episodes differ in length.
    """
    lengths = np.unique(record.episode_lengths)
    if len(lengths) > 1:
        raise ValueError(
            f"got episodes of {lengths[0]} to {lengths[-1]} steps, wanted one length; take an "
            "environment whose episodes end by time alone"
        )
    rows = (record.num_episodes, int(lengths[0]))
    actions, rewards = record.actions.reshape(rows), record.rewards.reshape(rows)
    # Both are shifted by one: a step knows what was done and earned before it.
    previous = np.pad(
        np.eye(config.num_actions, dtype=np.float32)[actions], ((0, 0), (1, 0), (0, 0))
    )
    earned = np.pad(rewards, ((0, 0), (1, 0)))
    inputs = memory_agent.Inputs(
        record.observations.reshape(*rows, -1).astype(np.float32),  # pyright: ignore[reportArgumentType]
        previous[:, :-1],  # pyright: ignore[reportArgumentType]
        earned[:, :-1],  # pyright: ignore[reportArgumentType]
    )
    return Batch(inputs, actions, rewards)


def transport(outputs: memory_agent.Outputs, rule: value_transport.Rule) -> np.ndarray:
    """Computes the rewards that a batch of episodes gets by transport.

    Args:
        outputs: What the agent said along the episodes.
        rule: Choices of the transport.

    Returns:
        Rewards to add, float32 `[batch, steps]`.
    """
    strengths, weights, values = (
        np.asarray(each, np.float64) for each in (outputs.strengths, outputs.weights, outputs.value)
    )
    # The row number is the step; rows that are not written have no weight.
    times = np.broadcast_to(np.arange(weights.shape[-1]), weights.shape[1:])
    extra = [
        value_transport.transport(
            value_transport.Reads(strengths[row], times, weights[row]), values[row], rule
        )
        for row in range(len(values))
    ]
    return np.stack(extra).astype(np.float32)


def _optimizer(settings: Settings) -> Any:
    config = optimizer.OptimizerConfig(
        learning_rate=settings.learning_rate,
        weight_decay=0.0,
        warmup_limit=0.0,
        final_fraction=1.0,
        clip=math.inf,
        betas=settings.betas,
        epsilon=settings.epsilon,
    )
    return optimizer.make(config, parameter_groups.DEFAULT, settings.num_updates)


_along = jax.jit(memory_agent.along, static_argnums=0)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _update(
    config: memory_agent.MemoryAgentConfig,
    settings: Settings,
    params: Any,
    state: Any,
    batch: Batch,
    extra: Float[Array, "batch steps"],
) -> tuple[Any, Any, Array]:
    """Takes one gradient step through whole episodes."""
    loss, gradient = jax.value_and_grad(_loss, argnums=2)(config, settings, params, batch, extra)
    changes, state = _optimizer(settings).update(gradient, state, params)
    return jax.tree.map(jnp.add, params, changes), state, loss


def _loss(
    config: memory_agent.MemoryAgentConfig,
    settings: Settings,
    params: Any,
    batch: Batch,
    extra: Float[Array, "batch steps"],
) -> Array:
    found = memory_agent.along(config, params, batch.inputs)
    logits, value = (
        actor_critic_loss.clip_gradient(each, settings.clip) for each in (found.logits, found.value)
    )
    targets = _lambda_returns(
        jnp.asarray(batch.rewards) + extra, found.value, settings.rule.discount
    )
    said = (found.observation, found.previous_action, found.previous_reward)
    observation, action, reward = map(jnp.asarray, batch.inputs)
    seen = (observation, action, reward)
    return (
        actor_critic_loss.actor_critic(
            logits, value, jnp.asarray(batch.actions), targets, settings.weights
        )
        + actor_critic_loss.reconstruction(said, seen, settings.weights)
        + actor_critic_loss.read_strength(found.strengths, settings.weights)
    )


def _lambda_returns(
    rewards: Float[Array, "batch steps"], values: Float[Array, "batch steps"], discount: float
) -> Float[Array, "batch steps"]:
    """Computes lambda-returns whose lambda is the discount; the value behind the end is 0."""
    values = jax.lax.stop_gradient(values)
    is_last = jnp.arange(values.shape[1]) == values.shape[1] - 1
    ends = jnp.broadcast_to(is_last[:, None], values.T.shape)
    outcomes = objective.Outcomes(rewards.T, ends, jnp.zeros_like(ends))
    following = jnp.concatenate([values[:, 1:], jnp.zeros_like(values[:, :1])], axis=1)
    gains = objective.advantages(outcomes, values.T, following.T, discount, discount)
    return gains.T + values
