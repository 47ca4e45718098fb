"""Normal distributions of latent variables, predicted from features, and what is read off them."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

# Standard deviations from 0.7 % to 150.
LARGEST_LOG_STD = 5.0


class Normal(NamedTuple):
    """A normal distribution with independent dimensions.

    Attributes:
        mean: Mean of each dimension.
        log_std: Logarithm of each standard deviation.
    """

    mean: Float[Array, "*rows size"]
    log_std: Float[Array, "*rows size"]

    def at(self, draws: Float[Array, "*rows size"]) -> Float[Array, "*rows size"]:
        """Returns the values at draws of a standard normal; zeros give the mean."""
        return self.mean + jnp.exp(self.log_std) * draws


class NormalHead(nn.Module):
    """Predicts a normal distribution; a standard one before any training.

    Two such heads, of prior and posterior, are equal at first, so their divergence starts at 0.

    Attributes:
        size: Number of dimensions.
        width: Number of hidden features.
    """

    size: int
    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "*rows features"]) -> Normal:
        """Predicts the distribution of each row of features."""
        hidden = nn.gelu(nn.Dense(self.width, name="hidden")(x))
        output = nn.Dense(2 * self.size, kernel_init=nn.initializers.zeros, name="output")
        mean, spread = jnp.split(output(hidden), 2, axis=-1)
        # Bounded smoothly: a clip has no gradient beyond the bounds.
        return Normal(mean, LARGEST_LOG_STD * jnp.tanh(spread / LARGEST_LOG_STD))


class Readout(nn.Module):
    """Reads numbers off features or latent variables, by a map with one hidden layer.

    Attributes:
        width: Number of hidden features.
        size: Number of numbers.
    """

    width: int
    size: int

    @nn.compact
    def __call__(self, x: Float[Array, "*rows features"]) -> Float[Array, "*rows size"]:
        """Reads the numbers of each row of features."""
        return nn.Dense(self.size, name="output")(nn.gelu(nn.Dense(self.width, name="hidden")(x)))
