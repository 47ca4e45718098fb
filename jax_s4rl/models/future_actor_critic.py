"""Recurrent actor and critic with latent variables that see the future of a row in training.

While learning, a posterior q(z | h, b) reads the past h and a summary b of the later steps. A prior
p(z | h), which knows the past alone, is drawn to it, and takes its place while playing.
"""

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.models import latent_cloning, recurrent_actor_critic
from jax_s4rl.modules import backward, latents, mixers


@dataclasses.dataclass(frozen=True)
class FutureConfig(recurrent_actor_critic.RecurrentConfig):
    """Shape of actor and critic with a latent variable each."""

    latent: latent_cloning.LatentConfig = dataclasses.field(
        default_factory=latent_cloning.LatentConfig
    )
    """Choices for each of the two latent variables, and for the backward model that they share."""

    def __post_init__(self) -> None:
        """Checks that the networks can be built.

        Raises:
            ValueError: A number or an option does not fit.
        """
        super().__post_init__()
        mixers.check(self.latent.backward, width=self.width)

    @property
    def num_draws(self) -> int:
        """Number of draws of a step: those of the actor's latent variable, then the critic's."""
        return 2 * self.latent.size

    def build(self) -> "FutureActorCritic":
        """Returns the networks of this shape."""
        return FutureActorCritic(self)


class Later(NamedTuple):
    """Rows of steps that the backward model reads from their ends.

    Attributes:
        observation: Observation of each step.
        action: Action of each step.
        reward: Reward of each step, unscaled.
        mask: False at padding, which comes behind the last step.
        has_next: True where the next step of the row is of the same episode.
    """

    observation: Float[Array, "batch length O"]
    action: Int[Array, "batch length"]
    reward: Float[Array, "batch length"]
    mask: Bool[Array, "batch length"]
    has_next: Bool[Array, "batch length"]


class Inferred(NamedTuple):
    """A latent variable at the steps of rows.

    Attributes:
        prior: Distribution given the past.
        posterior: Distribution given past and future; the prior if no future is read.
        decoded: Summary that is decoded from its value.
    """

    prior: latents.Normal
    posterior: latents.Normal
    decoded: Float[Array, "batch length width"]


class Outputs(NamedTuple):
    """Outputs for every step of rows with their future.

    Attributes:
        said: Logits and values, given past and latent variables.
        actor: Latent variable of the actor (z).
        critic: Latent variable of the critic (u).
        summary: Summary of the future (b); zeros if none is read.
    """

    said: recurrent_actor_critic.Outputs
    actor: Inferred
    critic: Inferred
    summary: Float[Array, "batch length width"]


class FutureActorCritic(recurrent_actor_critic.RecurrentActorCritic):
    """Recurrent actor and critic that read the past and a latent variable each.

    Neither of them reads the summary of the future itself: that would by-pass the latent variables,
    whose divergence from the priors is the price of knowing the future. Near the end of a row that
    cuts an episode, the summary knows less; rows should be longer than what an action decides.

    Attributes:
        config: Shape of the networks.

    Source:
        After Venuto et al. (2021), "Policy Gradients Incorporating the Future", and the decoder of
        Z-forcing in Goyal et al. (2017). PPO in place of a soft actor-critic, and the state space
        model that reads backward, are choices of this project.
    """

    config: FutureConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        """Creates the layers."""
        super().setup()
        config, latent = self.config, self.config.latent
        self.later = nn.Dense(config.width)
        self.reader = backward.Backward(
            latent.backward, config.width, config.max_length, latent.backward_layers
        )
        self.actor_latent = _Latent(latent.size, config.width)
        self.critic_latent = _Latent(latent.size, config.width)

    def call_all(self, inputs: recurrent_actor_critic.Inputs) -> Outputs:
        """Calls every layer, so that all parameters are drawn."""
        real = jnp.ones_like(inputs.is_first)
        later = Later(
            inputs.observation, inputs.previous_action, inputs.previous_reward, real, real
        )
        return self.look_ahead(self.init_state(1), inputs, later)

    def look_ahead(
        self, state: list[Any], inputs: recurrent_actor_critic.Inputs, later: Later | None
    ) -> Outputs:
        """Maps rows of steps whose latent variables know the future.

        Args:
            state: State of every block before the rows.
            inputs: Inputs of all steps, `[batch, steps, ...]`.
            later: Rows whose later steps are read; None for none, as while playing.

        Returns:
            The outputs of all steps.
        """
        _, past = self.features(state, inputs)
        summary = jnp.zeros_like(past)
        if later is not None:
            summary = self._summarize(later)
        known = None if later is None else summary
        actor_draws, critic_draws = self._draws(inputs)
        z, actor = self.actor_latent(past, known, actor_draws)
        u, critic = self.critic_latent(past, known, critic_draws)
        return Outputs(self._given(past, z, u), actor, critic, summary)

    def _summarize(self, later: Later) -> Float[Array, "batch length width"]:
        steps = [
            later.observation,
            jax.nn.one_hot(later.action, self.config.num_actions),
            later.reward[..., None],
        ]
        return self.reader(self.later(jnp.concatenate(steps, axis=-1)), later.mask, later.has_next)

    def _leave(
        self, x: Float[Array, "*steps width"], inputs: recurrent_actor_critic.Inputs
    ) -> recurrent_actor_critic.Outputs:
        actor_draws, critic_draws = self._draws(inputs)
        z = self.actor_latent.prior(x).at(actor_draws)
        return self._given(x, z, self.critic_latent.prior(x).at(critic_draws))

    def _draws(self, inputs: recurrent_actor_critic.Inputs) -> list[Float[Array, "*steps size"]]:
        assert inputs.draws is not None
        return jnp.split(inputs.draws, 2, axis=-1)

    def _given(
        self,
        past: Float[Array, "*steps width"],
        z: Float[Array, "*steps size"],
        u: Float[Array, "*steps size"],
    ) -> recurrent_actor_critic.Outputs:
        return self._judge(jnp.concatenate([past, z], axis=-1), jnp.concatenate([past, u], axis=-1))


class _Latent(nn.Module):
    """Prior, posterior and decoder of one latent variable."""

    size: int
    width: int

    def setup(self) -> None:
        self.prior = latents.NormalHead(self.size, self.width)
        self.posterior = latents.NormalHead(self.size, self.width)
        self.decoder = latents.Readout(self.width, self.width)

    def __call__(
        self,
        past: Float[Array, "batch length width"],
        summary: Float[Array, "batch length width"] | None,
        draws: Float[Array, "batch length size"],
    ) -> tuple[Float[Array, "batch length size"], Inferred]:
        """Returns the value of the latent variable, and its distributions."""
        prior: latents.Normal = self.prior(past)
        posterior = prior
        if summary is not None:
            posterior = self.posterior(jnp.concatenate([past, summary], axis=-1))
        value = posterior.at(draws)
        return value, Inferred(prior, posterior, self.decoder(value))


def look_ahead(
    config: FutureConfig,
    params: Any,
    state: list[Any],
    inputs: recurrent_actor_critic.Inputs,
    later: Later | None,
) -> Outputs:
    """Runs the networks along rows, with latent variables that know their later steps.

    Args:
        config: Shape of the networks.
        params: Parameters of the networks.
        state: State of every block before the rows.
        inputs: Inputs of all steps, `[batch, steps, ...]`.
        later: Rows whose later steps are read: the same ones, or those of other episodes as a
            control; None for none, as while playing.

    Returns:
        The outputs of all steps.
    """
    model = config.build()
    return model.apply({"params": params}, state, inputs, later, method="look_ahead")  # pyright: ignore[reportReturnType]
