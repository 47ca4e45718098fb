"""The Q-network of the Q-learning baselines: values of discrete actions from one observation."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from jax_s4rl.modules import embeddings, tokens


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Choices of a user for a Q-network, independent of the task."""

    width: int = 256
    """Number of features of every hidden layer, including the embedded observation."""
    num_layers: int = 2
    """Number of hidden layers after the embedded observation."""
    time_embedding: str = tokens.NONE
    """Embedding of the step within the episode: none, a table (learned) or sines (sinusoidal)."""

    def __post_init__(self) -> None:
        """Checks that the network can be built.

        Raises:
            ValueError: A choice does not exist, is out of range, or does not fit another one.
        """
        for name, least in (("width", 1), ("num_layers", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least {least}")
        tokens.check_time_embedding(self.time_embedding, self.width)


@dataclasses.dataclass(frozen=True)
class QConfig:
    """Shape and scales of a Q-network."""

    observation_shape: tuple[int, ...]
    """Shape of one observation."""
    num_actions: int
    """Size of the discrete action space."""
    observation_kind: str = embeddings.VECTOR
    """Kind of observations: vector (standardized), one_hot, index or image, as in
    `configs.DecisionTransformerConfig`."""
    num_observations: int | None = None
    """Number of different observations if an observation is an index, otherwise None."""
    horizon: int | None = None
    """Longest episode, in steps; the size of a learned time embedding."""
    observation_mean: tuple[float, ...] = ()
    """Mean of each feature of a vector in the training data; empty for zero."""
    observation_std: tuple[float, ...] = ()
    """Standard deviation of each feature of a vector in the training data; empty for one."""
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    """Choices of the user."""

    def __post_init__(self) -> None:
        """Checks that the network can be built, before anything is trained.

        Raises:
            ValueError: Facts of data and environment do not fit each other or the choices.
        """
        embeddings.check(self.observation_kind, self.observation_shape, self.num_observations)
        if self.num_actions < 1:
            raise ValueError(
                f"num_actions is {self.num_actions}; a Q-network needs at least 1 discrete action"
            )
        tokens.check_horizon(self.network.time_embedding, self.horizon)


class QNetwork(nn.Module):
    """A multilayer perceptron without memory.

    It embeds observations in the same way as the decision transformer.

    Attributes:
        config: Shape of the network.

    Source:
        Mnih et al. (2015), "Human-level control through deep reinforcement learning".
    """

    config: QConfig

    @nn.compact
    def __call__(
        self, observations: Num[Array, "batch *shape"], time_steps: Int[Array, " batch"]
    ) -> Float[Array, "batch actions"]:
        """Computes the value of every action, which is the discounted return after it.

        Args:
            observations: Observations, unscaled.
            time_steps: Index of each observation within its episode, at most the horizon, which is
                the index of the final observation.

        Returns:
            The values.
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
            # The observation after the last step of the longest episode needs a row, too.
            x = x + embeddings.table((config.horizon or 0) + 1, chosen.width, name="time")(
                time_steps
            )
        elif chosen.time_embedding == tokens.SINUSOIDAL:
            x = x + embeddings.sines(time_steps, chosen.width)
        for number in range(chosen.num_layers):
            x = nn.Dense(chosen.width, name=f"hidden_{number}")(nn.relu(x))
        return nn.Dense(config.num_actions, name="values")(nn.relu(x))


def init(config: QConfig, key: jax.Array) -> Any:
    """Draws the parameters of a Q-network.

    Args:
        config: Shape of the network.
        key: Typed random key.

    Returns:
        The tree of parameters.
    """
    kind = jnp.int32 if config.observation_kind == embeddings.INDEX else jnp.float32
    observations = jnp.zeros((1, *config.observation_shape), kind)
    return QNetwork(config).init(key, observations, jnp.zeros((1,), jnp.int32))["params"]


def values(
    config: QConfig,
    params: Any,
    observations: Num[Array, "batch *shape"],
    time_steps: Int[Array, " batch"],
) -> Float[Array, "batch actions"]:
    """Computes the value of every action, as `QNetwork.__call__` does."""
    computed: Any = QNetwork(config).apply({"params": params}, observations, time_steps)
    return computed
