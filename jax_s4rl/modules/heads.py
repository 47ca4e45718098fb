"""Heads of the decision transformer: predictions from the hidden features of a step."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

POINT = "point"
GAUSSIAN = "gaussian"
CONTINUOUS = (POINT, GAUSSIAN)

CROSS_ENTROPY = "cross_entropy"
SQUARED_ERROR = "squared_error"
ACTION_LOSSES = (CROSS_ENTROPY, SQUARED_ERROR)

NONE = "none"
TANH = "tanh"
ACTION_BOUNDS = (NONE, TANH)

# Standard deviations from 0.7 % of an action's unit to 7.4 units.
LOG_STD_RANGE = (-5.0, 2.0)


class Predictions(NamedTuple):
    """Predictions for one step, or for each step of windows; None for anything not predicted.

    Attributes:
        action: Logits of discrete actions (with the loss "squared_error" their one-hot vector), or
            the mean of continuous ones, standardized by the statistics of the model if it has some.
        log_std: Logarithm of the standard deviation of a Gaussian action.
        observation: Next observation: standardized numbers, or the logits of an index.
        return_to_go: Expected return from this step on, in the unit of the rewards.
    """

    action: Float[Array, "*rows outputs"]
    log_std: Float[Array, "*rows outputs"] | None = None
    observation: Float[Array, "*rows features"] | None = None
    return_to_go: Float[Array, "*rows"] | None = None


class Film(nn.Module):
    """Conditions features on a number: `x * (1 + scale(c)) + shift(c)`, initially `x` itself.

    Source:
        Perez et al. (2018), "FiLM: Visual Reasoning with a General Conditioning Layer",
        equation 2.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "*rows width"], condition: Float[Array, "*rows"]
    ) -> Float[Array, "*rows width"]:
        """Conditions the features of each row on its number."""
        width = x.shape[-1]
        hidden = nn.gelu(nn.Dense(width, name="hidden")(condition[..., None]))
        # Zeros make scale and shift vanish at initialization.
        output = nn.Dense(2 * width, kernel_init=nn.initializers.zeros, name="output")
        scale, shift = jnp.split(output(hidden), 2, axis=-1)
        return x * (1 + scale) + shift


class Action(nn.Module):
    """Predicts actions: logits, one action, or a normal distribution.

    Attributes:
        size: Number of discrete actions, or of numbers in a continuous one.
        is_gaussian: Whether a log-standard-deviation is predicted, bounded smoothly to
            `LOG_STD_RANGE`.
        bound: Bound of the logits or means, "none" or "tanh" (between -1 and 1).
    """

    size: int
    is_gaussian: bool = False
    bound: str = NONE

    @nn.compact
    def __call__(
        self, x: Float[Array, "*rows width"]
    ) -> tuple[Float[Array, "*rows size"], Float[Array, "*rows size"] | None]:
        """Returns the logits or means, and the log-standard-deviations (None if not Gaussian)."""
        center = nn.Dense(self.size, name="center")(x)
        if self.bound == TANH:
            center = jnp.tanh(center)
        if not self.is_gaussian:
            return center, None
        lowest, highest = LOG_STD_RANGE
        # A sigmoid rather than a clip, which has no gradient beyond the bounds.
        share = nn.sigmoid(nn.Dense(self.size, name="spread")(x))
        return center, lowest + (highest - lowest) * share


class NextObservation(nn.Module):
    """Predicts the next observation from the hidden features of a step and the action taken there.

    Attributes:
        size: Number of features of a vector, or number of different observations.
    """

    size: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "*rows width"], action: Float[Array, "*rows width"]
    ) -> Float[Array, "*rows size"]:
        """Predicts from the hidden features and the embedded action."""
        hidden = nn.gelu(
            nn.Dense(x.shape[-1], name="hidden")(jnp.concatenate([x, action], axis=-1))
        )
        return nn.Dense(self.size, name="output")(hidden)
