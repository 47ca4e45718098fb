"""The policy that acts by the values of a Q-network."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_s4rl.models import q_network
from jax_s4rl.modules import tokens


@dataclasses.dataclass(frozen=True)
class QPolicy:
    """Acts greedily, or samples; whatever return is asked for changes nothing.

    Sampled actions are drawn from `softmax(Q / temperature)`, or, where `epsilon` is given, are the greedy one but for
    a share of uniformly random ones.

    Attributes:
      config: shape of the network.
      max_steps: longest episode to act in.
      temperature: of the softmax, in the unit of the rewards.
      epsilon: share of uniformly random actions; None for the softmax.
    """

    config: q_network.QConfig
    max_steps: int
    temperature: float = 1.0
    epsilon: float | None = None

    def __post_init__(self) -> None:
        """Refuses episodes that run past what the network knows, and draws that are none."""
        horizon = self.config.horizon
        if self.config.network.time_embedding == tokens.LEARNED and horizon is not None and self.max_steps > horizon:
            raise ValueError(
                f"episodes may last {self.max_steps} steps but the network has time embeddings for {horizon}; "
                "train it with a larger horizon, or with time_embedding='sinusoidal' or 'none'"
            )
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it has to be above zero, or act greedily")
        if self.epsilon is not None and not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon is {self.epsilon}; it is the share of random actions, from 0 to 1")

    def prepare(self, params: Any) -> Any:
        """The parameters; nothing is made before acting."""
        return params

    def init(self, prepared: Any, num_envs: int) -> Int[Array, " batch"]:
        """The clock of `num_envs` episodes, the only state."""
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
          prepared: what `prepare` returned.
          state: steps since each episode began.
          observation: of this step, unscaled.
          return_to_go: not looked at.
          greedy: True for the action of the highest value (of several, the first), False for a draw.
          key: typed key for the draws.

        Returns:
          The actions, and the state after them.

        Raises:
          ValueError: observations do not have the shape that the network was built for.
        """
        del return_to_go
        if observation.shape[1:] != self.config.observation_shape:
            raise ValueError(
                f"observations have shape {observation.shape[1:]} but the network was built for "
                f"{self.config.observation_shape}; act in the environment that the data come from"
            )
        found = q_network.values(self.config, prepared, observation, state)
        best = jnp.argmax(found, axis=-1)
        action = jnp.where(greedy, best, self._draw(found, best, key))
        return action.astype(jnp.int32), state + 1

    def _draw(self, found: Float[Array, "batch actions"], best: Int[Array, " batch"], key: PRNGKeyArray) -> Array:
        if self.epsilon is None:
            return jax.random.categorical(key, found / self.temperature)
        coin_key, action_key = jax.random.split(key)
        is_random = jax.random.bernoulli(coin_key, self.epsilon, best.shape)
        return jnp.where(is_random, jax.random.randint(action_key, best.shape, 0, found.shape[1]), best)
