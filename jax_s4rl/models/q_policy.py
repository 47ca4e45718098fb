"""The policy of a Q-network, which acts by the values of actions."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_s4rl.models import q_network
from jax_s4rl.modules import tokens


@dataclasses.dataclass(frozen=True)
class QPolicy:
    """Acts greedily, or samples; target returns have no effect.

    Sampled actions are drawn from `softmax(Q / temperature)`. If `epsilon` is given, they are
    instead the greedy action, except for a share of uniformly random actions.

    Attributes:
        config: Shape of the network.
        max_steps: Longest episode to act in, in steps.
        temperature: Temperature of the softmax, in the unit of the rewards.
        epsilon: Share of uniformly random actions; None for the softmax.
    """

    config: q_network.QConfig
    max_steps: int
    temperature: float = 1.0
    epsilon: float | None = None

    def __post_init__(self) -> None:
        """Checks before the first step that the network can act for `max_steps`.

        Raises:
            ValueError: More steps than the learned time embedding has, or a temperature or epsilon
                out of range.
        """
        horizon = self.config.horizon
        if (
            self.config.network.time_embedding == tokens.LEARNED
            and horizon is not None
            and self.max_steps > horizon
        ):
            raise ValueError(
                f"episodes may last {self.max_steps} steps but the network has time embeddings for "
                f"{horizon}; train it with a larger horizon, or with "
                "time_embedding='sinusoidal' or 'none'"
            )
        if not self.temperature > 0:
            raise ValueError(
                f"temperature is {self.temperature}; choose a number above zero, or act greedily"
            )
        if self.epsilon is not None and not 0 <= self.epsilon <= 1:
            raise ValueError(
                f"epsilon is {self.epsilon}; it is the share of random actions, from 0 to 1"
            )

    def prepare(self, params: Any) -> Any:
        """Returns the parameters: there are no constants to compute before acting."""
        return params

    def init(self, prepared: Any, num_envs: int) -> Int[Array, " batch"]:
        """Returns the time steps of `num_envs` episodes, which are the only state."""
        del prepared
        return jnp.zeros((num_envs,), jnp.int32)

    def act(
        self,
        prepared: Any,
        state: Int[Array, " batch"],
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Int[Array, " batch"], Int[Array, " batch"]]:
        """Chooses the next action of every episode.

        Args:
            prepared: Parameters that `prepare` returned.
            state: Number of steps since each episode started.
            observation: Observation of this step, unscaled.
            return_to_go: Target return, which is ignored.
            greedy: True for the action of the highest value (the first one of several), False for a
                drawn action.
            key: Typed random key for the draws.

        Returns:
            The actions, and the state after them.

        Raises:
            ValueError: Observations do not have the shape that the network was built for.
        """
        del return_to_go
        if observation.shape[1:] != self.config.observation_shape:
            raise ValueError(
                f"observations have shape {observation.shape[1:]} but the network was built for "
                f"{self.config.observation_shape}; act in the environment that the data come from"
            )
        values = q_network.values(self.config, prepared, observation, state)
        best = jnp.argmax(values, axis=-1)
        action = jnp.where(greedy, best, self._draw(values, best, key))
        return action.astype(jnp.int32), state + 1

    def _draw(
        self, values: Float[Array, "batch actions"], best: Int[Array, " batch"], key: PRNGKeyArray
    ) -> Array:
        if self.epsilon is None:
            return jax.random.categorical(key, values / self.temperature)
        coin_key, action_key = jax.random.split(key)
        is_random = jax.random.bernoulli(coin_key, self.epsilon, best.shape)
        return jnp.where(
            is_random, jax.random.randint(action_key, best.shape, 0, values.shape[1]), best
        )
