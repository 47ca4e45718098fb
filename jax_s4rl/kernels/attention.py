"""Causal attention over a sequence, a chunk with a cache, or one step, with equal results.

Every token of a row has a rank: the number of real tokens before it. A query attends to the tokens
from rank `oldest` (the start of its episode, or of its window) up to its own rank. Padding has no
rank: it attends to nothing, and nothing attends to it. All three functions express masks, resets
and windows by ranks alone (`_blockwise.Ranks`), which is why they agree.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import (
    _attention_ranks,
    _blockwise,
    _casting,
    _checks,
    _flash,
    _packing,
    _sharding,
)

METHODS = ("auto", "dense", "blocked", "fused")


class Cache(NamedTuple):
    """Keys and values of the running episode; its token `n` lies in slot ``n % capacity``.

    `position` is the number of its tokens so far.
    """

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
    """Computes causal softmax attention, ``softmax(q k^T / sqrt(head_dim)) v``.

    The softmax is computed in float32, or in float64 if an input is float64; matrix products of
    bfloat16 inputs accumulate in float32. With `resets`, a NaN in an episode stays in that episode,
    in values and in gradients.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        mask: True where a step is real. Nothing attends to padding, it is not counted, and its
            output is 0.
        resets: True where an episode starts; later queries attend to nothing before it.
        window: Number of real tokens that a query attends to, itself included; None for all of its
            episode.
        method: `"blocked"` (skips keys that causality hides; least memory), `"dense"` (one block),
            `"fused"` (the flash kernel of JAX for NVIDIA GPUs, bfloat16 or float16 only), or
            `"auto"`: `"fused"` if the platform that the program is lowered for, the dtype and
            head_dim allow it, else `"blocked"`. A program for CUDA that is made on another host
            gets `"fused"` if JAX's CUDA packages are installed there.
        precision: Precision of matrix products as in `jax.lax.Precision`: `"default"`, `"high"` or
            `"highest"`; `"fused"` has its own.

    Returns:
        The attended values; 0 for queries that attend to nothing.

    Raises:
        ValueError: Unknown method or precision, shapes that do not match, a window below 1, inputs
            that are not floating, or `"fused"` where it cannot run (when the program is traced, or
            lowered for another platform).

    Source:
        Vaswani et al. 2017, equation (1); blocks with a saved log-sum-exp: Dao et al. 2022
        (FlashAttention).

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
    start = jnp.zeros((1,) * (q.ndim - 3), jnp.int32)
    ranks = _attention_ranks.of_tokens(start, length, mask, resets, window)
    bad = None
    if resets is not None:
        q, k, v, bad = _attention_ranks.without_nonfinite(q, k, v)
    block = length if method == "dense" else None
    options = {"window": window, "masked": mask is not None, "precision": precision}
    blocked = partial(_packing.attend, block=block, **options)
    if method in ("dense", "blocked"):
        out = blocked(q, k, v, ranks)
    else:
        fused = partial(_flash.attend, window=window, masked=mask is not None or resets is not None)
        # Only lowering knows the platform: the other branch runs or raises there.
        default = blocked if method == "auto" else lambda q, *_: _flash.refuse(q)
        out = lax.platform_dependent(
            *_sharding.vary_alike(q, k, v, ranks), cuda=fused, default=default
        )
    return out if bad is None else _attention_ranks.with_nan(out, bad, ranks)


def init_cache(
    batch_shape: tuple[Any, ...],
    capacity: int,
    num_heads: int,
    head_dim: int,
    dtype: jax.typing.DTypeLike = jnp.float32,
) -> Cache:
    """Returns an empty cache.

    Args:
        batch_shape: Shape of the batch, may be empty.
        capacity: Number of tokens kept: length of the longest episode, or of the window.
        num_heads: Number of heads.
        head_dim: Width of a head.
        dtype: Dtype of keys and values.

    Returns:
        A cache with no token in it.

    Raises:
        ValueError: A capacity below 1.

    Example:
        >>> init_cache((2,), 8, 1, 4).keys.shape
        (2, 8, 1, 4)
    """
    shape = (*batch_shape, _checks.length(capacity, "capacity"), num_heads, head_dim)
    return Cache(
        jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), jnp.zeros(batch_shape, jnp.int32)
    )


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
    """Attends from one new token to itself and the cached ones; equals that step of `attend`.

    With a window the cache is a ring and never fills. Without one, a token beyond the capacity has
    no slot: if the position is known (not traced) this raises, under jit the output is NaN from
    there on.

    Args:
        q: Query of the new token.
        k: Key of the new token.
        v: Value of the new token.
        cache: Tokens before the new one.
        reset: True where the new token starts an episode.
        window: Window as in `attend`; at most the capacity of the cache.
        precision: Precision as in `attend`.

    Returns:
        The attended value, and the cache with the new token in it.

    Raises:
        ValueError: Shapes that do not match, a window above the capacity, or a cache known to be
            full.

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
    in_slots = _attention_ranks.of_slots(cache.position, cache.keys.shape[-3])
    oldest = (
        jnp.zeros_like(in_slots[..., :1])
        if window is None
        else jnp.maximum(position[..., None] - window + 1, 0)
    )
    ranks = _blockwise.Ranks(oldest, position[..., None], in_slots)
    # Slots of other episodes may hold NaN, which a weight of 0 would not hide.
    used = (in_slots >= oldest)[..., None, None]
    keys, values = (jnp.where(used, x, 0).astype(q.dtype) for x in (cache.keys, cache.values))
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
    """Attends from a chunk of tokens to itself and the cached ones; equals that part of `attend`.

    Args:
        q: Queries of the chunk.
        k: Keys of the chunk.
        v: Values of the chunk.
        cache: Tokens before the chunk.
        resets: True where an episode starts.
        mask: True where a step is real; padding is not written to the cache.
        window: Window as in `attend`; at most the capacity of the cache.
        precision: Precision as in `attend`.

    Returns:
        The attended values, and the cache after the chunk.

    Raises:
        ValueError: As in `step`; also a chunk that does not fit into a cache without window.

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
    own = _attention_ranks.of_tokens(cache.position, length, mask, resets, window)
    # Without the window, `oldest` is the rank of the first token of the episode.
    begin = _attention_ranks.of_tokens(cache.position, length, mask, resets, None).oldest
    in_slots = _attention_ranks.of_slots(cache.position, cache.keys.shape[-3])
    # Slots of other episodes may hold NaN. New keys come last, as `_blockwise.attend` expects.
    filled = (in_slots >= 0)[..., None, None]
    keys, values = (
        jnp.concatenate([jnp.where(filled, old, 0).astype(new.dtype), new], axis=-3)
        for old, new in ((cache.keys, k), (cache.values, v))
    )
    ranks = own._replace(key=jnp.concatenate([in_slots, own.key], axis=-1))
    bad = None
    if resets is not None:
        q, keys, values, bad = _attention_ranks.without_nonfinite(q, keys, values)
    out = _blockwise.attend(q, keys, values, ranks, precision=precision)
    if bad is not None:
        out = _attention_ranks.with_nan(out, bad, ranks)
    # The cache keeps the last episode of the chunk alone: tokens of earlier ones get a number below
    # 0 and are not written.
    written = length if mask is None else jnp.sum(mask, axis=-1, dtype=jnp.int32)
    position = cache.position + written - begin[..., -1]
    number = jnp.where(own.key >= 0, own.key - begin[..., -1:], -1)
    return _unless_full(out, own._replace(oldest=begin), cache, window), _write(
        cache, k, v, number, position
    )


