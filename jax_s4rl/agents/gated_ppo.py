"""Recurrent PPO that ignores actions which hindsight says did not matter.

    for each in recurrent_ppo.train(make_env, gated_ppo.Settings(), seed=0):
        print(each.num_steps, each.metrics["open"])

A hindsight network learns which action was taken from what came later. If no outcome makes any
action likelier or less likely, the action of the step decided nothing: its advantage is noise,
and is left out of the update. All other parts of PPO stay.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jax_s4rl.agents import future_update, recurrent_ppo, recurrent_update
from jax_s4rl.collection.ppo import objective
from jax_s4rl.models import gated_actor_critic, recurrent_actor_critic
from jax_s4rl.training import hindsight, losses


@dataclasses.dataclass(frozen=True)
class Gate:
    """Choices of the gate."""

    threshold: float = 1.0
    """Smallest size of a credit that opens the gate, as a multiple of the mean one of the round.

    An absolute one would keep the gate closed until hindsight is learned, and would have to know
    its noise.
    """
    distances: tuple[int, ...] = (0, 7, 63)
    """Numbers of steps between an action and the outcomes that it is judged by, 0 for its own.

    An outcome is the reward of a step with the next observation. Behind the end of an episode, or
    of its row, the last outcome takes the place.
    """

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
            ValueError: The threshold is below 0, or there is no distance or one below 0.
        """
        if not self.threshold >= 0:
            raise ValueError(f"threshold is {self.threshold}; it has to be at least 0")
        if not self.distances or min(self.distances) < 0:
            raise ValueError(f"distances are {self.distances}; give some of 0 steps or more")


class Viewed(NamedTuple):
    """What all gradient steps of a round share.

    Attributes:
        played: The steps, with advantages and what counts of them.
        outcomes: Outcomes that each step is judged by.
    """

    played: objective.Played
    outcomes: Float[Array, "B T outcomes Y"]


@dataclasses.dataclass(frozen=True)
class Gated:
    """PPO whose gate leaves out actions that did not matter; see `recurrent_update.Form`.

    The hindsight network starts without any credit, and the gate is open as long as there is none.
    The gradient of hindsight is a part of the clipped norm.

    Attributes:
        gate: Choices of the gate.

    Source:
        After credit-constrained A2C in Alipov et al. (2021), "Towards Practical Credit Assignment
        for Deep Reinforcement Learning", abstract of the first version: their rule is not public.
        The policy modulation is that of Meulemans et al. (2023). PPO, outcomes and threshold are
        choices of this project.
    """

    gate: Gate

    def view(
        self,
        config: gated_actor_critic.GatedConfig,
        rules: recurrent_update.Rules,
        params: Any,
        rows: recurrent_update.Rows,
    ) -> tuple[Viewed, objective.Metrics]:
        """Estimates advantages, and finds the actions that mattered.

        Its metrics are "open", the share of these, and "credit", the mean size of the largest
        credit of each step in nats.
        """
        outcomes = outcomes_of(rows, self.gate.distances)
        said, change = gated_actor_critic.look_back(
            config, params, rows.start, rows.inputs, outcomes
        )
        ratios = hindsight.log_ratios(*_both_logits(said, change))
        # Of all actions: once the policy is sure, the credit of the one that it takes is small.
        credit = jnp.max(jnp.abs(ratios), axis=(-2, -1))
        counts = hindsight.gate(credit, threshold=self.gate.threshold * jnp.mean(credit))
        played = recurrent_update.estimate(rules, rows)._replace(counts=counts)
        metrics = {"open": jnp.mean(counts, dtype=credit.dtype), "credit": jnp.mean(credit)}
        return Viewed(played, outcomes), metrics

    def loss(
        self,
        config: gated_actor_critic.GatedConfig,
        weights: objective.Weights,
        params: Any,
        part: recurrent_update.Minibatch,
        progress: Float[Array, ""],
    ) -> tuple[Float[Array, ""], objective.Metrics]:
        """Computes PPO's loss of what counts, and the loss of hindsight ("hindsight")."""
        del progress
        played, outcomes = part.viewed
        said, change = gated_actor_critic.look_back(
            config, params, part.start, part.inputs, outcomes
        )
        total, metrics = objective.loss(
            recurrent_update.outputs(said), played, weights, discrete=True
        )
        own, _ = _both_logits(said, change)
        error, count = losses.cross_entropy(
            own.reshape(-1, *own.shape[-2:]),
            jnp.broadcast_to(played.actions[..., None], own.shape[:-1]).reshape(-1, own.shape[-2]),
            jnp.ones((played.actions.size, own.shape[-2]), bool),
        )
        metrics["hindsight"] = error / count
        return total + metrics["hindsight"], metrics


def outcomes_of(
    rows: recurrent_update.Rows, distances: tuple[int, ...]
) -> Float[Array, "B T outcomes Y"]:
    """Collects the outcomes that each step is judged by: what comes some steps later.

    Args:
        rows: Rows that were played.
        distances: Numbers of steps from an action to its outcomes.

    Returns:
        The observation behind each outcome (zeros if the row does not have it), its reward, and
        whether there is the observation.
    """
    follows = future_update.has_next(rows)
    later = jnp.minimum(
        jnp.arange(follows.shape[1])[None, :, None] + jnp.asarray(distances)[None, None, :],
        _ends(follows)[:, :, None],
    )
    after = jnp.roll(rows.inputs.observation, -1, axis=1)
    after = jnp.where(follows[..., None], after, jnp.zeros_like(after))
    rewards, known = jnp.asarray(rows.outcomes.rewards).T, follows.astype(after.dtype)
    every = jnp.concatenate([after, rewards[..., None], known[..., None]], axis=-1)
    return jax.vmap(lambda row, chosen: row[chosen])(every, later)


def _ends(follows: Array) -> Int[Array, "B T"]:
    """Returns the last step of the episode of each step, within its row."""
    steps = jnp.broadcast_to(jnp.arange(follows.shape[1])[None, :], follows.shape)
    ends = jnp.where(follows, follows.shape[1], steps)
    return jax.lax.cummin(ends, axis=1, reverse=True)


def _both_logits(
    said: recurrent_actor_critic.Outputs, change: Float[Array, "B T outcomes A"]
) -> tuple[Array, Array]:
    """Returns the logits of h for every outcome, and those of the policy in the same shape."""
    plain = jnp.broadcast_to(said.logits[:, :, None], change.shape)
    return hindsight.modulate(plain, change), plain


@dataclasses.dataclass(frozen=True)
class Settings(recurrent_ppo.Settings):
    """Settings of `recurrent_ppo.train`, for PPO with a gate.

    Raises:
        ValueError: If numbers do not fit each other.
    """

    gate: Gate = dataclasses.field(default_factory=Gate)
    """Choices of the gate."""
    hindsight_width: int = 64
    """Number of features of the hindsight network."""

    @property
    def form(self) -> Gated:
        """Kind of PPO."""
        return Gated(self.gate)

    def networks(self, **facts: int) -> gated_actor_critic.GatedConfig:
        """Returns the shape of the networks, see `recurrent_ppo.Settings.networks`."""
        return gated_actor_critic.GatedConfig(
            **facts, **self._choices(), hindsight_width=self.hindsight_width
        )
