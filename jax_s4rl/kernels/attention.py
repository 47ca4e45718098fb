"""Causal attention over a sequence, over a chunk with a cache, and over one step: three views of one function.

Every token of a row gets a rank: how many real tokens came before it. A query sees the tokens from rank `oldest` (the
start of its episode, or of its window) up to its own rank; padding has no rank, sees nothing and is never seen. All
three views say masks, resets and windows in these numbers alone (`blockwise.Ranks`), which is why they agree.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import _blockwise, _casting, _checks, _flash, _sharding

METHODS = ("auto", "dense", "blocked", "fused")


class Cache(NamedTuple):
    """The keys and values of the running episode; token `n` of it lies in slot ``n % capacity``."""

    keys: Float[Array, "*batch capacity heads head_dim"]
    values: Float[Array, "*batch capacity heads head_dim"]
    position: Int[Array, "*batch"]


def attend(
    q: Float[Array | np.ndarray, "*batch L heads head_dim"],
    k: Float[Array | np.ndarray, "*batch L heads head_dim"],
    v: Float[Array | np.ndarray, "*batch L heads head_dim"],
    *,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    window: int | None = None,
    method: str = "auto",
    precision: str = "highest",
) -> Float[Array, "*batch L heads head_dim"]:
    """Causal softmax attention, ``softmax(q k^T / sqrt(head_dim)) v`` over what each query may see.

    The softmax is computed in float32, or float64 where an input is; matrix products of bfloat16 inputs accumulate in
    float32. A NaN in an episode stays in it when `resets` are given, in values and in gradients.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        mask: True where a step is real. Padding is as if it were not there: never seen, not counted, output 0.
        resets: True where an episode starts; nothing before it is seen from there on.
        window: Number of real tokens that a query sees, itself included; all of its episode if None.
        method: `"blocked"` (skips what causality hides; least memory), `"dense"` (one block), `"fused"` (the flash
            kernel that JAX offers on NVIDIA GPUs, bfloat16 or float16 only), or `"auto"`: `"fused"` where the platform
            that the program is lowered for, the dtype and head_dim allow it, `"blocked"` elsewhere. A program for CUDA
            that is made on another host gets `"fused"` if JAX's CUDA packages are installed there.
        precision: Of matrix products: `"default"`, `"high"` or `"highest"`, as of `jax.lax.Precision`; `"fused"` has
            its own.

    Returns:
        The attended values; 0 for queries that see nothing.

    Raises:
        ValueError: For an unknown method or precision, shapes that do not match, a window below 1, inputs that are not
            floating, or `"fused"` where it cannot run (when the program is traced, or lowered for another platform).

    Source:
        Vaswani et al. 2017, equation (1); blocks with a saved log-sum-exp: Dao et al. 2022 (FlashAttention).

    Example:
        >>> q = k = jnp.zeros((3, 1, 2))
        >>> v = jnp.array([2.0, 4.0, 9.0])[:, None, None] * jnp.ones((3, 1, 2))
        >>> attend(q, k, v)[:, 0, 0]
        Array([2., 3., 5.], dtype=float32)
        >>> attend(q, k, v, resets=jnp.array([True, False, True]))[:, 0, 0]
        Array([2., 3., 9.], dtype=float32)
    """
    q, k, v = (jnp.asarray(x) for x in (q, k, v))
    window = _check(q, k, v, window, mask, resets, precision)
    _checks.choice("attention method", method, METHODS)
    if method in ("auto", "fused") and (lack := _flash.why_not(q)):
        if method == "fused":
            raise ValueError(f"method 'fused' needs {lack}; {_flash.REMEDY}")
        method = "blocked"
    mask, resets = _flags(mask), _flags(resets)
    q, k, v = _without_padding(mask, q, k, v)
    length = q.shape[-3]
    ranks = _rank(jnp.zeros((1,) * (q.ndim - 3), jnp.int32), length, mask, resets, window)
    q, k, v, bad = _without_nan(q, k, v) if resets is not None else (q, k, v, None)
    # Ranks fall behind positions where there is padding, so only without it does the window bound the keys.
    options = {"reach": window if mask is None else None, "precision": precision}
    blocked = partial(_blockwise.attend, block=length if method == "dense" else None, **options)
    if method in ("dense", "blocked"):
        out = blocked(q, k, v, ranks)
    else:
        fused = partial(_flash.attend, window=window, masked=mask is not None or resets is not None)
        default = blocked if method == "auto" else lambda q, *_: _flash.refuse(q)
        out = lax.platform_dependent(*_sharding.vary_alike(q, k, v, ranks), cuda=fused, default=default)
    return out if bad is None else _with_nan(out, bad, ranks)


def init_cache(
    batch_shape: tuple[Any, ...],
    capacity: int,
    num_heads: int,
    head_dim: int,
    dtype: jax.typing.DTypeLike = jnp.float32,
) -> Cache:
    """An empty cache.

    Args:
        batch_shape: Shape of the batch, may be empty.
        capacity: Number of tokens kept: the longest episode, or the window.
        num_heads: Number of heads.
        head_dim: Width of a head.
        dtype: Dtype of keys and values.

    Returns:
        A cache with no token in it.

    Raises:
        ValueError: For a capacity below 1.

    Example:
        >>> init_cache((2,), 8, 1, 4).keys.shape
        (2, 8, 1, 4)
    """
    shape = (*batch_shape, _checks.length(capacity, "capacity"), num_heads, head_dim)
    return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), jnp.zeros(batch_shape, jnp.int32))


def step(
    q: Float[Array | np.ndarray, "*batch heads head_dim"],
    k: Float[Array | np.ndarray, "*batch heads head_dim"],
    v: Float[Array | np.ndarray, "*batch heads head_dim"],
    cache: Cache,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
    *,
    window: int | None = None,
    precision: str = "highest",
) -> tuple[Float[Array, "*batch heads head_dim"], Cache]:
    """Attend from one new token to itself and the cached ones; equal to that step of `attend`.

    With a window the cache is a ring and never fills. Without one, a token past its capacity cannot be attended to
    rightly: where the position is known it raises, under jit the output is NaN from there on.

    Args:
        q: Query of the new token.
        k: Its key.
        v: Its value.
        cache: The tokens before it.
        reset: True where the new token starts an episode.
        window: As in `attend`; at most the capacity of the cache.
        precision: As in `attend`.

    Returns:
        The attended value, and the cache with the new token in it.

    Raises:
        ValueError: For shapes that do not match, a window above the capacity, or a cache known to be full.

    Example:
        >>> cache = init_cache((), 2, 1, 1)
        >>> token = jnp.ones((1, 1))
        >>> out, cache = step(token, token, token, cache)
        >>> out, cache = step(token, token, 3 * token, cache)
        >>> float(out[0, 0]), int(cache.position)
        (2.0, 2)
    """
    q, k, v = (jnp.asarray(x)[..., None, :, :] for x in (q, k, v))
    window = _check(q, k, v, window, precision=precision)
    _checks.flags("reset", reset, q.shape[:-3])
    reset = _flags(reset)
    _check_cache(cache, k, window, None if reset is None else reset[..., None], None)
    position = cache.position if reset is None else jnp.where(reset, 0, cache.position)
    cache = _write(cache, k, v, position[..., None], position + 1)
    kept = _kept(cache)
    oldest = jnp.zeros_like(kept[..., :1]) if window is None else jnp.maximum(position[..., None] - window + 1, 0)
    ranks = _blockwise.Ranks(oldest, position[..., None], kept)
    seen = (kept >= oldest)[..., None, None]
    keys, values = (jnp.where(seen, x, 0).astype(q.dtype) for x in (cache.keys, cache.values))
    out = _blockwise.attend(q, keys, values, ranks, precision=precision)
    return _unless_full(out, ranks, cache, window)[..., 0, :, :], cache


def chunk(
    q: Float[Array | np.ndarray, "*batch L heads head_dim"],
    k: Float[Array | np.ndarray, "*batch L heads head_dim"],
    v: Float[Array | np.ndarray, "*batch L heads head_dim"],
    cache: Cache,
    *,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    window: int | None = None,
    precision: str = "highest",
) -> tuple[Float[Array, "*batch L heads head_dim"], Cache]:
    """Attend from a chunk of new tokens to themselves and the cached ones; equal to that part of `attend`.

    Args:
        q: Queries of the chunk.
        k: Its keys.
        v: Its values.
        cache: The tokens before the chunk.
        resets: True where an episode starts.
        mask: True where a step is real; padding is not written to the cache.
        window: As in `attend`; at most the capacity of the cache.
        precision: As in `attend`.

    Returns:
        The attended values, and the cache after the chunk.

    Raises:
        ValueError: As `step`; also for a chunk longer than a cache without window.

    Example:
        >>> x = jnp.ones((3, 1, 1))
        >>> out, cache = chunk(x, x, x, init_cache((), 4, 1, 1))
        >>> int(cache.position)
        3
    """
    q, k, v = (jnp.asarray(x) for x in (q, k, v))
    window = _check(q, k, v, window, mask, resets, precision)
    _check_cache(cache, k, window, resets, mask)
    mask, resets = _flags(mask), _flags(resets)
    q, k, v = _without_padding(mask, q, k, v)
    length = q.shape[-3]
    own = _rank(cache.position, length, mask, resets, window)
    begin = _rank(cache.position, length, mask, resets, None).oldest
    kept = _kept(cache)
    filled = (kept >= 0)[..., None, None]
    keys, values = (
        jnp.concatenate([jnp.where(filled, old, 0).astype(new.dtype), new], axis=-3)
        for old, new in ((cache.keys, k), (cache.values, v))
    )
    ranks = own._replace(key=jnp.concatenate([kept, own.key], axis=-1))
    q, keys, values, bad = _without_nan(q, keys, values) if resets is not None else (q, keys, values, None)
    out = _blockwise.attend(q, keys, values, ranks, precision=precision)
    if bad is not None:
        out = _with_nan(out, bad, ranks)
    written = length if mask is None else jnp.sum(mask, axis=-1, dtype=jnp.int32)
    position = cache.position + written - begin[..., -1]
    number = jnp.where(own.key >= 0, own.key - begin[..., -1:], -1)
    return _unless_full(out, own._replace(oldest=begin), cache, window), _write(cache, k, v, number, position)


def positions(
    start: Int[Array, "*rows"],
    length: int,
    *,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Int[Array, "*places L"]:
    """How many real tokens of its own episode stand before each token of a row; 0 at padding.

    Args:
        start: Tokens of the running episode before the row, as `Cache.position`; batch axes may be 1.
        length: Number of tokens, L.
        resets: True where an episode starts.
        mask: True where a step is real.

    Returns:
        Positions, in the batch shape of what is given.

    Raises:
        ValueError: A mask or resets that are not bool.

    Example:
        >>> positions(jnp.zeros((), jnp.int32), 4, resets=jnp.array([False, False, True, False]))
        Array([0, 1, 0, 1], dtype=int32)
    """
    for name, flags in (("mask", mask), ("resets", resets)):
        _checks.flags(name, flags, () if flags is None else flags.shape)
    ranks = _rank(start, length, _flags(mask), _flags(resets), None)
    return jnp.maximum(ranks.query - ranks.oldest, 0)


def _check(
    q: Array,
    k: Array,
    v: Array,
    window: int | None,
    mask: Any = None,
    resets: Any = None,
    precision: str = "highest",
) -> int | None:
    _checks.choice("precision", precision, _casting.PRECISIONS)
    _casting.compute_dtype(q, k, v)
    if q.ndim < 3 or 0 in q.shape[-3:]:
        raise ValueError(f"q has shape {q.shape}, expected (*batch, L, heads, head_dim), none of the last three 0")
    for name, array in (("k", k), ("v", v)):
        _checks.shape(name, array, q.shape)
        if array.dtype != q.dtype:
            raise ValueError(f"{name} has dtype {array.dtype} and q {q.dtype}; cast them to one dtype")
    for name, flags in (("mask", mask), ("resets", resets)):
        _checks.flags(name, flags, q.shape[:-2])
    return None if window is None else _checks.length(window, "window")


def _check_cache(cache: Cache, k: Array, window: int | None, resets: Any, mask: Any) -> None:
    capacity, length = cache.keys.shape[-3], k.shape[-3]
    _checks.shape("the cache's keys", cache.keys, (*k.shape[:-3], capacity, *k.shape[-2:]))
    if window is not None and window > capacity:
        raise ValueError(
            f"window {window} is above the cache's capacity {capacity}; make the cache with init_cache again"
        )
    if window is not None or resets is not None or mask is not None:
        return
    start = int(np.max(np.asarray(cache.position), initial=0)) if _checks.is_concrete(cache.position) else 0
    if start + length > capacity:
        raise ValueError(
            f"the cache holds {capacity} tokens and {start} + {length} are to be in it; "
            "make it as long as an episode, or give a window"
        )


def _rank(
    start: Int[Array, "*batch"], length: int, mask: Array | None, resets: Array | None, window: int | None
) -> _blockwise.Ranks:
    """blockwise.Ranks of a row of tokens that follows `start` others."""
    real = jnp.ones((1,) * start.ndim + (length,), jnp.int32) if mask is None else mask.astype(jnp.int32)
    rank = start[..., None] + jnp.cumsum(real, axis=-1, dtype=jnp.int32) - real
    oldest = jnp.zeros_like(rank)
    if resets is not None:
        oldest = lax.cummax(jnp.where(resets, rank, 0), axis=resets.ndim - 1)
    if window is not None:
        oldest = jnp.maximum(oldest, rank - window + 1)
    if mask is not None:
        rank = jnp.where(mask, rank, -1)
    return _blockwise.Ranks(oldest, rank, rank)


def _kept(cache: Cache) -> Int[Array, "*batch capacity"]:
    """Which token of the running episode is in each slot; negative where none is."""
    capacity = cache.keys.shape[-3]
    slots = jnp.arange(capacity, dtype=jnp.int32).reshape((1,) * cache.position.ndim + (capacity,))
    newest = cache.position[..., None] - 1
    return newest - (newest - slots) % capacity


def _write(cache: Cache, k: Array, v: Array, number: Int[Array, "*batch L"], position: Int[Array, "*batch"]) -> Cache:
    """Put token `number` of the episode into its slot, unless it is negative or overwritten by a later one."""
    capacity = cache.keys.shape[-3]
    stays = (number >= 0) & (number >= position[..., None] - capacity)
    slots = jnp.where(stays, number % capacity, capacity)

    def put(old: Array, new: Array) -> Array:
        rows = jax.vmap(lambda row, tokens, where: row.at[where].set(tokens, mode="drop"))(
            old.reshape(-1, *old.shape[-3:]), new.reshape(-1, *new.shape[-3:]), slots.reshape(-1, slots.shape[-1])
        )
        return rows.reshape(old.shape)

    return Cache(put(cache.keys, k.astype(cache.keys.dtype)), put(cache.values, v.astype(cache.values.dtype)), position)


def _unless_full(out: Array, ranks: _blockwise.Ranks, cache: Cache, window: int | None) -> Array:
    if window is not None:
        return out
    over = ranks.query - ranks.oldest >= cache.keys.shape[-3]
    return jnp.where(over[..., None, None], jnp.asarray(jnp.nan, out.dtype), out)


def _without_padding(mask: Array | None, *arrays: Array) -> tuple[Array, ...]:
    if mask is None:
        return arrays
    return tuple(jnp.where(mask[..., None, None], x, 0) for x in arrays)


class _Bad(NamedTuple):
    """Which queries, and which keys or values, are not finite."""

    query: Bool[Array, "... Q"]
    key: Bool[Array, "... K"]


def _without_nan(q: Array, k: Array, v: Array) -> tuple[Array, Array, Array, _Bad]:
    """Replaces non-finite numbers by zero: a weight of 0 would not hide them, since 0 x NaN is NaN."""
    finite_q, finite_k, finite_v = (jnp.all(jnp.isfinite(x), axis=(-1, -2)) for x in (q, k, v))
    bad = _Bad(~finite_q, ~(finite_k & finite_v))
    k, v = (jnp.where(bad.key[..., None, None], 0, x) for x in (k, v))
    return jnp.where(bad.query[..., None, None], 0, q), k, v, bad


def _flags(flags: Any) -> Array | None:
    return None if flags is None else jnp.asarray(flags)


def _with_nan(out: Array, bad: _Bad, ranks: _blockwise.Ranks) -> Array:
    """NaN for the queries that were not finite, or saw a key or value that was not."""
    bad_rank = jnp.where(bad.key, ranks.key, -1)
    cached = bad_rank.shape[-1] - ranks.query.shape[-1]
    before = jnp.max(bad_rank[..., :cached], axis=-1, initial=-1, keepdims=True)
    worst = jnp.maximum(before, lax.cummax(bad_rank[..., cached:], axis=bad_rank.ndim - 1))
    saw = ((worst >= ranks.oldest) | bad.query) & (ranks.query >= 0)
    return jnp.where(saw[..., None, None], jnp.asarray(jnp.nan, out.dtype), out)
