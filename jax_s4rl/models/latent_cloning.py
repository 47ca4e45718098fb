"""Latent-conditioned cloning: a policy whose latent variable summarizes the future of its episode.

While training on recorded episodes, a posterior q(z | h, b) reads the past h and a summary b of the
future. A prior p(z | h), which knows the past alone, is drawn to it, and takes its place in acting.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num

from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.modules import backward, embeddings, heads, latents, mixers, tokens

# Future that the latent variable of a step is drawn from: that of its own episode, that of the
# same step in another row (a control), or none, which is the prior.
OWN, OTHER, NONE = "own", "other", "none"
FUTURES = (OWN, OTHER, NONE)


@dataclasses.dataclass(frozen=True)
class LatentConfig:
    """Choices of a user for the latent variable and what it is inferred from."""

    size: int = 8
    """Number of dimensions of the latent variable."""
    backward: mixers.MixerConfig = dataclasses.field(
        default_factory=lambda: mixers.MixerConfig("s5")
    )
    """Sequence mixer of the backward model, which reads episodes from their end."""
    backward_layers: int = 1
    """Number of blocks of the backward model."""

    def __post_init__(self) -> None:
        """Checks the choices that do not depend on the data.

        Raises:
            ValueError: A number is below 1, or the mixer cannot be built.
        """
        mixers.check(self.backward)
        for name in ("size", "backward_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 1")


@dataclasses.dataclass(frozen=True)
class LatentCloningConfig(configs.DecisionTransformerConfig):
    """Shape and scales of a latent-conditioned policy with a decision transformer as its trunk."""

    latent: LatentConfig = dataclasses.field(default_factory=LatentConfig)
    """Choices for the latent variable."""
    reward_scale: float = 1.0
    """Divisor of the rewards that the backward model reads."""

    def __post_init__(self) -> None:
        """Checks that the model can be built, before anything is trained.

        Raises:
            ValueError: Facts of data and environment do not fit each other or the choices, or the
                trunk would read or predict what is not its part here.
        """
        super().__post_init__()
        mixers.check(self.latent.backward, width=self.model.width)
        if self.model.returns != tokens.NONE:
            raise ValueError(
                f"returns is {self.model.returns!r}, but the future enters by the latent variable "
                "alone; set returns='none'"
            )
        for name in ("observation_loss", "return_loss"):
            if getattr(self.model, name):
                raise ValueError(
                    f"{name} is {getattr(self.model, name)}, but latent-conditioned cloning has "
                    "losses of its own; set it to 0"
                )
        if not self.reward_scale > 0:
            raise ValueError(
                f"reward_scale is {self.reward_scale}; it divides rewards and has to be positive"
            )


class Outputs(NamedTuple):
    """Outputs for every step of some rows.

    Attributes:
        predicted: Predicted action given past and latent variable, and the return-to-go (V).
        prior: Distribution of the latent variable given the past.
        posterior: Distribution given past and future; the prior if no future is read.
        summary: Summary of the future (b).
        decoded: Summary that is decoded from the latent variable.
    """

    predicted: heads.Predictions
    prior: latents.Normal
    posterior: latents.Normal
    summary: Float[Array, "batch length width"]
    decoded: Float[Array, "batch length width"]


class LatentCloning(nn.Module):
    """Predicts actions from the past and a latent variable, which sees the future in training.

    The value V(h, z) reads the same latent variable as the policy, so that draws of it can be
    ranked. It is no baseline: trained with the posterior, it knows the future.

    Attributes:
        config: Shape of the model.

    Source:
        After Venuto et al. (2021), "Policy Gradients Incorporating the Future", and the
        decoder of Z-forcing in Goyal et al. (2017). Cloning in place of a policy gradient, and the
        state space model that reads backward, are choices of this project.
    """

    config: LatentCloningConfig

    def setup(self) -> None:
        """Creates the trunk, the backward model, the distributions and the heads."""
        config, latent = self.config, self.config.latent
        width = config.model.width
        self.trunk = decision_transformer.DecisionTransformer(config)
        self.observation = decision_transformer.observation_embedding(config)
        self.action = embeddings.Action(
            config.num_actions, width, config.action_mean, config.action_std
        )
        self.reward = nn.Dense(width)
        self.reader = backward.Backward(
            latent.backward, width, config.model.context_length, latent.backward_layers
        )
        self.prior = latents.NormalHead(latent.size, width)
        self.posterior = latents.NormalHead(latent.size, width)
        self.decoder = latents.Readout(width, width)
        self.condition = nn.Dense(width)
        self.action_head = decision_transformer.action_head(config)
        self.value = latents.Readout(width, 1)

    def __call__(
        self,
        observations: Num[Array, "batch length *shape"],
        actions: Num[Array, "batch length *action"],
        rewards: Float[Array, "batch length"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        has_next: Bool[Array, "batch length"],
        resets: Bool[Array, "batch length"] | None = None,
        *,
        draws: Float[Array, "batch length size"],
        noise: Key[Array, " batch"] | None = None,
        future: str = OWN,
    ) -> Outputs:
        """Computes all that the losses need, for every step of whole rows.

        Args:
            observations: Observations, unscaled.
            actions: Actions taken at each step.
            rewards: Rewards of the actions, unscaled.
            previous_actions: Actions taken one step before; -1 (discrete) or 0 (continuous) at the
                first step of an episode.
            time_steps: Index of each step within its episode.
            mask: False at padding.
            has_next: True where the next step of the row is of the same episode.
            resets: True where another episode starts inside the row.
            draws: Draws of a standard normal; zeros for the means of the latent variable.
            noise: Typed random key of each row for dropout during training; None drops nothing.
            future: Future that is read: "own", "other" (that of the row before) or "none".

        Returns:
            The outputs.

        Raises:
            ValueError: There is no such future, no other row, or the rows are longer than the model
                was built for.
        """
        if future not in FUTURES:
            raise ValueError(f"future is {future!r}; choose one of {', '.join(FUTURES)}")
        if future == OTHER and len(mask) < 2:
            raise ValueError("got 1 row, but the future of another needs at least 2; add rows")
        past = self.trunk.features(
            jnp.zeros(mask.shape),
            observations,
            actions,
            previous_actions,
            time_steps,
            mask,
            resets,
            noise=noise,
        )
        summary = self.summarize(observations, actions, rewards, mask, has_next)
        if future == OTHER:
            summary = jnp.roll(summary, 1, axis=0)
        prior = self.prior(past)
        posterior: latents.Normal = prior
        if future != NONE:
            posterior = self.posterior(jnp.concatenate([past, summary], axis=-1))
        latent = posterior.at(draws)
        return Outputs(self.predict(past, latent), prior, posterior, summary, self.decoder(latent))

    def summarize(
        self,
        observations: Num[Array, "batch length *shape"],
        actions: Num[Array, "batch length *action"],
        rewards: Float[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        has_next: Bool[Array, "batch length"],
    ) -> Float[Array, "batch length width"]:
        """Summarizes observations, actions and rewards of all steps behind each step."""
        scaled = rewards[..., None] / self.config.reward_scale
        steps = self.observation(observations) + self.action(actions) + self.reward(scaled)
        return self.reader(steps, mask, has_next)

    def predict(
        self, past: Float[Array, "*rows width"], latent: Float[Array, "*rows size"]
    ) -> heads.Predictions:
        """Predicts the action, and the return-to-go, from features of the past and the latent."""
        both = jnp.concatenate([past, latent], axis=-1)
        action, log_std = self.action_head(nn.gelu(self.condition(both)))
        value = self.config.return_scale * self.value(both)[..., 0]
        return heads.Predictions(action, log_std, None, value)

    def infer(self, past: Float[Array, "*rows width"]) -> latents.Normal:
        """Returns the prior: the distribution of the latent variable given the past alone."""
        return self.prior(past)

    def init_state(self, batch_size: int, max_steps: int) -> list[Any]:
        """Returns the state of every block before episodes of at most `max_steps` steps."""
        return self.trunk.init_state(batch_size, max_steps)

    def prepare(self) -> list[Any]:
        """Returns the constants of every block, which are computed once before acting."""
        return self.trunk.prepare()

    def step(self, *arguments: Any) -> tuple[Float[Array, "batch width"], list[Any]]:
        """Computes features of the past, see `DecisionTransformer.step_features`."""
        return self.trunk.step_features(*arguments)


def init(config: LatentCloningConfig, key: jax.Array) -> Any:
    """Draws the parameters of a model, boxed with their optimizer groups.

    Args:
        config: Shape of the model.
        key: Typed random key.

    Returns:
        The tree of parameters; `modules.groups.strip` gives bare arrays, `modules.groups.labels`
        the optimizer groups.
    """
    # No parameter depends on the length of the row, so a row of one step is sufficient.
    row = decision_transformer.empty_window(config, batch_size=1, length=1)
    rewards, has_next = row.pop("returns_to_go"), row["mask"]
    draws = jnp.zeros((1, 1, config.latent.size))
    model = LatentCloning(config)
    return model.init(key, rewards=rewards, has_next=has_next, draws=draws, **row)["params"]


def shapes(config: LatentCloningConfig) -> Any:
    """Computes the shapes and types of the parameters; nothing is drawn.

    Args:
        config: Shape of the model.

    Returns:
        The tree of `init`, with `jax.ShapeDtypeStruct` for arrays.
    """
    return jax.eval_shape(functools.partial(init, config), jax.random.key(0))
