"""The three methods that run a linear recurrence: sequential, associative and chunked.

All take factors `a` [rows, L, P], whose rows and L may be 1, inputs `b` [rows, L, P] and resets
[rows, L], and start from state zero. With `less_one`, factors and their products are kept as their
difference from one: near one float32 would round a slow decay away.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool

from jax_s4rl.kernels import _fusion_barrier
from jax_s4rl.kernels import complex_pair as cplx


class Plan(NamedTuple):
    """Method, direction, length of the longest chunk, and whether factors are given less one."""

    method: str
    reverse: bool
    chunk: int
    less_one: bool


def each(function: Callable[[Array], Array], x: cplx.Pair) -> cplx.Pair:
    """Applies a function to the real and to the imaginary part.

    Example:
        >>> each(lambda part: part + 1, cplx.zeros((1,)))
        Pair(re=Array([1.], dtype=float32), im=Array([1.], dtype=float32))
    """
    return cplx.Pair(function(x.re), function(x.im))


def run(
    plan: Plan,
    a: cplx.Pair,
    b: cplx.Pair,
    resets: Bool[Array, "rows L"] | None,
) -> cplx.Pair:
    """Computes all states from state zero.

    Args:
        plan: Method and its options.
        a: Factors, [rows, L, P]; rows and L may be 1.
        b: Inputs, [rows, L, P].
        resets: True where the state is cleared before the input is added.

    Returns:
        The states, [rows, L, P].

    Example:
        >>> half, ones = cplx.as_pair(jnp.full((1, 1, 1), 0.5)), cplx.as_pair(jnp.ones((1, 3, 1)))
        >>> run(Plan("chunked", False, 2, False), half, ones, None).re[0, :, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    method, reverse, chunk, less_one = plan
    if method == "auto":
        # The platform is chosen inside the solver, so that JAX does not differentiate the choice.
        on_cpu, elsewhere = (
            partial(run, plan._replace(method=method)) for method in ("chunked", "associative")
        )
        return lax.platform_dependent(a, b, resets, cpu=on_cpu, default=elsewhere)
    if method == "sequential":
        return _sequential(a, b, resets, reverse, less_one)
    if method == "associative":
        return _associative(a, b, resets, reverse, less_one)
    return _chunked(a, b, resets, reverse, chunk, less_one)


def _advance(
    a: cplx.Pair, x: cplx.Pair, b: cplx.Pair, reset: Array | None, less_one: bool
) -> cplx.Pair:
    """Takes one step from state `x`, or returns `b` at a reset."""
    moved = cplx.add(cplx.multiply(a, x), b)
    # The small terms come first, so that their sum meets the state in a single rounding.
    moved = cplx.add(x, moved) if less_one else moved
    return moved if reset is None else cplx.where(reset[..., None], b, moved)


def _composed(a: cplx.Pair, other: cplx.Pair, less_one: bool) -> cplx.Pair:
    """Multiplies two factors; with `less_one`, (1 + a) (1 + other) - 1 without cancellation."""
    product = cplx.multiply(a, other)
    return cplx.add(product, cplx.add(a, other)) if less_one else product


def _sequential(
    a: cplx.Pair, b: cplx.Pair, resets: Array | None, reverse: bool, less_one: bool
) -> cplx.Pair:
    # A constant factor is closed over, not repeated in memory for every step.
    constant = each(lambda x: x[:, 0], a) if a.shape[1] == 1 else None
    steps = (a if constant is None else None, b, resets)
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)

    def advance(x: cplx.Pair, inputs: tuple) -> tuple[cplx.Pair, cplx.Pair]:
        factor, added, reset = inputs
        x = _advance(factor if constant is None else constant, x, added, reset, less_one)
        return x, x

    start = each(lambda x: jnp.zeros_like(x[:, 0]), b)
    states = lax.scan(advance, start, steps, reverse=reverse)[1]
    return each(lambda x: jnp.swapaxes(x, 0, 1), states)


def _associative(
    a: cplx.Pair, b: cplx.Pair, resets: Array | None, reverse: bool, less_one: bool
) -> cplx.Pair:
    a = each(lambda x: jnp.broadcast_to(x, (x.shape[0], *b.shape[1:])), a)

    def combine(left: tuple, right: tuple) -> tuple:
        (a1, b1, cut1), (a2, b2, cut2) = left, right
        both = _advance(a2, b1, b2, None, less_one)
        if cut1 is None:
            return _composed(a2, a1, less_one), both, None
        return _composed(a2, a1, less_one), cplx.where(cut2, b2, both), cut1 | cut2

    cuts = None if resets is None else resets[..., None]
    return lax.associative_scan(combine, (a, b, cuts), reverse=reverse, axis=1)[1]


