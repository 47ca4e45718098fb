"""Linear recurrences ``x[k] = a[k] x[k-1] + b[k]`` of complex numbers, with resets inside a row.

Three methods have the same result: `"sequential"` takes one step after the other, `"associative"`
combines neighbours in a tree, `"chunked"` takes the steps of all chunks side by side and then
passes the last state of each chunk to the next. JAX differentiates the equation that the states
solve, not the method, so one rule serves all three: the gradient of b is the same recurrence run
backwards, and no tree is stored or differentiated.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool

from jax_s4rl.kernels import (
    _casting,
    _checks,
    _linear_maps,
    _nonfinite,
    _recurrence_methods,
    _sharding,
)
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("auto", "sequential", "associative", "chunked")

CHUNK = 64

_Plan = _recurrence_methods.Plan
_each = _recurrence_methods.each


def scan(
    a: cplx.Complexlike,
    b: cplx.Complexlike,
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    reverse: bool = False,
    chunk: int = CHUNK,
    assume_finite: bool = False,
    a_minus_one: cplx.Complexlike | None = None,
) -> tuple[cplx.Pair, cplx.Pair]:
    """Computes ``x[k] = a[k] x[k-1] + b[k]``; at a reset, ``x[k] = b[k]``.

    With `resets`, a NaN or infinity makes the states NaN up to the next reset; it reaches neither
    the states after it nor the gradient of a loss on them. Without resets it spoils the rest of its
    row, and the gradient. Computation is in float32, or in float64 if an input is float64. Every
    method is differentiable any number of times, in forward and reverse mode.

    Args:
        a: Factors, in any shape that broadcasts to that of `b`: [P] if they are constant in time,
            [L, P] if all rows share them, or [*batch, L, P].
        b: Inputs, [*batch, L, P].
        state: State before the first step, [*batch, P]; zero if None.
        resets: True where the state is cleared before the input is added.
        method: `"sequential"`, `"associative"`, `"chunked"`, or `"auto"`: `"chunked"` in a program
            for CPU and `"associative"` in one for GPU or TPU, wherever it is traced.
        reverse: Direction; True runs from the last step to the first, as if `a`, `b` and `resets`
            were flipped in time, and the states flipped back.
        chunk: Length of the longest chunk of `"chunked"`.
        assume_finite: Promise of the caller that `a`, `b` and `state` are finite, so that they are
            not searched for NaN.
        a_minus_one: Exact `a - 1`, [P], if the caller has it: rounding an `a` near one loses the
            digits that a long memory depends on. The derivative is taken with respect to `a`.

    Returns:
        All states [*batch, L, P], and the last one of the run [*batch, P].

    Raises:
        ValueError: Unknown method, shapes that do not match, a length or chunk below 1, or integer
            inputs.

    Source:
        Blelloch 1990 (associative form); Martin and Cundy 2018, section 2.2 (the derivative is a
        scan too).

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
    plan = _Plan(method, reverse, _checks.length(chunk, "chunk"), a_minus_one is not None)
    dtype = _casting.compute_dtype(a, b)
    batch, (length, width) = b.shape[:-2], b.shape[-2:]
    if state is not None:
        state = cplx.as_pair(state)
        _checks.shape("the state", state, (*batch, width))
        state = _reshape(cplx.astype(state, dtype), (-1, width))
    _checks.flags("resets", resets, (*batch, length))
    resets = None if resets is None else jnp.asarray(resets).reshape(-1, length)
    # `a` alone carries the derivative: it and `a_minus_one` are two forms of one number.
    exact = None
    if a_minus_one is not None:
        exact = jax.lax.stop_gradient(cplx.astype(cplx.as_pair(a_minus_one), dtype))
        exact = _factors(exact, b.shape)
    a = _factors(cplx.astype(a, dtype), b.shape)
    b = _reshape(cplx.astype(b, dtype), (-1, length, width))
    marks = None
    if resets is not None and not assume_finite:
        a, b, state, marks = _without_nonfinite(a, b, state, resets, reverse)
    states = _solve(plan, a, b, state, resets, exact)
    last = _each(lambda x: x[:, 0 if reverse else -1], states)
    if marks is not None:
        states, last = (
            _each(lambda x, mark=mark: x + mark, x)
            for x, mark in ((states, marks.outputs), (last, marks.last))
        )
    return _reshape(states, (*batch, length, width)), _reshape(last, (*batch, width))


def _check(a: cplx.Pair, b: cplx.Pair) -> None:
    if b.ndim < 2 or b.shape[-2] < 1:
        raise ValueError(
            f"b has shape {b.shape}, expected (*batch, L, P) with L of at least 1; "
            "add the missing axis or pass at least one step"
        )
    try:
        fits = jnp.broadcast_shapes(a.shape, b.shape) == b.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"a has shape {a.shape}, which does not broadcast to b's {b.shape}; "
            f"pass shape {b.shape[-1:]} if a is constant in time, else {b.shape}"
        )


def _factors(a: cplx.Pair, shape: cplx.Shape) -> cplx.Pair:
    """Returns the factors as [rows, L, P], with rows and L of 1 if they do not vary along them."""
    a = cplx.with_ndim(a, len(shape))
    batch = a.shape[:-2] if all(size == 1 for size in a.shape[:-2]) else shape[:-2]
    return _each(
        lambda x: jnp.broadcast_to(x, (*batch, *x.shape[-2:-1], shape[-1])).reshape(
            -1, x.shape[-2], shape[-1]
        ),
        a,
    )