def positions(
    start: Int[Array, "*rows"],
    length: int,
    *,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Int[Array, "*places L"]:
    """Counts the real tokens of the same episode before each token of a row; 0 at padding.

    Args:
        start: Number of tokens of the running episode before the row, as `Cache.position`; batch
            axes may be 1.
        length: Number of tokens, L.
        resets: True where an episode starts.
        mask: True where a step is real.

    Returns:
        Positions, in the common batch shape of the arguments.

    Raises:
        ValueError: A mask or resets that are not bool.

    Example:
        >>> positions(jnp.zeros((), jnp.int32), 4, resets=jnp.array([False, False, True, False]))
        Array([0, 1, 0, 1], dtype=int32)
    """
    for name, flags in (("mask", mask), ("resets", resets)):
        _checks.flags(name, flags, () if flags is None else flags.shape)
    ranks = _attention_ranks.of_tokens(start, length, _flags(mask), _flags(resets), None)
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
        raise ValueError(
            f"q has shape {q.shape}, expected (*batch, L, heads, head_dim), "
            "none of the last three 0; add the missing axis or leave out the empty array"
        )
    for name, array in (("k", k), ("v", v)):
        _checks.shape(name, array, q.shape)
        if array.dtype != q.dtype:
            raise ValueError(
                f"{name} has dtype {array.dtype} and q {q.dtype}; cast them to one dtype"
            )
    for name, flags in (("mask", mask), ("resets", resets)):
        _checks.flags(name, flags, q.shape[:-2])
    return None if window is None else _checks.length(window, "window")


def _check_cache(cache: Cache, k: Array, window: int | None, resets: Any, mask: Any) -> None:
    capacity, length = cache.keys.shape[-3], k.shape[-3]
    _checks.shape("the cache's keys", cache.keys, (*k.shape[:-3], capacity, *k.shape[-2:]))
    if window is not None and window > capacity:
        raise ValueError(
            f"window {window} is above the cache's capacity {capacity}; "
            f"call init_cache with a capacity of at least {window}"
        )
    if window is not None or resets is not None or mask is not None:
        return
    start = (
        int(np.max(np.asarray(cache.position), initial=0))
        if _checks.is_concrete(cache.position)
        else 0
    )
    if start + length > capacity:
        raise ValueError(
            f"the cache holds {capacity} tokens and {start} + {length} would be in it; "
            "make it as long as an episode, or pass a window"
        )


def _write(
    cache: Cache, k: Array, v: Array, number: Int[Array, "*batch L"], position: Int[Array, "*batch"]
) -> Cache:
    """Writes token `number` of the episode into its slot; a negative number is left out."""
    keys, values = (
        _attention_ranks.write_slots(old, new.astype(old.dtype), number, position)
        for old, new in ((cache.keys, k), (cache.values, v))
    )
    return Cache(keys, values, position)


def _unless_full(out: Array, ranks: _blockwise.Ranks, cache: Cache, window: int | None) -> Array:
    """Sets outputs to NaN once the episode is longer than a cache without window."""
    if window is not None:
        return out
    over = ranks.query - ranks.oldest >= cache.keys.shape[-3]
    return jnp.where(over[..., None, None], jnp.asarray(jnp.nan, out.dtype), out)


def _without_padding(mask: Array | None, *arrays: Array) -> tuple[Array, ...]:
    if mask is None:
        return arrays
    return tuple(jnp.where(mask[..., None, None], x, 0) for x in arrays)


def _flags(flags: Any) -> Array | None:
    return None if flags is None else jnp.asarray(flags)
