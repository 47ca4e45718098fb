"""Weights and draws of episodes.

There are three weightings. `"length"` draws an episode in proportion to its number of steps, so
that every step of the data is equally likely. `"uniform"` draws every episode equally often.
`"balanced"` draws every return equally often: it divides the range of returns into equal bins, and
each bin that holds episodes gets the same share. If every episode either succeeds or fails, half of
the draws are successes, however rare they are; this decides sparse tasks such as key-to-door.
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
    """Computes the probability with which each episode is drawn.

    Args:
        lengths: Number of steps of each episode.
        returns: Return of each episode.
        weighting: One of "length", "uniform" and "balanced".

    Returns:
        Probabilities that add up to one.

    Raises:
        ValueError: If there is no such weighting.

    Example:
        >>> returns = np.array([0.0, 0.0, 0.0, 1.0])
        >>> episode_weights(np.ones(4, int), returns, "balanced").round(3).tolist()
        [0.167, 0.167, 0.167, 0.5]
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"got weighting={weighting!r}, wanted one of {', '.join(WEIGHTINGS)}")
    weights = np.ones(len(lengths))
    if weighting == "length":
        weights = lengths.astype(np.float64)
    elif weighting == "balanced":
        # If all returns are equal, the tiny spread avoids 0 / 0 and puts them into one bin.
        spread = max(float(np.ptp(returns)), np.finfo(np.float32).tiny)
        # The highest return would begin a bin of its own; it belongs to the last one.
        bins = np.minimum((returns - returns.min()) / spread * NUM_BINS, NUM_BINS - 1).astype(int)
        weights = 1 / np.bincount(bins, minlength=NUM_BINS)[bins]
    return weights / weights.sum()


def bounds(weights: Float[np.ndarray, " E"]) -> UInt32[np.ndarray, " E"]:
    """Computes where each episode's share of the 2^32 integers of 32 bits ends.

    The shares are exact to 2^-32; sums in float32 would be less exact.

    Args:
        weights: Probabilities of the episodes; they add up to one.

    Returns:
        Exclusive upper end of each episode's share.
    """
    shares = np.floor(np.cumsum(weights) * 2.0**32)
    # The last share ends at 2^32, which 32 bits cannot hold.
    return np.minimum(shares, 2.0**32 - 1).astype(np.uint32)


def draw_episodes(
    key: Key[Array, ""], bounds: UInt32[Array, " E"], count: int
) -> Int[Array, " count"]:
    """Draws episodes with replacement.

    Args:
        key: Typed key.
        bounds: Ends of the episodes' shares, as the function `bounds` returns them.
        count: Number of draws.

    Returns:
        Indices of episodes.

    Example:
        >>> share = jnp.asarray(bounds(np.array([0.0, 1.0, 0.0])))
        >>> draw_episodes(jax.random.key(0), share, 3).tolist()
        [1, 1, 1]
    """
    bits = jax.random.bits(key, (count,), jnp.uint32)
    # `side="right"` because ends are exclusive: it also skips episodes with an empty share.
    episodes = jnp.searchsorted(bounds, bits, side="right")
    # Integers from the last bound on lie in no share, because of rounding and the cap in `bounds`.
    # They belong to the last episode with a share.
    last = jnp.searchsorted(bounds, bounds[-1], side="left")
    return jnp.minimum(episodes, last).astype(jnp.int32)


def draw_steps(
    keys: Key[Array, " B"],
    bounds: UInt32[Array, " E"],
    episode_starts: Int[Array, " E"],
    episode_lengths: Int[Array, " E"],
) -> Int[Array, " B"]:
    """Draws an episode by its weight and a step of it uniformly, for each key.

    Args:
        keys: Typed keys, one for each draw.
        bounds: Ends of the episodes' shares, as the function `bounds` returns them.
        episode_starts: Index of each episode's first step.
        episode_lengths: Number of steps of each episode.

    Returns:
        Flat indices of steps.

    Example:
        >>> share = jnp.asarray(bounds(np.array([0.0, 1.0])))
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> draw_steps(keys, share, jnp.array([0, 5]), jnp.array([5, 1])).tolist()
        [5, 5]
    """
    # Each key is split: one half draws the episode, the other the step.
    both = jax.vmap(jax.random.split)(keys)
    episodes = jax.vmap(lambda key: draw_episodes(key, bounds, 1)[0])(both[:, 0])
    return episode_starts[episodes] + jax.vmap(
        lambda key, length: jax.random.randint(key, (), 0, length)
    )(both[:, 1], episode_lengths[episodes])