def _reshape(x: cplx.Pair, shape: cplx.Shape) -> cplx.Pair:
    return _each(lambda part: part.reshape(shape), x)


def _without_nonfinite(
    a: cplx.Pair, b: cplx.Pair, state: cplx.Pair | None, resets: Array, reverse: bool
) -> tuple[cplx.Pair, cplx.Pair, cplx.Pair | None, _nonfinite.Marks]:
    """Replaces non-finite numbers by zero, and returns NaN marks for the states they spoil."""

    def flip(x: Array) -> Array:
        return jnp.flip(x, 1) if reverse else x

    def clean(x: cplx.Pair) -> tuple[cplx.Pair, Array]:
        good = jnp.isfinite(x.re) & jnp.isfinite(x.im)
        return _each(lambda part: jnp.where(good, part, 0), x), ~good

    b, bad = clean(b)
    # Factors that are constant in time are not cleaned: they belong to the steps after a reset too.
    if a.shape[1] == bad.shape[1]:
        a, bad_factor = clean(a)
        bad = bad | bad_factor
    bad_start = jnp.zeros_like(bad[:, 0])
    if state is not None:
        state, bad_start = clean(state)
    marks = _nonfinite.marks(flip(bad), bad_start, flip(resets), b.dtype)
    return a, b, state, marks._replace(outputs=flip(marks.outputs))


def _solve(
    plan: _Plan,
    a: cplx.Pair,
    b: cplx.Pair,
    state: cplx.Pair | None,
    resets: Array | None,
    change: cplx.Pair | None,
) -> cplx.Pair:
    """Returns all states, [rows, L, P], as the solution of ``x[k] - a[k] x[k-1] = b[k]``.

    `lax.custom_linear_solve` supplies the derivatives: that of a needs the left side only, that of
    b is the transposed solver, which is the recurrence with conj(a) in the other direction.
    """
    reverse = plan.reverse
    # Under `shard_map`, own derivative rules need arrays that vary over the same mesh axes.
    a, b, state, resets, change = _sharding.vary_alike(a, b, state, resets, change)
    exact = a if change is None else change
    (rows, length), constant = b.shape[:2], a.shape[1] == 1
    first = slice(-1, None) if reverse else slice(0, 1)
    rest, before = (
        (slice(None, -1), slice(1, None)) if reverse else (slice(1, None), slice(None, -1))
    )

    def pad_to_length(x: Array, steps: slice) -> Array:
        """Puts `x` into these steps, and zeros into the others."""
        start = steps.indices(length)[0]
        return jnp.pad(x, [(0, 0), (start, length - start - x.shape[1]), (0, 0)])

    # The left side, from which JAX takes the derivative with respect to a.
    def matvec(x: cplx.Pair) -> cplx.Pair:
        factors = a if constant else _each(lambda x: x[:, rest], a)
        factors = _spread(a, rows, length - 1) if constant and a.shape[0] == 1 else factors
        passed = cplx.multiply(factors, _each(lambda x: x[:, before], x))
        passed = _each(lambda x: pad_to_length(x, rest), passed)
        if resets is not None:
            cleared = resets[..., None]
            passed = _each(lambda x: jnp.where(cleared, 0, x), passed)
        return cplx.subtract(x, passed)

    def transposed(_: Callable, cotangent: cplx.Pair) -> cplx.Pair:
        # Step k of the run in the other direction takes the factor and the reset of its neighbour,
        # so both are rolled by one step. The factor that wraps around multiplies state 0.
        shift = 1 if reverse else -1
        factors = cplx.conjugate(exact if constant else _each(lambda x: jnp.roll(x, shift, 1), a))
        cuts = None if resets is None else jnp.roll(resets, shift, 1)
        backwards = plan._replace(reverse=not reverse)
        return _recurrence_methods.run(backwards, factors, cotangent, cuts)

    if state is not None:
        factor = _each(lambda x: (x if constant else x[:, first])[:, 0], a)
        entering = cplx.multiply(factor, state)
        if change is not None:
            # The part of a that rounding lost; a itself keeps the derivative. The subtraction of 1
            # is exact near one.
            missing = cplx.subtract(change, cplx.Pair(a.re - 1, a.im))
            missing = jax.lax.stop_gradient(_each(lambda x: x[:, 0], missing))
            entering = cplx.add(entering, cplx.multiply(missing, state))
        if resets is not None:
            cleared = resets[:, first]
            entering = _each(lambda x: jnp.where(cleared, 0, x), entering)
        b = cplx.add(b, _each(lambda x: pad_to_length(x[:, None], first), entering))

    def solve(_: Callable, b: cplx.Pair) -> cplx.Pair:
        return _recurrence_methods.run(plan, exact, b, resets)

    # `tied`: the system is transposed only if both parts of a Pair have a tangent.
    states = lax.custom_linear_solve(matvec, _linear_maps.tied(b), solve, transposed)
    return _linear_maps.tied(states)


def _spread(a: cplx.Pair, rows: Any, length: int) -> cplx.Pair:
    """Repeats one factor for all rows and steps."""

    def forward(x: cplx.Pair) -> cplx.Pair:
        return _each(lambda part: jnp.broadcast_to(part, (rows, length, *part.shape[2:])), x)

    # The transpose is a product with ones, on CPU faster than a sum.
    def total(x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        ones = jnp.ones(flat.shape[:1], x.dtype)
        return jnp.matmul(ones, flat, precision=lax.Precision.HIGHEST).reshape(1, 1, -1)

    return _linear_maps.call(forward, lambda x: _each(total, x), a)
