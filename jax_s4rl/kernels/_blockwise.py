"""Computes softmax attention block by block of queries, without a matrix of L x L.

Each block has a static size and takes only the keys that at least one of its queries may attend to.
The derivatives, forward and reverse, compute the weights again from the saved logarithm of their
sum.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jax_s4rl.kernels import _casting, _linear_maps, _sharding

# The fastest size of 75 to 256 on two CPU cores at L = 300 and 1,023. The blocks are unrolled,
# so their number is limited to keep compilation short.
BLOCK = 128
MAX_BLOCKS = 32

HIDDEN = -1e30  # a score so low that its weight is exactly 0 in float32
LOWEST = -1e20  # least maximum of a row: without visible keys its weights are then 0, not 0/0


class Ranks(NamedTuple):
    """Ranks that decide which keys a query attends to.

    Query i attends to key j if ``oldest[i] <= key[j] <= query[i]``. Each batch axis has the size of
    the arrays' batch axis, or 1. `oldest` is at least 0, so a token of negative rank neither
    attends to anything nor is attended to.
    """

    oldest: Int[Array, "... Q"]
    query: Int[Array, "... Q"]
    key: Int[Array, "... K"]


def attend(
    q: Float[Array, "*batch Q heads head_dim"],
    k: Float[Array, "*batch K heads head_dim"],
    v: Float[Array, "*batch K heads head_dim"],
    ranks: Ranks,
    *,
    block: int | None = None,
    reach: int | None = None,
    precision: str = "highest",
) -> Float[Array, "*batch Q heads head_dim"]:
    """Computes softmax attention of queries over the keys that their ranks allow.

    A query without such a key gets 0. The last Q of the K keys belong to the queries, in order; the
    keys before them are cached, and every block includes them.

    Args:
        q: Queries.
        k: Keys, of the queries' dtype.
        v: Values, of the queries' dtype.
        ranks: Ranks that decide which keys a query attends to.
        block: Queries per block; by default `BLOCK`, or more if that would make over `MAX_BLOCKS`
            blocks.
        reach: Width of the window: no query attends to a key more than ``reach - 1`` places before
            it. Valid only without cached keys.
        precision: Precision of matrix products: `"default"`, `"high"` or `"highest"`.

    Returns:
        The attended values, in the dtype of `q`.

    Example:
        >>> q, v = jnp.zeros((2, 1, 1)), jnp.array([[[2.0]], [[4.0]]])
        >>> ranks = Ranks(jnp.array([0, 0]), jnp.array([0, 1]), jnp.array([0, 1]))
        >>> attend(q, q, v, ranks)[:, 0, 0]
        Array([2., 3.], dtype=float32)
    """
    block = _block(q.shape[-3]) if block is None else block
    q, k, v, ranks = _sharding.vary_alike(q, k, v, ranks)
    out, _ = _attention(
        _Settings(block, reach, lax.Precision(precision)), _swap(q), _swap(k), _swap(v), ranks
    )
    return _swap(out)


def is_shorter(window: int, length: int) -> bool:
    """Returns whether a window spares blocks some of the keys that causality leaves.

    Args:
        window: Width of the window.
        length: Number of queries.

    Example:
        >>> is_shorter(64, 1024), is_shorter(1000, 1024)
        (True, False)
    """
    return window + _block(length) < length


def _block(length: int) -> int:
    """Returns the number of queries per block."""
    return max(BLOCK, -(-length // MAX_BLOCKS))


class _Settings(NamedTuple):
    """Queries per block, width of the window (None: all of the past), and precision of products."""

    block: int
    reach: int | None
    precision: lax.Precision

    def product(
        self, subscripts: str, left: Array, right: Array, dtype: jax.typing.DTypeLike
    ) -> Array:
        return jnp.einsum(
            subscripts, left, right, precision=self.precision, preferred_element_type=dtype
        )


def _spans(block: int, reach: int | None, queries: int, keys: int) -> list[tuple[slice, slice]]:
    """Returns the blocks of queries, each with the keys that causality and the window allow.

    Every block takes all cached keys.
    """
    cached = keys - queries
    spans = []
    for start in range(0, queries, block):
        stop = min(start + block, queries)
        first = 0 if reach is None else max(0, start - reach + 1)
        spans.append((slice(start, stop), slice(first, cached + stop)))
    return spans


def _scores(
    settings: _Settings, q: Array, k: Array, ranks: Ranks, span: tuple[slice, slice]
) -> Array:
    """Returns the scaled scores of one block, [..., heads, queries, keys].

    Scores of hidden keys are so low that their weight is 0.
    """
    rows, columns = span
    dtype = _casting.compute_dtype(q)
    scores = settings.product(
        "...qd,...kd->...qk", q[..., rows, :], k[..., columns, :], dtype
    ) * _scale(q)
    key = ranks.key[..., None, None, columns]
    visible = (key >= ranks.oldest[..., None, rows, None]) & (
        key <= ranks.query[..., None, rows, None]
    )
    return jnp.where(visible, scores, HIDDEN)


def _scale(q: Array) -> float:
    return 1 / math.sqrt(q.shape[-1])


def _swap(x: Array) -> Array:
    """Swaps [..., L, heads, head_dim] and [..., heads, L, head_dim].

    In the second layout, matrix products need no further copies.
    """
    return jnp.swapaxes(x, -2, -3)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _attention(
    settings: _Settings, q: Array, k: Array, v: Array, ranks: Ranks
) -> tuple[Array, Array]:
    """Computes the attended values and, for each query, the logarithm of its sum of exponentials.

    The logarithms are [..., heads, Q, 1].
    """
    dtype = _casting.compute_dtype(q)
    outs, logs = [], []
    for span in _spans(settings.block, settings.reach, q.shape[-2], k.shape[-2]):
        scores = _scores(settings, q, k, ranks, span)
        # The largest score is subtracted before `exp`, so that it cannot overflow.
        top = jnp.maximum(jnp.max(scores, axis=-1, keepdims=True), LOWEST)
        weights = jnp.exp(scores - top)
        total = jnp.sum(weights, axis=-1, keepdims=True)
        # A row without visible keys has weights of 0 and gets 0/1 instead of 0/0.
        total = jnp.where(total > 0, total, 1)
        weighted = settings.product(
            "...qk,...kd->...qd", weights.astype(v.dtype), v[..., span[1], :], dtype
        )
        outs.append(weighted / total)
        logs.append(top + jnp.log(total))
    return jnp.concatenate(outs, axis=-2).astype(q.dtype), jnp.concatenate(logs, axis=-2)


@_attention.defjvp
def _derivative(
    settings: _Settings, primals: tuple, tangents: tuple
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    q, k, v, ranks = primals
    out, log_sum = _attention(settings, q, k, v, ranks)
    saved = _Saved(q, k, v, ranks, out, log_sum)
    tangent = _linear_maps.call(
        partial(_push, settings, saved), partial(_pull, settings, saved), tuple(tangents[:3])
    )
    return (out, log_sum), tangent


class _Saved(NamedTuple):
    q: Array
    k: Array
    v: Array
    ranks: Ranks
    out: Array
    log_sum: Array


def _push(
    settings: _Settings, saved: _Saved, tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Computes the tangents of output and logarithms along a direction in q, k and v."""
    q, k, v, ranks, out, log_sum = saved
    dq, dk, dv = tangents
    dtype = _casting.compute_dtype(q)
    outs, logs = [], []
    for span in _spans(settings.block, settings.reach, q.shape[-2], k.shape[-2]):
        rows, columns = span
        weights = jnp.exp(_scores(settings, q, k, ranks, span) - log_sum[..., rows, :])
        slope = settings.product("...qd,...kd->...qk", dq[..., rows, :], k[..., columns, :], dtype)
        slope = slope + settings.product(
            "...qd,...kd->...qk", q[..., rows, :], dk[..., columns, :], dtype
        )
        slope = weights * (slope * _scale(q))
        total = jnp.sum(slope, axis=-1, keepdims=True)
        change = settings.product(
            "...qk,...kd->...qd", weights.astype(q.dtype), dv[..., columns, :], dtype
        )
        change = change + settings.product(
            "...qk,...kd->...qd", slope.astype(q.dtype), v[..., columns, :], dtype
        )
        outs.append(change - total * out[..., rows, :].astype(dtype))
        logs.append(total)
    return jnp.concatenate(outs, axis=-2).astype(q.dtype), jnp.concatenate(logs, axis=-2)


