"""Linear recurrences ``x[k] = a[k] x[k-1] + b[k]`` of complex numbers in real pairs, with resets inside a row.

Three methods with the same result: `"sequential"` takes one step after the other, `"associative"` combines neighbours
in a tree, `"chunked"` takes the steps of all chunks side by side and then hands the chunks' last states on. JAX
differentiates the equation that the states solve, not the method, so one rule serves all: the gradient of b is the same
recurrence run backwards, and no tree is stored or differentiated.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool

from jax_s4rl.kernels import _casting, _checks, _fusion_barrier, _linear_maps, _nonfinite, _sharding
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("auto", "sequential", "associative", "chunked")

CHUNK = 64

How = tuple[str, bool, int, bool]  # method, reverse, chunk, whether factors are held less one


def scan(
    a: cplx.Complexlike,
    b: cplx.Complexlike,
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    reverse: bool = False,
    chunk: int = CHUNK,
    finite: bool = False,
    change: cplx.Complexlike | None = None,
) -> tuple[cplx.Pair, cplx.Pair]:
    """Run ``x[k] = a[k] x[k-1] + b[k]``, where a reset at k leaves ``x[k] = b[k]``.

    A NaN or infinity reaches the states up to the next reset, as NaN, and neither the states after it nor the gradient
    of a loss on them. Without resets it spoils the rest of its row, and the gradient. Computed in float32, or float64
    if an input is. Differentiable any number of times, in forward and reverse mode, by every method.

    Args:
        a: Factors, in any shape that broadcasts to that of `b`: [P] if they are constant in time, [L, P] if all rows
            share them, or [*batch, L, P].
        b: Inputs, [*batch, L, P].
        state: The state before the first step, [*batch, P]; zero if None.
        resets: True where the state is cleared before the input is added.
        method: `"sequential"`, `"associative"`, `"chunked"`, or `"auto"`, which is `"chunked"` in a program for CPU
            and `"associative"` in one for GPU or TPU, wherever it is traced.
        reverse: Run from the last step to the first; as if `a`, `b` and `resets` were flipped in time, run, and the
            states flipped back.
        chunk: Longest chunk of `"chunked"`.
        finite: The caller knows that `a`, `b` and `state` are finite, so they are not searched for NaN.
        change: `a - 1` with all of its digits, [P], if the caller knows it: near one `a` itself has lost those that a
            long memory is made of. The derivative is taken by `a`.

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
    a, b = cplx.as_pair(a), cplx.as_pair(b)
    _checks.choice("recurrence method", method, METHODS)
    _check(a, b)
    how = (method, reverse, _checks.length(chunk, "chunk"), change is not None)
    dtype = _casting.compute_dtype(a, b)
    batch, (length, width) = b.shape[:-2], b.shape[-2:]
    if state is not None:
        state = cplx.as_pair(state)
        _checks.shape("the state", state, (*batch, width))
        state = _reshape(cplx.astype(state, dtype), (-1, width))
    _checks.flags("resets", resets, (*batch, length))
    resets = None if resets is None else jnp.asarray(resets).reshape(-1, length)
    exact = None if change is None else jax.lax.stop_gradient(cplx.astype(cplx.as_pair(change), dtype))
    exact = None if exact is None else _factors(exact, b.shape)
    a = _factors(cplx.astype(a, dtype), b.shape)
    b = _reshape(cplx.astype(b, dtype), (-1, length, width))
    found = None
    if resets is not None and not finite:
        a, b, state, found = _without_nonfinite(a, b, state, resets, reverse)
    states = _solve(how, a, b, state, resets, exact)
    last = _each(lambda x: x[:, 0 if reverse else -1], states)
    if found is not None:
        states, last = (
            _each(lambda x, mark=mark: x + mark, x) for x, mark in ((states, found.outputs), (last, found.last))
        )
    return _reshape(states, (*batch, length, width)), _reshape(last, (*batch, width))


def _check(a: cplx.Pair, b: cplx.Pair) -> None:
    if b.ndim < 2 or b.shape[-2] < 1:
        raise ValueError(f"b has shape {b.shape}, expected (*batch, L, P) with L of at least 1; add the missing axis")
    try:
        fits = jnp.broadcast_shapes(a.shape, b.shape) == b.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"a has shape {a.shape}, which does not broadcast to b's {b.shape}; give {b.shape[-1:]} if it is constant "
            f"in time, else {b.shape}"
        )


