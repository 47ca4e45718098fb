"""Update of PPO from one rollout: all passes over it in one compiled call."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Shaped

from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import objective


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of PPO; the defaults solve CartPole.

    Raises:
        ValueError: If the minibatches do not divide a rollout, or there are too few steps for one.
    """

    total_steps: int = 200_000
    """Number of environment steps of the whole training."""
    num_envs: int = 8
    """Number of environments played side by side."""
    rollout_length: int = 128
    """Number of steps of each environment between two updates."""
    num_epochs: int = 4
    """Number of passes over each rollout."""
    num_minibatches: int = 4
    """Number of gradient steps in a pass; it divides `num_envs * rollout_length`."""
    learning_rate: float = 1e-3
    """First learning rate of Adam; it decays linearly to zero."""
    discount: float = 0.99
    """Discount factor of rewards."""
    gae_lambda: float = 0.95
    """Decay factor lambda of generalized advantage estimation."""
    clip_range: float = 0.2
    """Maximal distance of the clipped probability ratio from 1."""
    entropy_weight: float = 0.0
    """Weight of the entropy bonus."""
    value_weight: float = 0.5
    """Weight of the critic's squared error."""
    min_spread: float = 1e-8
    """Number added to the standard deviation by which advantages are divided.

    Advantages much smaller than it count as noise and stay small.
    """
    max_gradient_norm: float = 0.5
    """Global norm to which gradients are clipped."""
    width: int = 64
    """Number of units of each hidden layer."""
    num_layers: int = 2
    """Number of hidden layers of actor and critic each."""
    initial_log_scale: float = 0.0
    """Logarithm of the first standard deviation, in units of half the action range."""
    normalize_observations: bool = False
    """Whether to normalize observations by their running mean and standard deviation."""
    reward_scale: float = 1.0
    """Factor of all rewards in updates."""

    def __post_init__(self):
        if self.num_envs * self.rollout_length % self.num_minibatches:
            raise ValueError(
                f"got {self.num_minibatches} minibatches for {self.num_envs} x "
                f"{self.rollout_length} steps, wanted a number that divides the product"
            )
        if self.total_steps < self.num_envs * self.rollout_length:
            raise ValueError(
                f"got total_steps={self.total_steps}, wanted at least one rollout of "
                f"{self.num_envs * self.rollout_length} steps"
            )

    @property
    def weights(self) -> objective.Weights:
        """Weights and ranges of the loss."""
        return objective.Weights(
            clip_range=self.clip_range,
            entropy_weight=self.entropy_weight,
            value_weight=self.value_weight,
            min_spread=self.min_spread,
        )

    @property
    def num_updates(self) -> int:
        """Number of rollouts that fit into `total_steps`."""
        return self.total_steps // (self.num_envs * self.rollout_length)


class Rollout(NamedTuple):
    """T steps of B environments.

    `next_observations` are the true next observations, also at the end of an episode, where
    `observations` goes on with the first one of the next episode.
    """

    observations: Float[Array, "T B O"]
    actions: Shaped[Array, "T B *action"]
    rewards: Float[Array, "T B"]
    terminations: Bool[Array, "T B"]
    truncations: Bool[Array, "T B"]
    next_observations: Float[Array, "T B O"]

    @property
    def outcomes(self) -> objective.Outcomes:
        """Rewards and ends."""
        return objective.Outcomes(self.rewards, self.terminations, self.truncations)


class TrainState(NamedTuple):
    """State of the training that an update changes."""

    parameters: Any
    optimizer_state: optax.OptState


