"""What PPO learns from one rollout: generalized advantages and the clipped surrogate objective."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Shaped

from jax_s4rl.collection.ppo import network as ppo_network


@dataclasses.dataclass(frozen=True)
class Config:
    """Numbers of PPO; the defaults solve CartPole."""

    total_steps: int = 200_000
    """Environment steps of the whole training."""
    num_envs: int = 8
    """Environments played side by side."""
    rollout_length: int = 128
    """Steps of each environment between two updates."""
    num_epochs: int = 4
    """Passes over each rollout."""
    num_minibatches: int = 4
    """Parts of a pass, one gradient step each; they divide `num_envs * rollout_length`."""
    learning_rate: float = 1e-3
    """Of Adam, decaying linearly to zero."""
    discount: float = 0.99
    """Weight of the next step's value."""
    gae_lambda: float = 0.95
    """Weight of longer advantage estimates."""
    clip_range: float = 0.2
    """How far the probability ratio may move the objective."""
    entropy_weight: float = 0.0
    """Reward for undecided policies."""
    value_weight: float = 0.5
    """Weight of the critic's squared error."""
    min_spread: float = 1e-8
    """Added to the deviation that advantages are divided by: smaller ones are noise, and stay small."""
    max_gradient_norm: float = 0.5
    """Global norm that gradients are clipped to."""
    width: int = 64
    """Units of each hidden layer."""
    num_layers: int = 2
    """Hidden layers of actor and critic each."""
    initial_log_scale: float = 0.0
    """Logarithm of the first standard deviation, in units of half the action range."""
    normalize_observations: bool = False
    """Whether to shift and scale observations by their running mean and deviation."""
    reward_scale: float = 1.0
    """What rewards are multiplied with before learning."""

    def __post_init__(self):
        """Refuses sizes that do not divide."""
        if self.num_envs * self.rollout_length % self.num_minibatches:
            raise ValueError(
                f"got {self.num_minibatches} minibatches for {self.num_envs} x {self.rollout_length} steps, "
                "wanted a number that divides the product"
            )
        if self.total_steps < self.num_envs * self.rollout_length:
            raise ValueError(
                f"got total_steps={self.total_steps}, wanted at least one rollout of "
                f"{self.num_envs * self.rollout_length} steps"
            )

    @property
    def num_updates(self) -> int:
        """Rollouts that fit into `total_steps`."""
        return self.total_steps // (self.num_envs * self.rollout_length)


class Rollout(NamedTuple):
    """T steps of B environments. `next_observations` is what really followed, also at an episode's end."""

    observations: Float[Array, "T B O"]
    actions: Shaped[Array, "T B *action"]
    rewards: Float[Array, "T B"]
    terminations: Bool[Array, "T B"]
    truncations: Bool[Array, "T B"]
    next_observations: Float[Array, "T B O"]


class TrainState(NamedTuple):
    """What an update changes."""

    parameters: Any
    optimizer_state: optax.OptState


class _Samples(NamedTuple):
    """Rows that a minibatch holds."""

    observations: Float[Array, "S O"]
    actions: Shaped[Array, "S *action"]
    old_log_probability: Float[Array, " S"]
    advantages: Float[Array, " S"]
    targets: Float[Array, " S"]


Metrics = dict[str, Float[Array, ""]]