def _factors(a: cplx.Pair, shape: cplx.Shape) -> cplx.Pair:
    """The factors as [rows, L, P], where rows and L are 1 if they do not vary along them."""
    a = cplx.with_ndim(a, len(shape))
    batch = a.shape[:-2] if all(size == 1 for size in a.shape[:-2]) else shape[:-2]
    return _each(
        lambda x: jnp.broadcast_to(x, (*batch, *x.shape[-2:-1], shape[-1])).reshape(-1, x.shape[-2], shape[-1]), a
    )


def _each(function: Callable[[Array], Array], x: cplx.Pair) -> cplx.Pair:
    return cplx.Pair(function(x.re), function(x.im))


def _reshape(x: cplx.Pair, shape: cplx.Shape) -> cplx.Pair:
    return _each(lambda part: part.reshape(shape), x)


def _without_nonfinite(
    a: cplx.Pair, b: cplx.Pair, state: cplx.Pair | None, resets: Array, reverse: bool
) -> tuple[cplx.Pair, cplx.Pair, cplx.Pair | None, _nonfinite.Marks]:
    """Sets non-finite numbers to zero, and marks as NaN the states that depend on them."""

    def flip(x: Array) -> Array:
        return jnp.flip(x, 1) if reverse else x

    def clean(x: cplx.Pair) -> tuple[cplx.Pair, Array]:
        good = jnp.isfinite(x.re) & jnp.isfinite(x.im)
        return _each(lambda part: jnp.where(good, part, 0), x), ~good

    b, bad = clean(b)
    if a.shape[1] == bad.shape[1]:
        a, bad_factor = clean(a)
        bad = bad | bad_factor
    bad_start = jnp.zeros_like(bad[:, 0])
    if state is not None:
        state, bad_start = clean(state)
    found = _nonfinite.marks(flip(bad), bad_start, flip(resets), b.dtype)
    return a, b, state, found._replace(outputs=flip(found.outputs))


def _solve(
    how: How,
    a: cplx.Pair,
    b: cplx.Pair,
    state: cplx.Pair | None,
    resets: Array | None,
    change: cplx.Pair | None,
) -> cplx.Pair:
    """All states, [rows, L, P], as the solution of ``x[k] - a[k] x[k-1] = b[k]``.

    `lax.custom_linear_solve` has the derivatives: that of a needs the left side only, that of b is the transposed
    solver, which is the recurrence with conj(a) in the other direction.
    """
    method, reverse, chunk, _ = how
    a, b, state, resets, change = _sharding.vary_alike(a, b, state, resets, change)
    exact = a if change is None else change
    (rows, length), constant = b.shape[:2], a.shape[1] == 1
    first = slice(-1, None) if reverse else slice(0, 1)
    rest, before = (slice(None, -1), slice(1, None)) if reverse else (slice(1, None), slice(None, -1))

    def placed(x: Array, where: slice) -> Array:
        """Zeros in the steps that `x` does not reach."""
        start = where.indices(length)[0]
        return jnp.pad(x, [(0, 0), (start, length - start - x.shape[1]), (0, 0)])

    def matvec(x: cplx.Pair) -> cplx.Pair:
        factors = a if constant else _each(lambda x: x[:, rest], a)
        factors = _spread(a, rows, length - 1) if constant and a.shape[0] == 1 else factors
        passed = _each(lambda x: placed(x, rest), cplx.multiply(factors, _each(lambda x: x[:, before], x)))
        if resets is not None:
            cleared = resets[..., None]
            passed = _each(lambda x: jnp.where(cleared, 0, x), passed)
        return cplx.subtract(x, passed)

    def transposed(_: Callable, cotangent: cplx.Pair) -> cplx.Pair:
        towards = 1 if reverse else -1
        factors = cplx.conjugate(exact if constant else _each(lambda x: jnp.roll(x, towards, 1), a))
        cuts = None if resets is None else jnp.roll(resets, towards, 1)
        return _run((method, not reverse, chunk, change is not None), factors, cotangent, cuts)

    if state is not None:
        factor = _each(lambda x: (x if constant else x[:, first])[:, 0], a)
        entering = cplx.multiply(factor, state)
        if change is not None:
            # What rounding left out of a, which has the derivative.
            missing = cplx.subtract(change, cplx.Pair(a.re - 1, a.im))
            missing = jax.lax.stop_gradient(_each(lambda x: x[:, 0], missing))
            entering = cplx.add(entering, cplx.multiply(missing, state))
        if resets is not None:
            cleared = resets[:, first]
            entering = _each(lambda x: jnp.where(cleared, 0, x), entering)
        b = cplx.add(b, _each(lambda x: placed(x[:, None], first), entering))
    states = lax.custom_linear_solve(matvec, _linear_maps.tied(b), lambda _, b: _run(how, exact, b, resets), transposed)
    return _linear_maps.tied(states)


