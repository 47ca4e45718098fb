"""Running mean and standard deviation of observations, on the host."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jax_s4rl.collection.ppo import network

# Lower bound of the standard deviation, so that nearly constant observations are not amplified.
MIN_SCALE = 1e-4


class Moments:
    """Mean and summed squared deviations of all rows so far, in float64.

    Args:
        size: Number of entries of a row.

    Source:
        Chan et al. 1979, Updating formulae and a pairwise algorithm for computing sample variances,
        eq. 2.1.

    Example:
        >>> moments = Moments(1)
        >>> moments.add([[0.0], [2.0]])
        >>> moments.normalizer(active=True).mean.tolist()
        [1.0]
    """

    def __init__(self, size: int):
        self.count, self.mean, self.squares = 0, np.zeros(size), np.zeros(size)

    def add(self, observations: Any) -> None:
        """Adds rows, given as an array with any leading axes."""
        rows = np.asarray(observations, np.float64).reshape(-1, len(self.mean))
        mean, total = rows.mean(axis=0), self.count + len(rows)
        shift = mean - self.mean
        # Deviations from the means of both parts: sums of plain squares would cancel.
        self.squares = (
            self.squares
            + ((rows - mean) ** 2).sum(axis=0)
            + shift**2 * self.count * len(rows) / total
        )
        self.mean = self.mean + shift * len(rows) / total
        self.count = total

    def normalizer(self, active: bool) -> network.Normalizer:
        """Returns shift and scale of the rows so far; identity if not active or without rows."""
        if not active or self.count == 0:
            return network.Normalizer(jnp.zeros(len(self.mean)), jnp.ones(len(self.mean)))
        scale = np.maximum(np.sqrt(self.squares / self.count), MIN_SCALE)
        return network.Normalizer(
            jnp.asarray(self.mean, jnp.float32), jnp.asarray(scale, jnp.float32)
        )