def _chunked(
    a: cplx.Pair, b: cplx.Pair, resets: Array | None, reverse: bool, chunk: int, less_one: bool
) -> cplx.Pair:
    """Takes M steps in all Q chunks at once from state 0, then adds the state that enters each."""
    rows, length, width = b.shape
    num = -(-length // chunk)
    size = -(-length // num)
    if num == 1:
        return _sequential(a, b, resets, reverse, less_one)

    def split(x: Array) -> Array:
        pad = num * size - length
        # The padding lies where the run ends, so that no step reads a padded state.
        ends = [(0, 0), (pad, 0) if reverse else (0, pad)] + [(0, 0)] * (x.ndim - 2)
        return jnp.pad(x, ends).reshape(x.shape[0], num, size, *x.shape[2:])

    b, resets = each(split, b), None if resets is None else split(resets)
    factors = each(lambda x: x[:, None], a) if a.shape[1] == 1 else each(split, a)
    # Made from b, so that under `shard_map` it varies over devices as b does.
    nothing = each(lambda x: jnp.zeros_like(x[:, :, :1]), b)
    local, products = _within(factors, b, nothing, resets, reverse, less_one)
    # Before its first reset, a chunk still depends on the state that enters it.
    alive = (
        None if resets is None else lax.cumsum(resets.astype(jnp.int32), 2, reverse=reverse) == 0
    )
    last = (slice(None), slice(None), 0 if reverse else -1)
    whole, ends = (each(lambda x: x[last], x) for x in (products, local))
    entering = _across(whole, ends, None if alive is None else alive[last], reverse, less_one)
    states = _advance(products, each(lambda x: x[:, :, None], entering), local, None, less_one)
    states = states if alive is None else cplx.where(alive[..., None], states, local)
    begin = num * size - length if reverse else 0
    return each(lambda x: x.reshape(rows, -1, width)[:, begin : begin + length], states)


def _within(
    a: cplx.Pair,
    b: cplx.Pair,
    x: cplx.Pair,
    resets: Array | None,
    reverse: bool,
    less_one: bool,
) -> tuple[cplx.Pair, cplx.Pair]:
    """Returns the states of all chunks, [rows, Q, M, P], and the running products of the factors.

    Factors that are constant in time have one list of products, which all chunks share.
    """
    size, shared = b.shape[2], a.shape[2] == 1

    def advance(count: Array, carry: tuple[cplx.Pair, ...]) -> tuple[cplx.Pair, ...]:
        x, product, states, products = carry
        step = size - 1 - count if reverse else count

        def at(array: Array) -> Array:
            return lax.dynamic_slice_in_dim(array, step, 1, 2)

        def put(whole: cplx.Pair, part: cplx.Pair) -> cplx.Pair:
            return cplx.Pair(
                *(
                    lax.dynamic_update_slice_in_dim(*both, step, 2)
                    for both in zip(whole, part, strict=True)
                )
            )

        factor = a if shared else each(at, a)
        x = _advance(factor, x, each(at, b), None if resets is None else at(resets), less_one)
        if shared:
            return x, product, put(states, x), products
        product = _composed(factor, product, less_one)
        return x, product, put(states, x), put(products, product)

    # With `less_one`, the factor one is 0.
    one = cplx.Pair(
        jnp.full_like(a.re[:, :, :1], 0 if less_one else 1), jnp.zeros_like(a.im[:, :, :1])
    )
    products = (
        _powers(a, size, reverse, less_one)
        if shared
        else each(lambda part: jnp.repeat(part, size, 2), one)
    )
    return lax.fori_loop(0, size, advance, (x, one, each(jnp.zeros_like, b), products))[2:]


def _powers(a: cplx.Pair, size: int, reverse: bool, less_one: bool) -> cplx.Pair:
    """Returns all powers of one factor along axis 2, from 1 to `size`.

    Each is a product of repeated squares, so that the last, which the chunks pass on, has few
    roundings.
    """
    exponents = np.arange(1, size + 1).reshape(1, 1, -1, 1)
    exponents = np.flip(exponents, 2) if reverse else exponents
    shape = (*a.shape[:2], size, a.shape[3])
    one = cplx.Pair(jnp.full(shape, 0 if less_one else 1, a.dtype), jnp.zeros(shape, a.dtype))
    powers, square = one, a
    for bit in range(size.bit_length()):
        if bit:
            square = _composed(square, square, less_one)
        odd = jnp.asarray((exponents >> bit) % 2 == 1)
        powers = cplx.where(odd, _composed(square, powers, less_one), powers)
    # Without the fusion barrier, XLA would compute the powers again for each row.
    return each(_fusion_barrier.fence, powers)


def _across(
    factors: cplx.Pair, ends: cplx.Pair, alive: Array | None, reverse: bool, less_one: bool
) -> cplx.Pair:
    """Returns the state that enters each chunk, [rows, Q, P].

    `factors` are the products of whole chunks, `ends` their last states when they start from 0.
    """
    steps = (
        each(lambda x: jnp.broadcast_to(x, ends.shape), factors),
        ends,
        None if alive is None else ~alive,
    )
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)
    start = each(lambda x: jnp.zeros_like(x[:, 0]), ends)

    def advance(x: cplx.Pair, inputs: tuple) -> tuple[cplx.Pair, cplx.Pair]:
        factor, end, cut = inputs
        return _advance(factor, x, end, cut, less_one), x

    entering = lax.scan(advance, start, steps, reverse=reverse)[1]
    return each(lambda x: jnp.swapaxes(x, 0, 1), entering)