def _spread(a: cplx.Pair, rows: Any, length: int) -> cplx.Pair:
    """One factor for all rows and steps. The transpose is a product with ones, on CPU faster than a sum."""

    def forward(x: cplx.Pair) -> cplx.Pair:
        return _each(lambda part: jnp.broadcast_to(part, (rows, length, *part.shape[2:])), x)

    def total(x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        ones = jnp.ones(flat.shape[:1], x.dtype)
        return jnp.matmul(ones, flat, precision=lax.Precision.HIGHEST).reshape(1, 1, -1)

    return _linear_maps.call(forward, lambda x: _each(total, x), a)


def _run(how: How, a: cplx.Pair, b: cplx.Pair, resets: Array | None) -> cplx.Pair:
    method, reverse, chunk, less_one = how
    if method == "auto":
        # Inside the solver, so that JAX does not differentiate the choice.
        on_cpu, elsewhere = (partial(_run, (method, reverse, chunk, less_one)) for method in ("chunked", "associative"))
        return lax.platform_dependent(a, b, resets, cpu=on_cpu, default=elsewhere)
    if method == "sequential":
        return _sequential(a, b, resets, reverse, less_one)
    if method == "associative":
        return _associative(a, b, resets, reverse, less_one)
    return _chunked(a, b, resets, reverse, chunk, less_one)


def _advance(a: cplx.Pair, x: cplx.Pair, b: cplx.Pair, reset: Array | None, less_one: bool) -> cplx.Pair:
    """One step; with `less_one`, here and below, factors and their products hold what they differ from one by."""
    moved = cplx.add(cplx.multiply(a, x), b)
    # The small terms first: what is added to the state is then rounded once.
    moved = cplx.add(x, moved) if less_one else moved
    return moved if reset is None else cplx.where(reset[..., None], b, moved)


def _composed(a: cplx.Pair, other: cplx.Pair, less_one: bool) -> cplx.Pair:
    """The product of two factors."""
    product = cplx.multiply(a, other)
    return cplx.add(product, cplx.add(a, other)) if less_one else product


def _sequential(a: cplx.Pair, b: cplx.Pair, resets: Array | None, reverse: bool, less_one: bool) -> cplx.Pair:
    constant = _each(lambda x: x[:, 0], a) if a.shape[1] == 1 else None
    steps = (a if constant is None else None, b, resets)
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)

    def advance(x: cplx.Pair, now: tuple) -> tuple[cplx.Pair, cplx.Pair]:
        x = _advance(now[0] if constant is None else constant, x, now[1], now[2], less_one)
        return x, x

    start = _each(lambda x: jnp.zeros_like(x[:, 0]), b)
    states = lax.scan(advance, start, steps, reverse=reverse)[1]
    return _each(lambda x: jnp.swapaxes(x, 0, 1), states)


def _associative(a: cplx.Pair, b: cplx.Pair, resets: Array | None, reverse: bool, less_one: bool) -> cplx.Pair:
    a = _each(lambda x: jnp.broadcast_to(x, (x.shape[0], *b.shape[1:])), a)

    def combine(left: tuple, right: tuple) -> tuple:
        (a1, b1, cut1), (a2, b2, cut2) = left, right
        both = _advance(a2, b1, b2, None, less_one)
        if cut1 is None:
            return _composed(a2, a1, less_one), both, None
        return _composed(a2, a1, less_one), cplx.where(cut2, b2, both), cut1 | cut2

    cuts = None if resets is None else resets[..., None]
    return lax.associative_scan(combine, (a, b, cuts), reverse=reverse, axis=1)[1]


