"""Which episodes are drawn, and how often.

Three weightings. `"length"` draws an episode in proportion to its steps, so that every step of the data is as likely.
`"uniform"` draws every episode as often. `"balanced"` draws every return as often: the range of returns is cut into
equal bins, and each bin that has episodes gets the same share. Where an episode either succeeds or fails, half of what
is drawn are successes, however rare they are; that decides sparse tasks such as key-to-door.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt32

WEIGHTINGS = ("length", "uniform", "balanced")
NUM_BINS = 10


def episode_weights(
    lengths: Int[np.ndarray, " E"], returns: Float[np.ndarray, " E"], weighting: str
) -> Float[np.ndarray, " E"]:
    """The probability with which each episode is drawn.

    Args:
        lengths: Steps of each episode.
        returns: Return of each episode.
        weighting: "length", "uniform" or "balanced".

    Returns:
        Probabilities that add up to one.

    Raises:
        ValueError: If there is no such weighting.

    Example:
        >>> episode_weights(np.ones(4, int), np.array([0.0, 0.0, 0.0, 1.0]), "balanced").round(3).tolist()
        [0.167, 0.167, 0.167, 0.5]
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"got weighting={weighting!r}, wanted one of {', '.join(WEIGHTINGS)}")
    weights = np.ones(len(lengths))
    if weighting == "length":
        weights = lengths.astype(np.float64)
    elif weighting == "balanced":
        spread = max(float(np.ptp(returns)), np.finfo(np.float32).tiny)
        bins = np.minimum((returns - returns.min()) / spread * NUM_BINS, NUM_BINS - 1).astype(int)
        weights = 1 / np.bincount(bins, minlength=NUM_BINS)[bins]
    return weights / weights.sum()


def bounds(weights: Float[np.ndarray, " E"]) -> UInt32[np.ndarray, " E"]:
    """Where each episode's share of the 2^32 numbers of 32 bits ends; exact to 2^-32, which no float32 sum would be."""
    shares = np.floor(np.cumsum(weights) * 2.0**32)
    return np.minimum(shares, 2.0**32 - 1).astype(np.uint32)


def draw_episodes(key: Key[Array, ""], bounds: UInt32[Array, " E"], count: int) -> Int[Array, " count"]:
    """Draws episodes with replacement.

    Args:
        key: Typed key.
        bounds: What `bounds` gave.
        count: Number of draws.

    Returns:
        Numbers of episodes.

    Example:
        >>> share = jnp.asarray(bounds(np.array([0.0, 1.0, 0.0])))
        >>> draw_episodes(jax.random.key(0), share, 3).tolist()
        [1, 1, 1]
    """
    bits = jax.random.bits(key, (count,), jnp.uint32)
    found = jnp.searchsorted(bounds, bits, side="right")
    # The topmost numbers belong to the last episode that can be drawn at all.
    last = jnp.searchsorted(bounds, bounds[-1], side="left")
    return jnp.minimum(found, last).astype(jnp.int32)
