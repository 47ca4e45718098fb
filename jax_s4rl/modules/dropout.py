"""Dropout with one random key per row.

The mask of a row depends neither on the device that holds the row nor on the other rows.

Masks come from a hash of the key and the number of the entry. On CPU, `jax.random` takes much
longer for them (`benchmarks.dropout` times both), which is felt in an update of a small S4D model.
A mask needs no more than the hash gives: bits that are independent of each other as far as tests
can see.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt32

INDEPENDENT, SHARED = "independent", "shared"
KINDS = (INDEPENDENT, SHARED)


def drop(
    x: Float[Array, "batch length width"],
    noise: Key[Array, " batch"] | None,
    rate: float,
    *,
    place: int,
    over_time: str = INDEPENDENT,
) -> Float[Array, "batch length width"]:
    """Sets a random share of the features to zero and scales up the others to keep the mean.

    Args:
        x: Features.
        noise: Typed random key of each row; None returns `x` unchanged.
        rate: Share of features that are dropped, at least 0 and below 1.
        place: Number of the place in the model where features are dropped; places have different
            masks.
        over_time: Kind of mask: "independent" for each step, or "shared" by all steps of a row.

    Returns:
        The features, of which a share is zero.

    Source:
        Srivastava et al. (2014), "Dropout", section 10; shared over time: Gal and Ghahramani
        (2016), equation (5).

    Example:
        >>> x = jnp.ones((2, 3, 4))
        >>> dropped = drop(x, jax.random.split(jax.random.key(0), 2), 0.5, place=0)
        >>> sorted(set(dropped.ravel().tolist()))
        [0.0, 2.0]
    """
    if noise is None or rate == 0:
        return x
    # A shared mask has one step, which broadcasts over the others.
    shape = (1 if over_time == SHARED else x.shape[1], x.shape[2])

    def mask(key: Key[Array, ""]) -> Bool[Array, "steps width"]:
        # One key serves all places of a layer; folding in the number of the place tells them apart.
        return _bits(jax.random.fold_in(key, place), shape) < kept

    kept = np.uint32(min(round((1 - rate) * 2**32), 2**32 - 1))
    return jnp.where(jax.vmap(mask)(noise), x / (1 - rate), jnp.zeros_like(x))


def layer_keys(noise: Key[Array, " batch"] | None, count: int) -> list[Any]:
    """Splits the key of each row into keys of the layers of a model.

    Args:
        noise: Typed random key of each row; None for no dropout.
        count: Number of layers.

    Returns:
        For each layer the keys of all rows, or None.

    Example:
        >>> layer_keys(None, 2), len(layer_keys(jax.random.split(jax.random.key(0), 3), 2))
        ([None, None], 2)
    """
    if noise is None:
        return [None] * count
    split = jax.vmap(lambda key: jax.random.split(key, count))(noise)
    return [split[:, layer] for layer in range(count)]


def _bits(key: Key[Array, ""], shape: tuple[int, ...]) -> UInt32[Array, "*shape"]:
    """Draws 32 bits for each entry: its number, hashed with one word of the key after the other.

    Every word changes all bits of the result, so keys, entries and places share none.
    """
    bits = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    for word in jax.random.key_data(key):
        bits = _hash(bits ^ word)
    return bits


def _hash(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Maps 32 bits to 32 others, one to one; each bit of `x` changes half of the result's.

    Source:
        Wellons (2018), "Prospecting for Hash Functions", lowbias32.
    """
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)