def _chunked(a: cplx.Pair, b: cplx.Pair, resets: Array | None, reverse: bool, chunk: int, less_one: bool) -> cplx.Pair:
    """Take M steps in all Q chunks at once from state 0, hand the last states on, and add what they bring."""
    rows, length, width = b.shape
    num = -(-length // chunk)
    size = -(-length // num)
    if num == 1:
        return _sequential(a, b, resets, reverse, less_one)

    def split(x: Array) -> Array:
        pad = num * size - length
        # The padding lies where the run ends, so that it passes nothing on.
        ends = [(0, 0), (pad, 0) if reverse else (0, pad)] + [(0, 0)] * (x.ndim - 2)
        return jnp.pad(x, ends).reshape(x.shape[0], num, size, *x.shape[2:])

    b, resets = _each(split, b), None if resets is None else split(resets)
    factors = _each(lambda x: x[:, None], a) if a.shape[1] == 1 else _each(split, a)
    # Made from b, so that under shard_map it varies over devices as b does.
    nothing = _each(lambda x: jnp.zeros_like(x[:, :, :1]), b)
    local, products = _within(factors, b, nothing, resets, reverse, less_one)
    alive = None if resets is None else lax.cumsum(resets.astype(jnp.int32), 2, reverse=reverse) == 0
    last = (slice(None), slice(None), 0 if reverse else -1)
    whole, ends = (_each(lambda x: x[last], x) for x in (products, local))
    entering = _across(whole, ends, None if alive is None else alive[last], reverse, less_one)
    states = _advance(products, _each(lambda x: x[:, :, None], entering), local, None, less_one)
    states = states if alive is None else cplx.where(alive[..., None], states, local)
    begin = num * size - length if reverse else 0
    return _each(lambda x: x.reshape(rows, -1, width)[:, begin : begin + length], states)


def _within(
    a: cplx.Pair,
    b: cplx.Pair,
    x: cplx.Pair,
    resets: Array | None,
    reverse: bool,
    less_one: bool,
) -> tuple[cplx.Pair, cplx.Pair]:
    """The states of all chunks, [rows, Q, M, P], and the running products of the factors, which may be shared."""
    size, shared = b.shape[2], a.shape[2] == 1

    def advance(count: Array, carry: tuple[cplx.Pair, ...]) -> tuple[cplx.Pair, ...]:
        x, product, states, products = carry
        now = size - 1 - count if reverse else count

        def at(array: Array) -> Array:
            return lax.dynamic_slice_in_dim(array, now, 1, 2)

        def put(whole: cplx.Pair, part: cplx.Pair) -> cplx.Pair:
            return cplx.Pair(
                *(lax.dynamic_update_slice_in_dim(*both, now, 2) for both in zip(whole, part, strict=True))
            )

        factor = a if shared else _each(at, a)
        x = _advance(factor, x, _each(at, b), None if resets is None else at(resets), less_one)
        if shared:
            return x, product, put(states, x), products
        product = _composed(factor, product, less_one)
        return x, product, put(states, x), put(products, product)

    one = cplx.Pair(jnp.full_like(a.re[:, :, :1], 0 if less_one else 1), jnp.zeros_like(a.im[:, :, :1]))
    products = _powers(a, size, reverse, less_one) if shared else _each(lambda part: jnp.repeat(part, size, 2), one)
    return lax.fori_loop(0, size, advance, (x, one, _each(jnp.zeros_like, b), products))[2:]


def _powers(a: cplx.Pair, size: int, reverse: bool, less_one: bool) -> cplx.Pair:
    """All powers of one factor along axis 2, from 1 to `size`, each a product of squares of squares: few roundings lie
    in the last, which the chunks hand on."""
    exponents = np.arange(1, size + 1).reshape(1, 1, -1, 1)
    exponents = np.flip(exponents, 2) if reverse else exponents
    shape = (*a.shape[:2], size, a.shape[3])
    one = cplx.Pair(jnp.full(shape, 0 if less_one else 1, a.dtype), jnp.zeros(shape, a.dtype))
    found, square = one, a
    for bit in range(size.bit_length()):
        if bit:
            square = _composed(square, square, less_one)
        odd = jnp.asarray((exponents >> bit) % 2 == 1)
        found = cplx.where(odd, _composed(square, found, less_one), found)
    # Without the fence, each row would work out the powers anew.
    return _each(_fusion_barrier.fence, found)


def _across(factors: cplx.Pair, ends: cplx.Pair, alive: Array | None, reverse: bool, less_one: bool) -> cplx.Pair:
    """The state that enters each chunk, [rows, Q, P]; `factors` and `ends` are those of whole chunks."""
    steps = (_each(lambda x: jnp.broadcast_to(x, ends.shape), factors), ends, None if alive is None else ~alive)
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)
    start = _each(lambda x: jnp.zeros_like(x[:, 0]), ends)

    def advance(x: cplx.Pair, now: tuple) -> tuple[cplx.Pair, cplx.Pair]:
        return _advance(now[0], x, now[1], now[2], less_one), x

    entering = lax.scan(advance, start, steps, reverse=reverse)[1]
    return _each(lambda x: jnp.swapaxes(x, 0, 1), entering)
