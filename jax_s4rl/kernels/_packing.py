"""Attention block by block, in which padding does not keep a window from sparing work.

A window counts real tokens. With padding between them, tokens of near ranks can lie far apart. At
the front of the row they lie side by side, and the window bounds places, too.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import _blockwise, _linear_maps


class Packing(NamedTuple):
    """A permutation of the tokens of each row and its inverse.

    Attributes:
        order: Number of the token that goes to each place.
        places: Place to which each token goes.
    """

    order: Int[Array, "*batch L"]
    places: Int[Array, "*batch L"]

    def pack(self, x: Float[Array, "*batch L heads head_dim"]) -> Array:
        """Returns the tokens in their packed places."""
        return _move(self.order, self.places, x)

    def unpack(self, x: Float[Array, "*batch L heads head_dim"]) -> Array:
        """Returns packed tokens in the places that they came from."""
        return _move(self.places, self.order, x)

    def pack_numbers(self, x: Int[Array, "*batch L"]) -> Int[Array, "*batch L"]:
        """Returns one number of each token, in the packed places."""
        return jnp.take_along_axis(x, self.order, axis=-1, mode="clip")


def of_mask(mask: Bool[Array, "*batch L"]) -> Packing:
    """Returns the packing that puts real tokens first; all tokens of a kind stay in their order.

    Args:
        mask: True where a token is real.

    Example:
        >>> of_mask(jnp.array([False, True, False, True])).order
        Array([1, 3, 0, 2], dtype=int32)
    """
    real = mask.astype(jnp.int32)
    num_real = jnp.sum(real, axis=-1, keepdims=True, dtype=jnp.int32)
    before = jnp.cumsum(real, axis=-1, dtype=jnp.int32) - real
    padding_before = jnp.cumsum(1 - real, axis=-1, dtype=jnp.int32) - (1 - real)
    places = jnp.where(mask, before, num_real + padding_before)
    # The inverse of a permutation is the order that sorts it.
    return Packing(jnp.argsort(places, axis=-1).astype(jnp.int32), places)


def attend(
    q: Float[Array, "*batch L heads head_dim"],
    k: Float[Array, "*batch L heads head_dim"],
    v: Float[Array, "*batch L heads head_dim"],
    ranks: _blockwise.Ranks,
    *,
    window: int | None,
    masked: bool,
    block: int | None = None,
    precision: str = "highest",
) -> Float[Array, "*batch L heads head_dim"]:
    """Computes softmax attention of the tokens of a row, see `_blockwise.attend`.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        ranks: Ranks of the tokens; those of padding are -1.
        window: Number of real tokens that a query attends to; None for all.
        masked: Whether there is padding.
        block: Queries per block, as there.
        precision: Precision of matrix products.

    Returns:
        The attended values; 0 at padding.

    Example:
        >>> v, rank = jnp.array([[[2.0]], [[9.0]], [[4.0]]]), jnp.array([0, -1, 1])
        >>> ranks = _blockwise.Ranks(jnp.zeros(3, int), rank, rank)
        >>> attend(0 * v, v, v, ranks, window=None, masked=True)[:, 0, 0]
        Array([2., 0., 3.], dtype=float32)
    """
    if not masked:
        return _blockwise.attend(q, k, v, ranks, block=block, reach=window, precision=precision)
    if block is not None or window is None or not _blockwise.is_shorter(window, q.shape[-3]):
        return _blockwise.attend(q, k, v, ranks, block=block, precision=precision)
    packing = of_mask(ranks.key >= 0)
    packed = _blockwise.Ranks(*(packing.pack_numbers(numbers) for numbers in ranks))
    q, k, v = (packing.pack(x) for x in (q, k, v))
    return packing.unpack(_blockwise.attend(q, k, v, packed, reach=window, precision=precision))


def _move(by: Int[Array, "*batch L"], back: Int[Array, "*batch L"], x: Array) -> Array:
    """Reads the tokens `by` of each row.

    The transpose of a permutation is its inverse, another read. JAX would make a scatter-add of it,
    which XLA computes number by number on CPU.
    """
    return _linear_maps.call(lambda x: _read(by, x), lambda y: _read(back, y), x)


def _read(tokens: Int[Array, "*batch L"], x: Array) -> Array:
    return jnp.take_along_axis(x, tokens[..., None, None], axis=-3, mode="clip")
