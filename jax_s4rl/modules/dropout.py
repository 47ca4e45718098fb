"""Dropout with one random key per row.

The mask of a row depends neither on the device that holds the row nor on the other rows.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

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

    def mask(key: Key[Array, ""]) -> Array:
        # One key serves all places of a layer; folding in the number of the place tells them apart.
        return jax.random.bernoulli(jax.random.fold_in(key, place), 1 - rate, shape)

    return jnp.where(jax.vmap(mask)(noise), x / (1 - rate), jnp.zeros_like(x))
