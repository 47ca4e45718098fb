"""The policy of latent-conditioned cloning, which draws its latent variable from the prior."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from jax_s4rl.models import latent_cloning, policy
from jax_s4rl.modules import heads, latents

DRAWN, MEAN, BEST = "drawn", "mean", "best"
CHOICES = (DRAWN, MEAN, BEST)


@dataclasses.dataclass(frozen=True)
class LatentPolicy(policy.Stepper):
    """Acts with a latent variable that knows the past alone; nothing of the future is needed.

    `latent="drawn"` draws it at every step, `"mean"` takes the mean of the prior, and `"best"`
    draws several and takes the one of the highest value V(h, z). That value also ranks by luck:
    where the future has parts that no action changes, the best of many draws expects lucky ones.

    Attributes:
        latent: Choice of the latent variable: "drawn", "mean" or "best".
        num_candidates: Number of draws that "best" chooses from.
    """

    latent: str = DRAWN
    num_candidates: int = 16

    def __post_init__(self) -> None:
        """Checks before the first step that the policy can act.

        Raises:
            ValueError: There is no such choice, no candidate, or the model cannot act as long.
        """
        super().__post_init__()
        if self.latent not in CHOICES:
            raise ValueError(f"latent is {self.latent!r}; choose one of {', '.join(CHOICES)}")
        if self.num_candidates < 1:
            raise ValueError(f"num_candidates is {self.num_candidates}; draw at least 1")

    @property
    def model(self) -> latent_cloning.LatentCloning:
        """The latent-conditioned model."""
        assert isinstance(self.config, latent_cloning.LatentCloningConfig)
        return latent_cloning.LatentCloning(self.config)

    def act(
        self,
        prepared: tuple[Any, Any],
        state: policy.PolicyState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Num[Array, "batch *action"], policy.PolicyState]:
        """Chooses the next action of every episode.

        Args:
            prepared: Parameters and constants that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step, unscaled.
            return_to_go: Target return, which is ignored.
            greedy: True for the likeliest action given the latent variable, False for a drawn one.
            key: Typed random key for the draws of latent variables and actions.

        Returns:
            The actions, and the state after them.

        Raises:
            ValueError: Observations do not have the shape that the model was built for.
        """
        past, memories = self.advance(prepared, state, observation, return_to_go)
        latent_key, action_key = jax.random.split(key)
        predicted = self._predict(prepared[0], past, latent_key)
        action = policy.choose(self.config, predicted, greedy, action_key)
        return action, policy.PolicyState(memories, state.time_step + 1, action)

    def _predict(
        self, params: Any, past: Float[Array, "batch width"], key: PRNGKeyArray
    ) -> heads.Predictions:
        """Predicts from the chosen latent variable of each episode."""
        model, variables = self.model, {"params": params}
        prior: Any = model.apply(variables, past, method="infer")
        count = self.num_candidates if self.latent == BEST else 1
        candidates = latents.Normal(
            *(jnp.broadcast_to(each, (count, *each.shape)) for each in prior)
        )
        draws = jnp.zeros_like(candidates.mean)
        if self.latent != MEAN:
            draws = jax.random.normal(key, draws.shape)
        pasts = jnp.broadcast_to(past, (count, *past.shape))
        predicted: Any = model.apply(variables, pasts, candidates.at(draws), method="predict")
        best = jnp.argmax(predicted.return_to_go, axis=0)
        return jax.tree.map(lambda each: _of_candidate(best, each), predicted)


def _of_candidate(best: Array, each: Array) -> Array:
    """Selects one candidate of each episode."""
    places = best.reshape(1, -1, *(1,) * (each.ndim - 2))
    return jnp.take_along_axis(each, places, axis=0)[0]