def _pull(
    settings: _Settings, saved: _Saved, cotangents: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Computes the cotangents of q, k and v: the transpose of `_push`."""
    q, k, v, ranks, out, log_sum = saved
    to_out, to_log = cotangents
    dtype = _casting.compute_dtype(q)
    # The part of the softmax derivative that all keys of a query share: `out . to_out` replaces the
    # sum over keys of weight times derivative.
    shared = jnp.sum(to_out.astype(dtype) * out.astype(dtype), axis=-1, keepdims=True) - to_log
    to_q, to_k, to_v = [], jnp.zeros(k.shape, dtype), jnp.zeros(v.shape, dtype)
    for span in _spans(settings.block, settings.reach, q.shape[-2], k.shape[-2]):
        rows, columns = span
        weights = jnp.exp(_scores(settings, q, k, ranks, span) - log_sum[..., rows, :])
        from_out = settings.product(
            "...qd,...kd->...qk", to_out[..., rows, :], v[..., columns, :], dtype
        )
        slope = (weights * (from_out - shared[..., rows, :])).astype(q.dtype)
        to_q.append(settings.product("...qk,...kd->...qd", slope, k[..., columns, :], dtype))
        to_k = _add(
            to_k, columns, settings.product("...qk,...qd->...kd", slope, q[..., rows, :], dtype)
        )
        weights = weights.astype(q.dtype)
        to_v = _add(
            to_v,
            columns,
            settings.product("...qk,...qd->...kd", weights, to_out[..., rows, :], dtype),
        )
    # The scale is applied to the results, which are smaller than the matrices of scores.
    to_all_q = jnp.concatenate(to_q, axis=-2) * _scale(q)
    return to_all_q.astype(q.dtype), (to_k * _scale(q)).astype(q.dtype), to_v.astype(q.dtype)


def _add(total: Array, columns: slice, part: Array) -> Array:
    # `total.at[...].add` is a scatter; here JAX cannot take its constant indices through
    # `shard_map`.
    return lax.dynamic_update_slice_in_dim(
        total, total[..., columns, :] + part, columns.start, axis=total.ndim - 2
    )
