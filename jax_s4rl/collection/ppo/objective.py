"""Objective of PPO: generalized advantages, and the clipped surrogate with its value loss."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from jax_s4rl.collection.ppo import network


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights and ranges of the loss."""

    clip_range: float = 0.2
    """Maximal distance of the clipped probability ratio from 1."""
    entropy_weight: float = 0.0
    """Weight of the entropy bonus."""
    value_weight: float = 0.5
    """Weight of half the critic's squared error."""
    min_spread: float = 1e-8
    """Number added to the standard deviation by which advantages are divided."""
    value_clip_range: float | None = None
    """Maximal distance of the clipped value from that of the policy that played; None clips no
    value."""


class Outcomes(NamedTuple):
    """Rewards and ends of T steps of B environments.

    Attributes:
        rewards: Rewards.
        terminations: Whether the environment ended the episode at the step.
        truncations: Whether a time limit cut the episode at the step.
    """

    rewards: Float[Array, "T B"]
    terminations: Bool[Array, "T B"]
    truncations: Bool[Array, "T B"]


class Played(NamedTuple):
    """Steps, with what the policy that played them said about them.

    Attributes:
        actions: Actions taken.
        log_probability: Log-probability of each action under the policy that took it.
        values: Values under the parameters that played.
        advantages: Estimated advantages.
        targets: Targets of the critic.
        counts: Whether the action of a step is made likelier or less likely; None if all are.
    """

    actions: Shaped[Array, "..."]
    log_probability: Float[Array, "*steps"]
    values: Float[Array, "*steps"]
    advantages: Float[Array, "*steps"]
    targets: Float[Array, "*steps"]
    counts: Bool[Array, "*steps"] | None = None


Metrics = dict[str, Float[Array, ""]]


def advantages(
    outcomes: Outcomes,
    values: Float[Array, "T B"],
    next_values: Float[Array, "T B"],
    discount: float,
    gae_lambda: float,
) -> Float[Array, "T B"]:
    """Estimates advantages: `A_t = delta_t + discount lambda A_{t+1}` inside an episode.

    Here `delta_t = r_t + discount V(next) - V(now)`. After a termination the next value is 0; after
    a truncation it is the critic's value of the true last observation. In both cases no advantage
    of the next episode is added.

    Args:
        outcomes: Rewards and ends of the steps that were played.
        values: Values of the observations that were acted on.
        next_values: Values of the true next observations.
        discount: Discount factor of rewards.
        gae_lambda: Decay factor lambda of the estimates.

    Returns:
        The advantages.

    Source:
        Schulman et al. 2016, High-dimensional continuous control using generalized advantage
        estimation, eq. 16.
    """
    deltas = (
        outcomes.rewards + discount * jnp.where(outcomes.terminations, 0.0, next_values) - values
    )
    continues = ~(outcomes.terminations | outcomes.truncations)

    def backward(
        next_advantage: Float[Array, " B"], step: tuple[Float[Array, " B"], Bool[Array, " B"]]
    ) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
        delta, step_continues = step
        # `where` and not a product, so that a non-finite value stays in its own episode.
        following = jnp.where(step_continues, next_advantage, 0.0)
        advantage = delta + discount * gae_lambda * following
        return advantage, advantage

    start = jnp.zeros_like(values[0])
    _, estimates = jax.lax.scan(backward, start, (deltas, continues), reverse=True)
    return estimates


def loss(
    outputs: network.Outputs, played: Played, weights: Weights, discrete: bool
) -> tuple[Float[Array, ""], Metrics]:
    """Computes PPO's loss of a minibatch, and its parts as metrics.

    Advantages are standardized within the minibatch. With a range for values, the larger one of the
    errors of the value and of the clipped value counts.

    Args:
        outputs: Outputs of the networks for the steps.
        played: The steps.
        weights: Weights and ranges.
        discrete: Whether an action is one integer.

    Returns:
        The loss, and the metrics "policy", "value", "entropy" and "divergence".

    Source:
        Schulman et al. 2017, Proximal policy optimization algorithms, eq. 7 and 9.
    """
    log_ratio = network.log_probability(outputs, played.actions, discrete) - played.log_probability
    ratio = jnp.exp(log_ratio)
    advantage = (played.advantages - jnp.mean(played.advantages)) / (
        jnp.std(played.advantages) + weights.min_spread
    )
    if played.counts is not None:
        # Behind the standardization, which would give left out actions the size of the mean.
        advantage = jnp.where(played.counts, advantage, jnp.zeros_like(advantage))
    clipped = jnp.clip(ratio, 1 - weights.clip_range, 1 + weights.clip_range)
    policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
    errors = (outputs.value - played.targets) ** 2
    if weights.value_clip_range is not None:
        moved = jnp.clip(
            outputs.value - played.values, -weights.value_clip_range, weights.value_clip_range
        )
        errors = jnp.maximum(errors, (played.values + moved - played.targets) ** 2)
    value_loss = 0.5 * jnp.mean(errors)
    entropy = jnp.mean(network.entropy(outputs, discrete))
    total = policy_loss + weights.value_weight * value_loss - weights.entropy_weight * entropy
    # An estimate of KL(old || new) from samples of the old policy that is never negative.
    divergence = jnp.mean(ratio - 1 - log_ratio)
    return total, {
        "policy": policy_loss,
        "value": value_loss,
        "entropy": entropy,
        "divergence": divergence,
    }
