"""The sums of attention, block of queries by block of queries, without a matrix of L x L.

Each static block takes only the keys that any of its queries can see; the derivatives, forward and reverse, compute the
weights again from the saved logarithm of their sum.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jax_s4rl.kernels import _casting, _linear_maps, _sharding

# Fastest of 75..256 on two CPU cores at L = 300 and 1,023; at most 32 blocks, so that compile time stays bounded.
BLOCK = 128
MAX_BLOCKS = 32

HIDDEN = -1e30  # a score so low that its weight is exactly 0 in float32
LOWEST = -1e20  # floor of a row's maximum: a row that sees nothing then has weights 0, not 0/0


class Ranks(NamedTuple):
    """Which tokens see which: query i sees key j if ``oldest[i] <= key[j] <= query[i]``.

    Each batch axis is that of the arrays or 1. `oldest` is at least 0, so a negative rank neither sees nor is seen.
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
    """Softmax attention of queries over the keys that their ranks let them see, 0 where there are none.

    The last Q of the K keys belong to the queries, in order; those before them are cached and open to every query.

    Args:
        q: Queries.
        k: Keys, of the queries' dtype.
        v: Values, of the queries' dtype.
        ranks: Who sees whom.
        block: Queries per block; by default `BLOCK`, more where that would make over `MAX_BLOCKS` blocks.
        reach: No query sees a key more than ``reach - 1`` places before it (only valid without cached keys).
        precision: Of matrix products: `"default"`, `"high"` or `"highest"`.

    Returns:
        The attended values, in the dtype of `q`.

    Example:
        >>> q, v = jnp.zeros((2, 1, 1)), jnp.array([[[2.0]], [[4.0]]])
        >>> ranks = Ranks(jnp.array([0, 0]), jnp.array([0, 1]), jnp.array([0, 1]))
        >>> attend(q, q, v, ranks)[:, 0, 0]
        Array([2., 3.], dtype=float32)
    """
    length = q.shape[-3]
    block = max(BLOCK, -(-length // MAX_BLOCKS)) if block is None else block
    q, k, v, ranks = _sharding.vary_alike(q, k, v, ranks)
    out, _ = _mixed(_How(block, reach, lax.Precision(precision)), _swap(q), _swap(k), _swap(v), ranks)
    return _swap(out)


class _How(NamedTuple):
    """Queries per block, the window that bounds the keys of a block, and the precision of products."""

    block: int
    reach: int | None
    precision: lax.Precision

    def product(self, subscripts: str, left: Array, right: Array, dtype: jax.typing.DTypeLike) -> Array:
        return jnp.einsum(subscripts, left, right, precision=self.precision, preferred_element_type=dtype)


def _spans(block: int, reach: int | None, queries: int, keys: int) -> list[tuple[slice, slice]]:
    """Blocks of queries, each with the keys that causality and the window leave to it; all of the cached ones."""
    cached = keys - queries
    spans = []
    for start in range(0, queries, block):
        stop = min(start + block, queries)
        first = 0 if reach is None else max(0, start - reach + 1)
        spans.append((slice(start, stop), slice(first, cached + stop)))
    return spans


def _scores(how: _How, q: Array, k: Array, ranks: Ranks, span: tuple[slice, slice]) -> Array:
    """Scaled scores of one block, [..., heads, queries, keys]; hidden ones so low that their weight is 0."""
    rows, columns = span
    dtype = _casting.compute_dtype(q)
    scores = how.product("...qd,...kd->...qk", q[..., rows, :], k[..., columns, :], dtype) * _scale(q)
    key = ranks.key[..., None, None, columns]
    seen = (key >= ranks.oldest[..., None, rows, None]) & (key <= ranks.query[..., None, rows, None])
    return jnp.where(seen, scores, HIDDEN)


def _scale(q: Array) -> float:
    return 1 / math.sqrt(q.shape[-1])


def _swap(x: Array) -> Array:
    """Between [..., L, heads, head_dim] and [..., heads, L, head_dim], in which products need no further copies."""
    return jnp.swapaxes(x, -2, -3)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _mixed(how: _How, q: Array, k: Array, v: Array, ranks: Ranks) -> tuple[Array, Array]:
    """The attended values and, for each query, the logarithm of its sum of exponentials [..., heads, Q, 1]."""
    dtype = _casting.compute_dtype(q)
    outs, logs = [], []
    for span in _spans(how.block, how.reach, q.shape[-2], k.shape[-2]):
        scores = _scores(how, q, k, ranks, span)
        top = jnp.maximum(jnp.max(scores, axis=-1, keepdims=True), LOWEST)
        weights = jnp.exp(scores - top)
        total = jnp.sum(weights, axis=-1, keepdims=True)
        total = jnp.where(total > 0, total, 1)
        mixed = how.product("...qk,...kd->...qd", weights.astype(v.dtype), v[..., span[1], :], dtype)
        outs.append(mixed / total)
        logs.append(top + jnp.log(total))
    return jnp.concatenate(outs, axis=-2).astype(q.dtype), jnp.concatenate(logs, axis=-2)


@_mixed.defjvp
def _derivative(how: _How, primals: tuple, tangents: tuple) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    q, k, v, ranks = primals
    out, log_sum = _mixed(how, q, k, v, ranks)
    saved = _Saved(q, k, v, ranks, out, log_sum)
    moved = _linear_maps.call(partial(_push, how, saved), partial(_pull, how, saved), tuple(tangents[:3]))
    return (out, log_sum), moved


class _Saved(NamedTuple):
    q: Array
    k: Array
    v: Array
    ranks: Ranks
    out: Array
    log_sum: Array


def _push(how: _How, saved: _Saved, tangents: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Derivative along a direction in q, k and v."""
    q, k, v, ranks, out, log_sum = saved
    to_q, to_k, to_v = tangents
    dtype = _casting.compute_dtype(q)
    outs, logs = [], []
    for span in _spans(how.block, how.reach, q.shape[-2], k.shape[-2]):
        rows, columns = span
        weights = jnp.exp(_scores(how, q, k, ranks, span) - log_sum[..., rows, :])
        slope = how.product("...qd,...kd->...qk", to_q[..., rows, :], k[..., columns, :], dtype)
        slope = slope + how.product("...qd,...kd->...qk", q[..., rows, :], to_k[..., columns, :], dtype)
        slope = weights * (slope * _scale(q))
        total = jnp.sum(slope, axis=-1, keepdims=True)
        moved = how.product("...qk,...kd->...qd", weights.astype(q.dtype), to_v[..., columns, :], dtype)
        moved = moved + how.product("...qk,...kd->...qd", slope.astype(q.dtype), v[..., columns, :], dtype)
        outs.append(moved - total * out[..., rows, :].astype(dtype))
        logs.append(total)
    return jnp.concatenate(outs, axis=-2).astype(q.dtype), jnp.concatenate(logs, axis=-2)


def _pull(how: _How, saved: _Saved, cotangents: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """The transpose of `_push`."""
    q, k, v, ranks, out, log_sum = saved
    arriving, to_log = cotangents
    dtype = _casting.compute_dtype(q)
    shared = jnp.sum(arriving.astype(dtype) * out.astype(dtype), axis=-1, keepdims=True) - to_log
    to_q, to_k, to_v = [], jnp.zeros(k.shape, dtype), jnp.zeros(v.shape, dtype)
    for span in _spans(how.block, how.reach, q.shape[-2], k.shape[-2]):
        rows, columns = span
        weights = jnp.exp(_scores(how, q, k, ranks, span) - log_sum[..., rows, :])
        from_out = how.product("...qd,...kd->...qk", arriving[..., rows, :], v[..., columns, :], dtype)
        slope = (weights * (from_out - shared[..., rows, :])).astype(q.dtype)
        to_q.append(how.product("...qk,...kd->...qd", slope, k[..., columns, :], dtype))
        to_k = _add(to_k, columns, how.product("...qk,...qd->...kd", slope, q[..., rows, :], dtype))
        weights = weights.astype(q.dtype)
        to_v = _add(to_v, columns, how.product("...qk,...qd->...kd", weights, arriving[..., rows, :], dtype))
    # Scaled here, where there are fewest numbers.
    to_all_q = jnp.concatenate(to_q, axis=-2) * _scale(q)
    return to_all_q.astype(q.dtype), (to_k * _scale(q)).astype(q.dtype), to_v.astype(q.dtype)


def _add(total: Array, columns: slice, part: Array) -> Array:
    # `total.at[...].add` is a scatter, whose constant indices JAX cannot take through `shard_map` here.
    return lax.dynamic_update_slice_in_dim(total, total[..., columns, :] + part, columns.start, axis=total.ndim - 2)
