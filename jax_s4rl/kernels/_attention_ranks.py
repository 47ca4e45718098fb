"""Ranks of tokens from masks, resets and windows, and non-finite tokens kept in their episode.

The rank of a token is the number of real tokens before it; `_blockwise.Ranks` says which tokens a
query attends to.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import _blockwise


class Nonfinite(NamedTuple):
    """Flags of the queries, and of the keys or values, that are not finite."""

    query: Bool[Array, "... Q"]
    key: Bool[Array, "... K"]


def of_tokens(
    start: Int[Array, "*rows"],
    length: int,
    mask: Bool[Array, "*batch L"] | None,
    resets: Bool[Array, "*batch L"] | None,
    window: int | None,
) -> _blockwise.Ranks:
    """Returns the ranks of a row of tokens that follows `start` other tokens.

    Args:
        start: Number of real tokens before the row; batch axes may be 1.
        length: Number of tokens, L.
        mask: True where a token is real; padding gets rank -1.
        resets: True where an episode starts.
        window: Number of real tokens that a query attends to, itself included; None for all.

    Returns:
        The ranks, with the row as queries and as keys.

    Example:
        >>> resets = jnp.array([[False, False, True]])
        >>> of_tokens(jnp.zeros(1, jnp.int32), 3, None, resets, None).oldest
        Array([[0, 0, 2]], dtype=int32)
    """
    real = (
        jnp.ones((1,) * start.ndim + (length,), jnp.int32)
        if mask is None
        else mask.astype(jnp.int32)
    )
    # An exclusive sum: a token does not count itself.
    rank = start[..., None] + jnp.cumsum(real, axis=-1, dtype=jnp.int32) - real
    oldest = jnp.zeros_like(rank)
    if resets is not None:
        # Ranks never fall along a row, so the running maximum is the rank at the latest reset.
        oldest = lax.cummax(jnp.where(resets, rank, 0), axis=resets.ndim - 1)
    if window is not None:
        oldest = jnp.maximum(oldest, rank - window + 1)
    if mask is not None:
        rank = jnp.where(mask, rank, -1)
    return _blockwise.Ranks(oldest, rank, rank)


def of_slots(position: Int[Array, "*batch"], capacity: int) -> Int[Array, "*batch capacity"]:
    """Returns which token of the running episode is in each slot of a cache.

    Args:
        position: Number of tokens of the episode so far.
        capacity: Number of slots; token `n` lies in slot ``n % capacity``.

    Returns:
        Numbers of tokens, negative for empty slots.

    Example:
        >>> of_slots(jnp.array([1, 5]), 3)
        Array([[ 0, -2, -1],
               [ 3,  4,  2]], dtype=int32)
    """
    slots = jnp.arange(capacity, dtype=jnp.int32).reshape((1,) * position.ndim + (capacity,))
    newest = position[..., None] - 1
    # The remainder of JAX is never negative: it is the age of the slot, 0 for the newest token.
    return newest - (newest - slots) % capacity


def write_slots(
    slots: Float[Array, "*batch capacity heads head_dim"],
    tokens: Float[Array, "*batch L heads head_dim"],
    number: Int[Array, "*batch L"],
    position: Int[Array, "*batch"],
) -> Float[Array, "*batch capacity heads head_dim"]:
    """Writes each token into its slot of a cache, unless a later one needs the slot.

    Args:
        slots: Keys or values of a cache.
        tokens: New keys or values.
        number: Number of each token in its episode; one below 0 is not written.
        position: Number of tokens of the episode after the last one.

    Returns:
        The slots after the tokens.

    Example:
        >>> tokens = jnp.array([5.0, 6.0, 7.0])[:, None, None]
        >>> write_slots(jnp.zeros((2, 1, 1)), tokens, jnp.arange(3), jnp.array(3))[:, 0, 0]
        Array([7., 6.], dtype=float32)
    """
    capacity = slots.shape[-3]
    stays = (number >= 0) & (number >= position[..., None] - capacity)
    # A scatter with two tokens for one slot has no defined order, so only the last of them stays;
    # slot `capacity` does not exist, and mode "drop" skips it.
    places = jnp.where(stays, number % capacity, capacity)
    rows = jax.vmap(lambda row, own, where: row.at[where].set(own, mode="drop"))(
        slots.reshape(-1, *slots.shape[-3:]),
        tokens.reshape(-1, *tokens.shape[-3:]),
        places.reshape(-1, places.shape[-1]),
    )
    return rows.reshape(slots.shape)


def without_nonfinite(
    q: Float[Array, "*batch Q heads head_dim"],
    k: Float[Array, "*batch K heads head_dim"],
    v: Float[Array, "*batch K heads head_dim"],
) -> tuple[Array, Array, Array, Nonfinite]:
    """Replaces tokens with non-finite numbers by zero and flags them.

    A weight of 0 would not hide them, since 0 x NaN is NaN.

    Example:
        >>> token = jnp.array([[[1.0]], [[jnp.inf]]])
        >>> without_nonfinite(token, token, token)[3].query
        Array([False,  True], dtype=bool)
    """
    finite_q, finite_k, finite_v = (jnp.all(jnp.isfinite(x), axis=(-1, -2)) for x in (q, k, v))
    bad = Nonfinite(~finite_q, ~(finite_k & finite_v))
    k, v = (jnp.where(bad.key[..., None, None], 0, x) for x in (k, v))
    return jnp.where(bad.query[..., None, None], 0, q), k, v, bad


def with_nan(
    out: Float[Array, "*batch Q heads head_dim"], bad: Nonfinite, ranks: _blockwise.Ranks
) -> Float[Array, "*batch Q heads head_dim"]:
    """Sets outputs to NaN if their query, or a key or value that it attends to, was not finite.

    Example:
        >>> rank = jnp.arange(3)
        >>> ranks = _blockwise.Ranks(jnp.array([0, 0, 2]), rank, rank)
        >>> bad = Nonfinite(jnp.zeros(3, bool), jnp.array([False, True, False]))
        >>> with_nan(jnp.ones((3, 1, 1)), bad, ranks)[:, 0, 0]
        Array([ 1., nan,  1.], dtype=float32)
    """
    # A query attends to an unbroken range of ranks up to its own, so only the newest non-finite key
    # at or before it matters. Cached keys, in front and in the order of slots, come before all.
    bad_rank = jnp.where(bad.key, ranks.key, -1)
    cached = bad_rank.shape[-1] - ranks.query.shape[-1]
    before = jnp.max(bad_rank[..., :cached], axis=-1, initial=-1, keepdims=True)
    newest = jnp.maximum(before, lax.cummax(bad_rank[..., cached:], axis=bad_rank.ndim - 1))
    spoiled = ((newest >= ranks.oldest) | bad.query) & (ranks.query >= 0)
    return jnp.where(spoiled[..., None, None], jnp.asarray(jnp.nan, out.dtype), out)
