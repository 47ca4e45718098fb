"""The part of recurrent PPO's update that lets latent variables see the future of a round.

The rows are run again with latent variables of the posterior, from the noise with which they were
played. The advantages are those of values at the mean of the prior: no baseline depends on the
action that it judges, no return leaks into it, and no draw makes it noisy.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.agents import recurrent_update
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import objective
from jax_s4rl.models import future_actor_critic, latent_cloning
from jax_s4rl.training import losses

MEAN, PRIOR, POSTERIOR, ACTING = "mean", "prior", "posterior", "acting"
RATIOS, BASELINES = (POSTERIOR, ACTING), (MEAN, PRIOR, POSTERIOR)


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weights of the losses beside PPO's, and choices of which all but the first do harm."""

    beta: float = 1e-2
    """Weight of the divergences of posteriors from priors at the start of the training.

    A divergence is summed over dimensions, in nats, so its weight does not depend on their number.
    """
    final_beta: float = 1e-1
    """The same at the end; it changes linearly."""
    free_nats: float = 0.05
    """Divergence of a step that costs no more than less of it would."""
    decoder_weight: float = 1e-3
    """Weight of the error of the summaries that are decoded from the latent variables."""
    future: str = latent_cloning.OWN
    """Future that is read in training: own, that of another environment (other), or none."""
    ratio: str = POSTERIOR
    """Probability under which the ratio of an action starts at 1: posterior, or that of acting.

    The ratio compares two policies under latent variables of the same noise. Beside the probability
    of acting, whose latent variable was of the prior, it is not 1 at first, and is clipped wrongly.
    """
    baseline: str = MEAN
    """Latent variable of the values of which advantages are made: mean of the prior, the draw of
    the prior that was played with, or that of the posterior.

    Values tell luck by their latent variable, so a draw of the prior makes them noisy. That of the
    posterior depends on what the action led to. It leaks the return into the baseline:
    advantages vanish and nothing is learned, while the losses look excellent.
    """

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
            ValueError: A weight is below 0, or there is no such choice.
        """
        for name in ("beta", "final_beta", "free_nats", "decoder_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 0")
        choices = {"future": latent_cloning.FUTURES, "ratio": RATIOS, "baseline": BASELINES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}"
                )


class Viewed(NamedTuple):
    """What all gradient steps of a round share.

    Attributes:
        played: The steps, with what the networks said about them before the first gradient step.
        later: Rows whose later steps are read; None for none.
    """

    played: objective.Played
    later: future_actor_critic.Later | None


@dataclasses.dataclass(frozen=True)
class IntoTheFuture:
    """PPO whose latent variables see the future; see `recurrent_update.Form`.

    A posterior that equals its prior makes it plain PPO without a word: watch the metrics
    "actor_kl" and "critic_kl". The errors of the decoders fall without knowledge as well.

    Attributes:
        choices: Weights and choices of the objective.

    Source:
        After Venuto et al. (2021), "Policy Gradients Incorporating the Future"; the form with PPO
        is a choice of this project.
    """

    choices: Objective

    def view(
        self,
        config: future_actor_critic.FutureConfig,
        rules: recurrent_update.Rules,
        params: Any,
        rows: recurrent_update.Rows,
    ) -> tuple[Viewed, objective.Metrics]:
        """Estimates advantages, and computes what ratios and clipped values are compared with.

        Its metrics are the divergences "actor_kl" and "critic_kl" in nats, and what the posterior
        gains over the prior: "actor_gap" in nats, "critic_gap" in squared error. Acting cannot have
        these gains.
        """
        choices, later = self.choices, later_of(rows, self.choices.future)
        found = future_actor_critic.look_ahead(config, params, rows.start, rows.inputs, later)
        said = recurrent_update.outputs(found.said)
        log_probability = ppo_network.log_probability(said, rows.actions, discrete=True)
        judged = rows
        if choices.baseline == POSTERIOR:
            judged = _judged_by(rows, found.said.value)
        elif choices.baseline == MEAN:
            # A draw of 0 is the mean.
            draws = jax.tree.map(jnp.zeros_like, rows.inputs.draws)
            inputs = rows.inputs._replace(draws=draws)
            plain = future_actor_critic.look_ahead(config, params, rows.start, inputs, None)
            judged = _judged_by(rows, plain.said.value)
        played = recurrent_update.estimate(rules, judged)
        errors = (jnp.square(each - played.targets) for each in (rows.values, found.said.value))
        by_prior, by_posterior = map(jnp.mean, errors)
        metrics = {
            "actor_kl": jnp.mean(divergences(found.actor)),
            "critic_kl": jnp.mean(divergences(found.critic)),
            "actor_gap": jnp.mean(log_probability - rows.log_probability),
            "critic_gap": by_prior - by_posterior,
        }
        # The clipped value moves from what the same latent variable said; targets stay.
        played = played._replace(values=found.said.value)
        if choices.ratio == POSTERIOR:
            played = played._replace(log_probability=log_probability)
        return Viewed(played, later), metrics

    def loss(
        self,
        config: future_actor_critic.FutureConfig,
        weights: objective.Weights,
        params: Any,
        part: recurrent_update.Minibatch,
        progress: Float[Array, ""],
    ) -> tuple[Float[Array, ""], objective.Metrics]:
        """Computes PPO's loss under the posterior, plus the price of the latent variables.

        Its metrics are those of PPO, and the squared errors "actor_decoder" and "critic_decoder" of
        the decoded summaries, which the mean summary makes small too.
        """
        choices = self.choices
        found = future_actor_critic.look_ahead(
            config, params, part.start, part.inputs, part.viewed.later
        )
        said = recurrent_update.outputs(found.said)
        total, metrics = objective.loss(said, part.viewed.played, weights, discrete=True)
        beta = choices.beta + (choices.final_beta - choices.beta) * progress
        real = jnp.ones_like(part.inputs.is_first)
        # A fixed target: the summary must not become simple to be decoded.
        summary = jax.lax.stop_gradient(found.summary)
        for name, latent in (("actor", found.actor), ("critic", found.critic)):
            price, count = losses.kl(divergences(latent), real, choices.free_nats)
            error, _ = losses.squared_error(latent.decoded, summary, real)
            total += (beta * price + choices.decoder_weight * error) / count
            metrics[f"{name}_decoder"] = error / count
        return total, metrics


def _judged_by(rows: recurrent_update.Rows, values: Float[Array, "B T"]) -> recurrent_update.Rows:
    """Returns rows with other values; the values behind their ends are those of playing."""
    following = jnp.where(has_next(rows), jnp.roll(values, -1, axis=1), rows.next_values)
    return rows._replace(values=values, next_values=following)


def divergences(latent: future_actor_critic.Inferred) -> Float[Array, "B T"]:
    """Returns the divergence of posterior and prior of each step, in nats over all dimensions."""
    return losses.normal_kl(*latent.posterior, *latent.prior)


def has_next(rows: recurrent_update.Rows) -> Bool[Array, "B T"]:
    """Marks the steps whose next step lies in the same row and belongs to the same episode."""
    ended = jnp.asarray(rows.outcomes.terminations | rows.outcomes.truncations).T
    return (~ended).at[:, -1].set(False)


def later_of(rows: recurrent_update.Rows, future: str) -> future_actor_critic.Later | None:
    """Returns the rows whose later steps the steps of a round may know.

    Args:
        rows: Rows that were played.
        future: Future that is read, one of `latent_cloning.FUTURES`.
    """
    if future == latent_cloning.NONE:
        return None
    later = future_actor_critic.Later(
        rows.inputs.observation,
        rows.actions,
        rows.outcomes.rewards.T,
        jnp.ones(rows.actions.shape, bool),
        has_next(rows),
    )
    if future == latent_cloning.OTHER:
        # Here and not in a minibatch, whose environments differ from pass to pass.
        later = jax.tree.map(lambda array: jnp.roll(array, 1, axis=0), later)
    return later