def advantages(
    rollout: Rollout,
    values: Float[Array, "T B"],
    next_values: Float[Array, "T B"],
    discount: float,
    gae_lambda: float,
) -> Float[Array, "T B"]:
    """Estimates advantages: `A_t = delta_t + discount lambda A_{t+1}` inside an episode.

    `delta_t = r_t + discount V(next) - V(now)`; a terminated world is worth nothing afterwards, a truncated one what
    the critic says of its true last observation, and neither lets anything through from the next episode.

    Args:
        rollout: What was played.
        values: Critic on `observations`.
        next_values: Critic on `next_observations`.
        discount: Weight of the next value.
        gae_lambda: Weight of longer estimates.

    Returns:
        The advantages.

    Source:
        Schulman et al. 2016, High-dimensional continuous control using generalized advantage estimation, eq. 16.
    """
    deltas = rollout.rewards + discount * jnp.where(rollout.terminations, 0.0, next_values) - values
    carries_on = ~(rollout.terminations | rollout.truncations)

    def back(
        after: Float[Array, " B"], step: tuple[Float[Array, " B"], Bool[Array, " B"]]
    ) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
        delta, goes_on = step
        advantage = delta + discount * gae_lambda * jnp.where(goes_on, after, 0.0)
        return advantage, advantage

    _, found = jax.lax.scan(back, jnp.zeros_like(values[0]), (deltas, carries_on), reverse=True)
    return found


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Makes Adam with clipped gradients and a rate that falls linearly to zero."""
    num_steps = config.num_updates * config.num_epochs * config.num_minibatches
    rate = optax.linear_schedule(config.learning_rate, 0.0, num_steps)
    return optax.chain(optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(rate, eps=1e-5))


@functools.partial(jax.jit, static_argnums=(0, 1))
def update(
    network: ppo_network.ActorCritic,
    config: Config,
    train_state: TrainState,
    normalizer: ppo_network.Normalizer,
    rollout: Rollout,
    order: Int[Array, "minibatches M"],
) -> tuple[TrainState, Metrics]:
    """Learns from one rollout: all passes over it in one compiled call.

    Args:
        network: Actor and critic.
        config: Numbers of PPO.
        train_state: Parameters and optimizer state.
        normalizer: Shift and scale under which the rollout was played.
        rollout: What was played.
        order: Which rows of the flattened rollout each gradient step sees, from `draw_order`.

    Returns:
        The next train state, and the mean metrics of the passes.

    Source:
        Schulman et al. 2017, Proximal policy optimization algorithms, eq. 7 and 9.
    """
    optimizer = make_optimizer(config)
    gradient = jax.value_and_grad(_loss, argnums=2, has_aux=True)
    samples = _prepare(network, config, train_state.parameters, normalizer, rollout)

    def minibatch(state: TrainState, rows: Int[Array, " M"]) -> tuple[TrainState, Metrics]:
        part = jax.tree.map(lambda array: array[rows], samples)
        (_, metrics), gradients = gradient(network, config, state.parameters, normalizer, part)
        # Optax raises a float to the power of its integer step count.
        with jax.numpy_dtype_promotion("standard"):
            changes, optimizer_state = optimizer.update(gradients, state.optimizer_state, state.parameters)
        return TrainState(optax.apply_updates(state.parameters, changes), optimizer_state), metrics

    train_state, metrics = jax.lax.scan(minibatch, train_state, order)
    return train_state, jax.tree.map(jnp.mean, metrics)


def draw_order(rng: np.random.Generator, config: Config) -> Int[np.ndarray, "minibatches M"]:
    """Shuffles the rows of a rollout once per epoch; on the host, because XLA sorts slowly on CPU.

    Example:
        >>> order = draw_order(np.random.default_rng(0), Config(num_envs=2, rollout_length=6, num_epochs=3))
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
    """Flattens a rollout into rows with their advantages, as seen by the networks that played it."""
    outputs = ppo_network.judge(network, parameters, rollout.observations, normalizer)
    after = ppo_network.judge(network, parameters, rollout.next_observations, normalizer)
    scaled = rollout._replace(rewards=rollout.rewards * config.reward_scale)
    found = advantages(scaled, outputs.value, after.value, config.discount, config.gae_lambda)
    old = ppo_network.log_probability(outputs, rollout.actions, network.discrete)
    samples = _Samples(rollout.observations, rollout.actions, old, found, found + outputs.value)
    return jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:]), samples)


def _loss(
    network: ppo_network.ActorCritic,
    config: Config,
    parameters: Any,
    normalizer: ppo_network.Normalizer,
    part: _Samples,
) -> tuple[Float[Array, ""], Metrics]:
    outputs = ppo_network.judge(network, parameters, part.observations, normalizer)
    log_ratio = ppo_network.log_probability(outputs, part.actions, network.discrete) - part.old_log_probability
    ratio = jnp.exp(log_ratio)
    advantage = (part.advantages - jnp.mean(part.advantages)) / (jnp.std(part.advantages) + config.min_spread)
    clipped = jnp.clip(ratio, 1 - config.clip_range, 1 + config.clip_range)
    policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
    value_loss = 0.5 * jnp.mean((outputs.value - part.targets) ** 2)
    entropy = jnp.mean(ppo_network.entropy(outputs, network.discrete))
    total = policy_loss + config.value_weight * value_loss - config.entropy_weight * entropy
    divergence = jnp.mean(ratio - 1 - log_ratio)
    return total, {"policy": policy_loss, "value": value_loss, "entropy": entropy, "divergence": divergence}