class _Samples(NamedTuple):
    """Flattened steps of a whole rollout, or of a minibatch."""

    observations: Float[Array, "S O"]
    played: objective.Played


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Makes Adam with clipped gradients and a learning rate that decays linearly to zero."""
    num_steps = config.num_updates * config.num_epochs * config.num_minibatches
    rate = optax.linear_schedule(config.learning_rate, 0.0, num_steps)
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(rate, eps=1e-5)
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def update(
    network: ppo_network.ActorCritic,
    config: Config,
    train_state: TrainState,
    normalizer: ppo_network.Normalizer,
    rollout: Rollout,
    order: Int[Array, "minibatches M"],
) -> tuple[TrainState, objective.Metrics]:
    """Updates the networks from one rollout, with all passes over it in one compiled call.

    Args:
        network: Actor and critic.
        config: Settings of PPO.
        train_state: Parameters and optimizer state.
        normalizer: Shift and scale with which the rollout was played.
        rollout: Steps that were played.
        order: Rows of the flattened rollout for each gradient step, from `draw_order`.

    Returns:
        The next train state, and the mean metrics of the passes.

    Source:
        Schulman et al. 2017, Proximal policy optimization algorithms, eq. 7 and 9.
    """
    optimizer = make_optimizer(config)
    gradient = jax.value_and_grad(_loss, argnums=2, has_aux=True)
    samples = _prepare(network, config, train_state.parameters, normalizer, rollout)

    def minibatch(
        state: TrainState, rows: Int[Array, " M"]
    ) -> tuple[TrainState, objective.Metrics]:
        part = jax.tree.map(lambda array: array[rows], samples)
        (_, metrics), gradients = gradient(network, config, state.parameters, normalizer, part)
        # Optax raises a float to the power of its integer step count, which strict promotion
        # forbids.
        with jax.numpy_dtype_promotion("standard"):
            changes, optimizer_state = optimizer.update(
                gradients, state.optimizer_state, state.parameters
            )
        return TrainState(optax.apply_updates(state.parameters, changes), optimizer_state), metrics

    train_state, metrics = jax.lax.scan(minibatch, train_state, order)
    return train_state, jax.tree.map(jnp.mean, metrics)


def draw_order(rng: np.random.Generator, config: Config) -> Int[np.ndarray, "minibatches M"]:
    """Shuffles the rows of a rollout once per epoch.

    This happens on the host, because XLA sorts slowly on CPU.

    Args:
        rng: Source of randomness.
        config: Settings of PPO.

    Returns:
        Indices of rows for each gradient step; those of one epoch follow each other.

    Example:
        >>> config = Config(num_envs=2, rollout_length=6, num_epochs=3)
        >>> order = draw_order(np.random.default_rng(0), config)
        >>> order.shape, sorted(order[:4].ravel().tolist()) == list(range(12))
        ((12, 3), True)
    """
    size = config.num_envs * config.rollout_length
    rows = np.stack([rng.permutation(size) for _ in range(config.num_epochs)]).astype(np.int32)
    return rows.reshape(config.num_epochs * config.num_minibatches, -1)


def _prepare(
    network: ppo_network.ActorCritic,
    config: Config,
    parameters: Any,
    normalizer: ppo_network.Normalizer,
    rollout: Rollout,
) -> _Samples:
    """Flattens a rollout to rows; log-probabilities and advantages use the parameters given here.

    These are the parameters that played the rollout.
    """
    outputs = ppo_network.apply(network, parameters, rollout.observations, normalizer)
    after = ppo_network.apply(network, parameters, rollout.next_observations, normalizer)
    scaled = rollout.outcomes._replace(rewards=rollout.rewards * config.reward_scale)
    estimates = objective.advantages(
        scaled, outputs.value, after.value, config.discount, config.gae_lambda
    )
    played = objective.Played(
        actions=rollout.actions,
        log_probability=ppo_network.log_probability(outputs, rollout.actions, network.discrete),
        values=outputs.value,
        advantages=estimates,
        targets=estimates + outputs.value,
    )
    samples = _Samples(rollout.observations, played)
    return jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:]), samples)


def _loss(
    network: ppo_network.ActorCritic,
    config: Config,
    parameters: Any,
    normalizer: ppo_network.Normalizer,
    part: _Samples,
) -> tuple[Float[Array, ""], objective.Metrics]:
    """Computes PPO's loss of a minibatch, and its parts as metrics."""
    outputs = ppo_network.apply(network, parameters, part.observations, normalizer)
    return objective.loss(outputs, part.played, config.weights, network.discrete)
