"""The value of every discrete action from one observation: the network of Q-learning baselines."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from jax_s4rl.modules import embeddings, tokens


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """What a user chooses about a Q-network; the same for every task."""

    width: int = 256
    """Features of every hidden layer, the encoded observation among them."""
    num_layers: int = 2
    """Hidden layers behind the encoded observation."""
    time_embedding: str = tokens.NONE
    """What tells the step within the episode: nothing (none), a table (learned) or sines (sinusoidal)."""

    def __post_init__(self) -> None:
        """Refuses what cannot be built."""
        for name, least in (("width", 1), ("num_layers", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least {least}")
        if self.time_embedding not in tokens.TIME_EMBEDDINGS:
            raise ValueError(
                f"time_embedding is {self.time_embedding!r}; choose one of {', '.join(tokens.TIME_EMBEDDINGS)}"
            )
        if self.time_embedding == tokens.SINUSOIDAL and self.width % 2:
            raise ValueError(f"width is {self.width}; a sinusoidal time embedding asks for an even number")


@dataclasses.dataclass(frozen=True)
class QConfig:
    """All that fixes a Q-network's shape and scales."""

    observation_shape: tuple[int, ...]
    """Shape of one observation."""
    num_actions: int
    """Size of the discrete action space."""
    observation_kind: str = embeddings.VECTOR
    """Vector (standardized), one_hot, index or image, as in `configs.DecisionTransformerConfig`."""
    num_observations: int | None = None
    """How many different observations there are, if an observation is an index; else None."""
    horizon: int | None = None
    """Longest episode, in steps; the size of a learned time embedding."""
    observation_mean: tuple[float, ...] = ()
    """Mean of each number of a vector in the training data; empty for zero."""
    observation_std: tuple[float, ...] = ()
    """Standard deviation of each number of a vector in the training data; empty for one."""
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    """What the user chose."""

    def __post_init__(self) -> None:
        """Refuses what cannot be built, before anything is trained."""
        embeddings.check(self.observation_kind, self.observation_shape, self.num_observations)
        if self.num_actions < 1:
            raise ValueError(f"num_actions is {self.num_actions}; values are of discrete actions, at least 1")
        if self.network.time_embedding == tokens.LEARNED and self.horizon is None:
            raise ValueError("a learned time embedding asks for the horizon, the longest episode in steps; give it")


class QNetwork(nn.Module):
    """A perceptron over the same encoded observations as those of the decision model; it has no memory.

    Attributes:
      config: shape of the network.

    Source: Mnih et al. (2015), "Human-level control through deep reinforcement learning".
    """

    config: QConfig

    @nn.compact
    def __call__(
        self, observations: Num[Array, "batch *shape"], time_steps: Int[Array, " batch"]
    ) -> Float[Array, "batch actions"]:
        """The value of every action: the discounted return after it.

        Args:
          observations: unscaled.
          time_steps: of each observation within its episode, up to the horizon, the final one included.
        """
        config, chosen = self.config, self.config.network
        x = embeddings.Observation(
            kind=config.observation_kind,
            width=chosen.width,
            num_observations=config.num_observations,
            mean=config.observation_mean,
            std=config.observation_std,
        )(observations)
        if chosen.time_embedding == tokens.LEARNED:
            # What follows the last step of the longest episode has a time as well.
            x = x + embeddings.table((config.horizon or 0) + 1, chosen.width, name="time")(time_steps)
        elif chosen.time_embedding == tokens.SINUSOIDAL:
            x = x + embeddings.sines(time_steps, chosen.width)
        for number in range(chosen.num_layers):
            x = nn.Dense(chosen.width, name=f"hidden_{number}")(nn.relu(x))
        return nn.Dense(config.num_actions, name="values")(nn.relu(x))


def init(config: QConfig, key: jax.Array) -> Any:
    """Draws the parameters of a Q-network.

    Args:
      config: shape of the network.
      key: typed random key.
    """
    kind = jnp.int32 if config.observation_kind == embeddings.INDEX else jnp.float32
    observations = jnp.zeros((1, *config.observation_shape), kind)
    return QNetwork(config).init(key, observations, jnp.zeros((1,), jnp.int32))["params"]


def values(
    config: QConfig, params: Any, observations: Num[Array, "batch *shape"], time_steps: Int[Array, " batch"]
) -> Float[Array, "batch actions"]:
    """The value of every action; as `QNetwork.__call__`."""
    found: Any = QNetwork(config).apply({"params": params}, observations, time_steps)
    return found
