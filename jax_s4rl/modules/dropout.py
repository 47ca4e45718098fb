"""Dropout with a key for each row, so that a row's noise does not depend on which device it is on, or with whom."""

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
    """Sets a share of the features to zero and scales the others up, so that the mean stays.

    Args:
      x: features.
      noise: a typed key for each row; None leaves `x` as it is.
      rate: share of features dropped, at least 0 and below 1.
      place: number of the place in the model where this is done; places have different masks.
      over_time: "independent" for a mask of its own at every step, or "shared" by all steps of a row.

    Returns:
      The features that are left.

    Source: Srivastava et al. (2014), "Dropout", section 10; shared over time: Gal and Ghahramani (2016), equation (5).

    Example:
      >>> x = jnp.ones((2, 3, 4))
      >>> dropped = drop(x, jax.random.split(jax.random.key(0), 2), 0.5, place=0)
      >>> sorted(set(dropped.ravel().tolist()))
      [0.0, 2.0]
    """
    if noise is None or rate == 0:
        return x
    shape = (1 if over_time == SHARED else x.shape[1], x.shape[2])

    def mask(key: Key[Array, ""]) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, place), 1 - rate, shape)

    return jnp.where(jax.vmap(mask)(noise), x / (1 - rate), jnp.zeros_like(x))
