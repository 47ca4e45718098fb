"""A recurrent actor as a policy of rollouts, which acts with fixed parameters."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jax_s4rl.models import recurrent_actor_critic

DRAWN, MEAN = "drawn", "mean"
CHOICES = (DRAWN, MEAN)


class PolicyState(NamedTuple):
    """State of an acting agent.

    Attributes:
        memory: State of every block.
        previous_action: Last action of each episode; -1 before the first one.
        return_to_go: Target return before the last action, from which its reward follows.
    """

    memory: list[Any]
    previous_action: Int[Array, " batch"]
    return_to_go: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class RecurrentPolicy:
    """Acts in rollouts (`evaluation.rollout`), with target returns of 0 at the first step.

    Attributes:
        config: Shape of actor and critic.
        max_steps: Longest episode, in steps.
        latent: Choice of latent variables, if the networks have any: "drawn" anew at each step, or
            their "mean".
    """

    config: recurrent_actor_critic.RecurrentConfig
    max_steps: int
    latent: str = DRAWN

    def __post_init__(self) -> None:
        """Checks the choice.

        Raises:
            ValueError: There is no such choice.
        """
        if self.latent not in CHOICES:
            raise ValueError(f"latent is {self.latent!r}; choose one of {', '.join(CHOICES)}")

    def prepare(self, params: Any) -> tuple[Any, list[Any]]:
        """Returns the parameters with the constants that all steps share."""
        return params, recurrent_actor_critic.prepare(self.config, params)

    def init(self, prepared: tuple[Any, list[Any]], num_envs: int) -> PolicyState:
        """Returns the state before the first step of `num_envs` episodes."""
        memory = recurrent_actor_critic.init_state(self.config, prepared[0], num_envs)
        none = jnp.full((num_envs,), -1, jnp.int32)
        return PolicyState(memory, none, jnp.zeros(num_envs))

    def act(
        self,
        prepared: tuple[Any, list[Any]],
        state: PolicyState,
        observation: Float[Array, "batch O"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Int[Array, " batch"], PolicyState]:
        """Chooses the next action of every episode.

        Args:
            prepared: Parameters and constants that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step.
            return_to_go: Minus the rewards so far.
            greedy: True for the likeliest action, False for a drawn one.
            key: Typed random key for the draws.

        Returns:
            The actions, and the state after them.
        """
        is_first = state.previous_action < 0
        # A target falls by each reward.
        inputs = recurrent_actor_critic.Inputs(
            observation,
            state.previous_action,
            state.return_to_go - return_to_go,
            is_first,
            self._draws(len(is_first), key),
        )
        memory, outputs = recurrent_actor_critic.step(self.config, *prepared, state.memory, inputs)
        drawn = jax.random.categorical(key, outputs.logits)
        action = jnp.where(greedy, jnp.argmax(outputs.logits, axis=-1), drawn).astype(jnp.int32)
        return action, PolicyState(memory, action, return_to_go)

    def _draws(self, num_envs: int, key: PRNGKeyArray) -> Float[Array, "batch D"] | None:
        """Draws the noise of latent variables; zeros give their means."""
        shape = (num_envs, self.config.num_draws)
        if not self.config.num_draws:
            return None
        if self.latent == MEAN:
            return jnp.zeros(shape)
        # Another key than that of the action.
        return jax.random.normal(jax.random.fold_in(key, 0), shape)
