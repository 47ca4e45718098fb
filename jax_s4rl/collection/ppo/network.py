"""Actor and critic of PPO, and the action distributions that the actor parameterizes."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

HIDDEN_GAIN = float(np.sqrt(2))
# A small gain makes the first policy nearly uniform; larger values make early exploration biased.
ACTOR_GAIN = 0.01
OBSERVATION_LIMIT = 10.0


class Normalizer(NamedTuple):
    """Shift and scale of observations, fixed while a policy acts.

    Attributes:
        mean: Shift, subtracted from observations.
        scale: Scale, by which shifted observations are divided.
    """

    mean: Float[Array, " O"]
    scale: Float[Array, " O"]


class Outputs(NamedTuple):
    """Outputs of actor and critic.

    Attributes:
        center: Logits (discrete), or means in units of half the action range (continuous).
        log_scale: Logarithm of the standard deviations; zeros if discrete.
        value: Expected discounted return.
    """

    center: Float[Array, "*batch A"]
    log_scale: Float[Array, "*batch A"]
    value: Float[Array, "*batch"]


class ActorCritic(nn.Module):
    """Two separate networks over normalized observations.

    Attributes:
        action_size: Number of actions, or size of the action vector.
        discrete: Whether an action is one integer.
        width: Number of units of each hidden layer.
        num_layers: Number of hidden layers of each network.
        initial_log_scale: Logarithm of the first standard deviation, for continuous actions only.
        activation: Activation function of the hidden layers.
    """

    action_size: int
    discrete: bool
    width: int = 64
    num_layers: int = 2
    initial_log_scale: float = 0.0
    activation: Callable[[Array], Array] = nn.tanh

    @nn.compact
    def __call__(self, observations: Float[Array, "*batch O"], normalizer: Normalizer) -> Outputs:
        """Computes action distributions and values.

        Args:
            observations: Flattened observations of the environment, not normalized.
            normalizer: Shift and scale.

        Returns:
            The action distributions and the values, in float32.
        """
        # Batch axes are added explicitly: the tests forbid implicit rank promotion.
        axes = (1,) * (observations.ndim - 1)
        mean, scale = (array.reshape(*axes, -1) for array in normalizer)
        x = jnp.clip((observations - mean) / scale, -OBSERVATION_LIMIT, OBSERVATION_LIMIT)
        center = self._mlp(x, self.action_size, ACTOR_GAIN)
        value = self._mlp(x, 1, 1.0)
        if self.discrete:
            return Outputs(center, jnp.zeros_like(center), value[..., 0])
        constant = nn.initializers.constant(self.initial_log_scale)
        log_scale = self.param("log_scale", constant, (self.action_size,)).reshape(*axes, -1)
        return Outputs(center, jnp.broadcast_to(log_scale, center.shape), value[..., 0])

    def _mlp(
        self, x: Float[Array, "*batch O"], size: int, gain: float
    ) -> Float[Array, "*batch size"]:
        for _ in range(self.num_layers):
            hidden = nn.Dense(self.width, kernel_init=nn.initializers.orthogonal(HIDDEN_GAIN))
            x = self.activation(hidden(x))
        return nn.Dense(size, kernel_init=nn.initializers.orthogonal(gain))(x)


def apply(
    network: ActorCritic,
    parameters: Any,
    observations: Float[Array, "*batch O"],
    normalizer: Normalizer,
) -> Outputs:
    """Applies actor and critic.

    Args:
        network: Actor and critic.
        parameters: Parameters of the networks.
        observations: Flattened observations of the environment, not normalized.
        normalizer: Shift and scale.

    Returns:
        The action distributions and the values.
    """
    outputs = network.apply(parameters, observations, normalizer)
    return cast(Outputs, outputs)


def sample_actions(key: PRNGKeyArray, outputs: Outputs, discrete: bool) -> Shaped[Array, "..."]:
    """Draws one action per row.

    Args:
        key: Random key.
        outputs: Outputs of the networks.
        discrete: Whether an action is one integer.

    Returns:
        Integers [*batch], or vectors in units of half the action range [*batch, A].
    """
    if discrete:
        return jax.random.categorical(key, outputs.center)
    return outputs.center + jnp.exp(outputs.log_scale) * jax.random.normal(
        key, outputs.center.shape
    )


def log_probability(
    outputs: Outputs, actions: Shaped[Array, "..."], discrete: bool
) -> Float[Array, "*batch"]:
    """Computes the log-probability (discrete) or log-density (continuous) of actions.

    Args:
        outputs: Outputs of the networks.
        actions: One action per row, as `sample_actions` draws them.
        discrete: Whether an action is one integer.

    Returns:
        One number per row, in nats.

    Example:
        >>> outputs = Outputs(jnp.zeros((1, 4)), jnp.zeros((1, 4)), jnp.zeros(1))
        >>> float(jnp.exp(log_probability(outputs, jnp.array([2]), discrete=True))[0])
        0.25
    """
    if discrete:
        log_probabilities = jax.nn.log_softmax(outputs.center)
        return jnp.take_along_axis(log_probabilities, actions[..., None], axis=-1)[..., 0]
    residual = (actions - outputs.center) * jnp.exp(-outputs.log_scale)
    return jnp.sum(-0.5 * residual**2 - outputs.log_scale - 0.5 * np.log(2 * np.pi), axis=-1)


def entropy(outputs: Outputs, discrete: bool) -> Float[Array, "*batch"]:
    """Computes the (differential) entropy of each row's action distribution, in nats.

    Args:
        outputs: Outputs of the networks.
        discrete: Whether an action is one integer.

    Returns:
        One number per row.
    """
    if discrete:
        log_probabilities = jax.nn.log_softmax(outputs.center)
        return -jnp.sum(jnp.exp(log_probabilities) * log_probabilities, axis=-1)
    return jnp.sum(outputs.log_scale + 0.5 * np.log(2 * np.pi * np.e), axis=-1)
