"""Linear recurrences ``x[k] = a[k] x[k-1] + b[k]`` of complex numbers in real pairs, with resets inside a row.

Three methods with the same result: `"sequential"` takes one step after the other, `"associative"` combines neighbours
in a tree, `"chunked"` takes the steps of all chunks side by side and then hands the chunks' last states on. One rule of
differentiation serves all: the gradient of b is the same recurrence run backwards; no tree is stored or differentiated.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from jax_s4rl.kernels import checks, pairs

METHODS = ("auto", "sequential", "associative", "chunked")

CHUNK = 64

How = tuple[str, bool, int]  # method, reverse, chunk


def scan(
    a: pairs.Complexlike,
    b: pairs.Complexlike,
    state: pairs.Complexlike | None = None,
    resets: Bool[Array, "*batch L"] | None = None,
    *,
    method: str = "auto",
    reverse: bool = False,
    chunk: int = CHUNK,
) -> tuple[pairs.Pair, pairs.Pair]:
    """Run ``x[k] = a[k] x[k-1] + b[k]``, where a reset at k leaves ``x[k] = b[k]``.

    Whatever was in the state before a reset, NaN included, does not pass it. Computed in float32, or float64 where an
    input is. Reverse-mode differentiable any number of times; ``jax.jacfwd`` is not defined.

    Args:
        a: Factors, [P] where they are constant in time, else [*batch, L, P].
        b: Inputs, [*batch, L, P].
        state: The state before the first step, [*batch, P]; zero if None.
        resets: True where the state is cleared before the input is added.
        method: `"sequential"`, `"associative"`, `"chunked"`, or `"auto"`, which is `"chunked"`.
        reverse: Run from the last step to the first; as if `a`, `b` and `resets` were flipped in time, run, and the
            states flipped back.
        chunk: Longest chunk of `"chunked"`.

    Returns:
        All states [*batch, L, P], and the last one of the run [*batch, P].

    Raises:
        ValueError: For an unknown method, shapes that do not match, a length or chunk below 1, or integer inputs.

    Source:
        Blelloch 1990 (associative form); Martin and Cundy 2018, section 2.2 (the derivative is a scan too).

    Example:
        >>> half, ones = jnp.full((1,), 0.5), jnp.ones((3, 1))
        >>> states, last = scan(half, ones)
        >>> states.re[:, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
        >>> scan(half, ones, resets=jnp.array([False, False, True]))[0].re[:, 0]
        Array([1. , 1.5, 1. ], dtype=float32)
    """
    a, b = pairs.as_pair(a), pairs.as_pair(b)
    checks.choice("recurrence method", method, METHODS)
    _check(a, b)
    chunk = checks.length(chunk, "chunk")
    dtype = checks.compute_dtype(a, b)
    batch, (length, width) = b.shape[:-2], b.shape[-2:]
    state = _each(lambda x: jnp.zeros_like(x[..., 0, :]), b) if state is None else pairs.as_pair(state)
    checks.shape("the state", state, (*batch, width))
    checks.flags("resets", resets, (*batch, length))
    if resets is not None:
        resets = resets.reshape(-1, length)
    rows = (-1, length, width)
    a, b, state = (pairs.astype(x, dtype) for x in (a, b, state))
    a = a if a.ndim == 1 else _reshape(a, rows)
    how = ("chunked" if method == "auto" else method, reverse, chunk)
    states = _states(how, a, _reshape(b, rows), _reshape(state, (-1, width)), resets)
    last = 0 if reverse else length - 1
    return _reshape(states, (*batch, length, width)), _reshape(_each(lambda x: x[:, last], states), (*batch, width))


def _check(a: pairs.Pair, b: pairs.Pair) -> None:
    if b.ndim < 2 or b.shape[-2] < 1:
        raise ValueError(f"b has shape {b.shape}, expected (*batch, L, P) with L of at least 1; add the missing axis")
    if a.ndim == 1:
        checks.shape("a, constant in time,", a, b.shape[-1:])
    else:
        checks.shape("a", a, b.shape)


def _each(function: Callable[[Array], Array], x: pairs.Pair) -> pairs.Pair:
    return pairs.Pair(function(x.re), function(x.im))


def _reshape(x: pairs.Pair, shape: tuple[int, ...]) -> pairs.Pair:
    return _each(lambda part: part.reshape(shape), x)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _scan(how: How, a: pairs.Pair, b: pairs.Pair, state: pairs.Pair, resets: Array | None) -> pairs.Pair:
    method, reverse, chunk = how
    if method == "sequential":
        return _sequential(a, b, state, resets, reverse)
    if method == "associative":
        return _associative(a, b, state, resets, reverse)
    return _chunked(a, b, state, resets, reverse, chunk)


def _states(how: How, a: pairs.Pair, b: pairs.Pair, state: pairs.Pair, resets: Array | None) -> pairs.Pair:
    return cast(pairs.Pair, _scan(how, a, b, state, resets))


def _forward(
    how: How, a: pairs.Pair, b: pairs.Pair, state: pairs.Pair, resets: Array | None
) -> tuple[pairs.Pair, tuple]:
    states = _states(how, a, b, state, resets)
    return states, (a, states, state, resets)


def _backward(how: How, saved: tuple, cotangent: pairs.Pair) -> tuple[pairs.Pair, pairs.Pair, pairs.Pair, None]:
    """With g the cotangent: ``s[k] = g[k] + conj(a[k+1]) s[k+1]`` is that of b, ``sum s[k] conj(x[k-1])`` that of a."""
    method, reverse, chunk = how
    a, states, state, resets = saved
    towards = 1 if reverse else -1
    factors = pairs.conjugate(a) if a.ndim == 1 else _each(lambda x: jnp.roll(x, towards, 1), pairs.conjugate(a))
    cuts = None if resets is None else jnp.roll(resets, towards, 1)
    nothing = _each(jnp.zeros_like, state)
    to_b = _states((method, not reverse, chunk), factors, cotangent, nothing, cuts)
    # What passed each step: cut where a reset kept the state before it from passing.
    passed = to_b if resets is None else pairs.where(resets[..., None], 0 * to_b.re, to_b)
    first = (slice(None), -1 if reverse else 0)
    rest, before = (slice(None, -1), slice(1, None)) if reverse else (slice(1, None), slice(None, -1))
    at_start = _each(lambda x: x[first], passed)
    products = pairs.multiply(
        _each(lambda x: x[:, rest], passed), pairs.conjugate(_each(lambda x: x[:, before], states))
    )
    product = pairs.multiply(at_start, pairs.conjugate(state))
    if a.ndim == 1:
        to_a = pairs.add(_each(_total, products), _each(_total, product))
        return to_a, to_b, pairs.multiply(pairs.conjugate(pairs.with_ndim(a, 2)), at_start), None
    parts = [_each(lambda x: x[:, None], product), products]
    to_a = pairs.Pair(*(jnp.concatenate(both[::-1] if reverse else both, 1) for both in zip(*parts, strict=True)))
    return to_a, to_b, pairs.multiply(pairs.conjugate(_each(lambda x: x[first], a)), at_start), None


_scan.defvjp(_forward, _backward)


def _total(x: Array) -> Array:
    """Sum over all axes but the last; as a product with ones, which on CPU is faster than a reduction."""
    rows = x.reshape(-1, x.shape[-1])
    return jnp.matmul(jnp.ones(rows.shape[:1], x.dtype), rows, precision=lax.Precision.HIGHEST)


def _advance(a: pairs.Pair, x: pairs.Pair, b: pairs.Pair, reset: Array | None) -> pairs.Pair:
    moved = pairs.add(pairs.multiply(a, x), b)
    return moved if reset is None else pairs.where(reset[..., None], b, moved)


def _sequential(a: pairs.Pair, b: pairs.Pair, state: pairs.Pair, resets: Array | None, reverse: bool) -> pairs.Pair:
    constant = pairs.with_ndim(a, 2) if a.ndim == 1 else None
    steps = (a if constant is None else None, b, resets)
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)

    def advance(x: pairs.Pair, now: tuple) -> tuple[pairs.Pair, pairs.Pair]:
        x = _advance(now[0] if constant is None else constant, x, now[1], now[2])
        return x, x

    states = lax.scan(advance, state, steps, reverse=reverse)[1]
    return _each(lambda x: jnp.swapaxes(x, 0, 1), states)


def _associative(a: pairs.Pair, b: pairs.Pair, state: pairs.Pair, resets: Array | None, reverse: bool) -> pairs.Pair:
    a = _each(lambda x: jnp.broadcast_to(x, b.shape), pairs.with_ndim(a, 3))
    begin = (slice(None), -1 if reverse else 0)
    a_first, b_first = (_each(lambda x: x[begin], x) for x in (a, b))
    start = _advance(a_first, state, b_first, None if resets is None else resets[begin])
    b = pairs.Pair(b.re.at[begin].set(start.re), b.im.at[begin].set(start.im))

    def combine(left: tuple, right: tuple) -> tuple:
        (a1, b1, cut1), (a2, b2, cut2) = left, right
        both = pairs.add(pairs.multiply(a2, b1), b2)
        if cut1 is None:
            return pairs.multiply(a2, a1), both, None
        return pairs.multiply(a2, a1), pairs.where(cut2, b2, both), cut1 | cut2

    cuts = None if resets is None else resets[..., None]
    return lax.associative_scan(combine, (a, b, cuts), reverse=reverse, axis=1)[1]


def _chunked(
    a: pairs.Pair, b: pairs.Pair, state: pairs.Pair, resets: Array | None, reverse: bool, chunk: int
) -> pairs.Pair:
    """Take M steps in all Q chunks at once from state 0, hand the last states on, and add what they bring."""
    rows, length, width = b.shape
    num = -(-length // chunk)
    size = -(-length // num)
    if num == 1:
        return _sequential(a, b, state, resets, reverse)

    def split(x: Array) -> Array:
        pad = num * size - length
        # The padding lies where the run ends, so that it passes nothing on.
        ends = [(0, 0), (pad, 0) if reverse else (0, pad)] + [(0, 0)] * (x.ndim - 2)
        return jnp.pad(x, ends).reshape(rows, num, size, *x.shape[2:])

    b, resets = _each(split, b), None if resets is None else split(resets)
    factors = pairs.with_ndim(a, 4) if a.ndim == 1 else _each(split, a)
    # Made from b, so that under shard_map it varies over devices as b does.
    nothing = _each(lambda x: jnp.zeros_like(x[:, :, :1]), b)
    local, products = _within(factors, b, nothing, resets, reverse)
    alive = None if resets is None else lax.cumsum(resets.astype(jnp.int32), 2, reverse=reverse) == 0
    last = (slice(None), slice(None), 0 if reverse else -1)
    whole, ends = (_each(lambda x: x[last], x) for x in (products, local))
    entering = _across(whole, ends, None if alive is None else alive[last], state, reverse)
    states = pairs.add(pairs.multiply(products, _each(lambda x: x[:, :, None], entering)), local)
    states = states if alive is None else pairs.where(alive[..., None], states, local)
    begin = num * size - length if reverse else 0
    return _each(lambda x: x.reshape(rows, -1, width)[:, begin : begin + length], states)


def _within(
    a: pairs.Pair, b: pairs.Pair, x: pairs.Pair, resets: Array | None, reverse: bool
) -> tuple[pairs.Pair, pairs.Pair]:
    """The states of all chunks, [rows, Q, M, P], and the running products of the factors, which may be shared."""
    size, shared = b.shape[2], a.shape[2] == 1

    def advance(count: Array, carry: tuple[pairs.Pair, ...]) -> tuple[pairs.Pair, ...]:
        x, product, states, products = carry
        now = size - 1 - count if reverse else count

        def at(array: Array) -> Array:
            return lax.dynamic_slice_in_dim(array, now, 1, 2)

        def put(whole: pairs.Pair, part: pairs.Pair) -> pairs.Pair:
            return pairs.Pair(
                *(lax.dynamic_update_slice_in_dim(*both, now, 2) for both in zip(whole, part, strict=True))
            )

        factor = a if shared else _each(at, a)
        x = _advance(factor, x, _each(at, b), None if resets is None else at(resets))
        product = pairs.multiply(factor, product)
        return x, product, put(states, x), put(products, product)

    one = pairs.Pair(jnp.ones_like(a.re[:, :, :1]), jnp.zeros_like(a.im[:, :, :1]))
    products = _each(lambda part: jnp.repeat(part, size, 2), one)
    return lax.fori_loop(0, size, advance, (x, one, _each(jnp.zeros_like, b), products))[2:]


def _across(factors: pairs.Pair, ends: pairs.Pair, alive: Array | None, state: pairs.Pair, reverse: bool) -> pairs.Pair:
    """The state that enters each chunk, [rows, Q, P]; `factors` and `ends` are those of whole chunks."""
    steps = (_each(lambda x: jnp.broadcast_to(x, ends.shape), factors), ends, None if alive is None else ~alive)
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)
    entering = lax.scan(lambda x, now: (_advance(now[0], x, now[1], now[2]), x), state, steps, reverse=reverse)[1]
    return _each(lambda x: jnp.swapaxes(x, 0, 1), entering)
