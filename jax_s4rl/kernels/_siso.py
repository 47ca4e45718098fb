"""Runs systems with one input and one output per feature; shared by S4 and S4D.

`_mimo` is the counterpart for S5 and the LRU.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import (
    _casting,
    _checks,
    _chunks,
    _feedthrough,
    _intervals,
    _nonfinite,
    _sharding,
)
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("auto", "fft", "toeplitz", "chunked", "scan")
CHUNK = 64

Rate = float | int | Float[Array | np.ndarray, ""]


class Row(NamedTuple):
    """Sequence that is ready to run: arrays of one dtype, zero at padding.

    `marks` are added to the outputs.
    """

    u: Float[Array, "*batch L H"]
    state: cplx.Pair | None
    resets: Bool[Array, "*batch L"] | None
    intervals: Float[Array, "*batch L"] | None
    marks: _nonfinite.Marks | None


def ready(
    u: Any,
    state: Any = None,
    resets: Any = None,
    mask: Any = None,
    intervals: Any = None,
    *,
    method: str = "auto",
    system: tuple[int, ...],
    dtype: Any,
) -> Row:
    """Checks the arguments of a run for a system of (H, Nh), and prepares them.

    With resets, non-finite inputs and initial states are replaced by zero, and the outputs that
    they would have reached are marked: the gradient of a loss on later steps stays finite. Without
    resets they are left as they are.

    Raises:
        ValueError: If the method is unknown or does not take resets or intervals, or shapes do not
            match.

    Example:
        >>> ready(jnp.ones((2, 9, 3)), system=(3, 4), dtype=jnp.float32).u.shape
        (2, 9, 3)
    """
    _checks.choice("method", method, METHODS)
    H, Nh = system
    u = _casting.floating("u", u, dtype)
    if u.ndim < 2 or u.shape[-2] < 1 or u.shape[-1] != H:
        raise ValueError(
            f"u has shape {u.shape}, expected (*batch, L, {H}) with L >= 1, as C has {H} features"
        )
    if state is not None:
        state = cplx.astype(state, dtype)
        _checks.shape("state", state, (*u.shape[:-2], H, Nh))
    for name, flags in (("resets", resets), ("mask", mask)):
        _checks.flags(name, flags, u.shape[:-1])
    if resets is not None and method in ("fft", "toeplitz"):
        raise ValueError(
            f"method {method!r} cannot reset the state inside a row; "
            "use 'chunked', 'scan' or 'auto'"
        )
    bad_interval = None
    if intervals is not None:
        if method in ("fft", "toeplitz", "chunked"):
            raise ValueError(
                f"method {method!r} has one step size for all samples; "
                "use 'scan' or 'auto' with intervals"
            )
        intervals, bad_interval = _intervals.ready(intervals, u.shape[:-1], resets, mask, dtype)
    resets, mask = (None if flags is None else jnp.asarray(flags) for flags in (resets, mask))
    u, state, resets, mask, intervals = _sharding.vary_alike(u, state, resets, mask, intervals)
    # Padding is cleared before the search for NaN below, so that a NaN there marks no step.
    if mask is not None:
        u = jnp.where(mask[..., None], u, 0)
    if resets is None:
        return Row(u, state, resets, intervals, None)
    # Each feature has a system of its own, so a bad sample marks its feature alone.
    bad, bad_start = ~jnp.isfinite(u), jnp.zeros((*u.shape[:-2], H), bool)
    u = jnp.where(bad, 0, u)
    if bad_interval is not None:
        bad = bad | bad_interval[..., None]
    if state is not None:
        bad_start = ~(jnp.isfinite(state.re) & jnp.isfinite(state.im)).all(-1)
        state = cplx.Pair(*(jnp.where(bad_start[..., None], 0, x) for x in state))
    return Row(u, state, resets, intervals, _nonfinite.marks(bad, bad_start, resets, dtype))


def finished(
    y: Array, state: cplx.Pair, row: Row, dtype: Any
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Adds the marks to the output, cast to `dtype`, and to the last state.

    Example:
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> finished(row.u, cplx.zeros((1, 1)), row, jnp.bfloat16)[0].dtype
        dtype(bfloat16)
    """
    if row.marks is None:
        return y.astype(dtype), state
    last = row.marks.last[..., None]
    return (y + row.marks.outputs).astype(dtype), cplx.Pair(state.re + last, state.im + last)


def marked(states: cplx.Pair, row: Row) -> cplx.Pair:
    """Adds the marks to all states of a row.

    Example:
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> marked(cplx.zeros((3, 1, 1)), row).shape
        (3, 1, 1)
    """
    if row.marks is None:
        return states
    marks = row.marks.outputs[..., None]
    return cplx.Pair(states.re + marks, states.im + marks)


def by_steps(
    step: Callable[..., tuple[Array, cplx.Pair]], constants: Any, row: Row
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Scans a family's `step` over time; `constants.C` has the shape of a state.

    Example:
        >>> from types import SimpleNamespace
        >>> def total(constants, u, x, reset=None):
        ...     x = cplx.add(x, u[..., None])
        ...     return x.re[..., 0], x
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> by_steps(total, SimpleNamespace(C=cplx.zeros((1, 1))), row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """

    def move(x: cplx.Pair, u: Array, reset: Array | None, _: Any) -> tuple[Array, cplx.Pair]:
        return step(constants, u, x, reset)

    return over_time(move, row, constants.C.shape)


def over_time(
    move: Callable[[cplx.Pair, Array, Array | None, Array | None], tuple[Any, cplx.Pair]],
    row: Row,
    system: tuple[int, ...],
) -> tuple[Any, cplx.Pair]:
    """Scans over time with a function of state, input, reset and interval.

    The function returns an output and the next state.

    Example:
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> over_time(lambda x, u, reset, interval: (u, x), row, (1, 1))[0].shape
        (3, 1)
    """
    u, state, resets, intervals, _ = row
    if state is None:
        state = cplx.zeros((*u.shape[:-2], *system), u.dtype)
    # Under `shard_map`, the carry of a loop has to vary over the mesh axes of the inputs.
    start = cast(cplx.Pair, _sharding.vary_alike(state, u)[0])
    # Flags and intervals have time on the same axis as u: they lack only the last one, of features.
    times = jax.tree.map(lambda x: jnp.moveaxis(x, u.ndim - 2, 0), (u, resets, intervals))

    def advance(x: cplx.Pair, inputs: tuple) -> tuple[cplx.Pair, Any]:
        y, x = move(x, *inputs)
        return x, y

    final, y = jax.lax.scan(advance, start, times)
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, u.ndim - 2), y), final


def by_intervals(
    advance: Callable[[cplx.Pair, Array, Array], cplx.Pair],
    read: Callable[[cplx.Pair, Array], Any],
    row: Row,
    system: tuple[int, ...],
) -> tuple[Any, cplx.Pair]:
    """Scans over samples at irregular times; each step computes constants of its own.

    Args:
        advance: Function from state [H, Nh], input [H] and interval [] of a single row to the next
            state.
        read: Function from state [*batch, H, Nh] and input [*batch, H] to the result of a step.
        row: Sequence, with intervals.
        system: Shape (H, Nh) of a state.

    Returns:
        The results of all steps, and the last state.

    Example:
        >>> options = {"system": (1, 1), "dtype": jnp.float32}
        >>> row = ready(jnp.ones((2, 1)), intervals=jnp.array([1.0, 3.0]), **options)
        >>> advance = lambda x, u, interval: cplx.add(x, interval * jnp.ones((1, 1)))
        >>> by_intervals(advance, lambda x, u: x.re, row, (1, 1))[0][:, 0, 0]
        Array([1., 4.], dtype=float32)
    """
    # One `vmap` for each batch axis: all arguments have the same ones.
    for _ in row.u.shape[:-2]:
        advance = jax.vmap(advance)

    # The constants of a step are computed again for its derivative, because storing those of all
    # steps would take much memory. Inside a scan, `prevent_cse` is not needed.
    @partial(jax.checkpoint, prevent_cse=False)
    def move(x: cplx.Pair, u: Array, reset: Array | None, interval: Array) -> tuple[Any, cplx.Pair]:
        x = advance(cleared(x, reset), u, interval)
        return read(x, u), x

    return over_time(move, row, system)


def by_chunks(
    constants: _chunks.Chunk, row: Row, precision: _chunks.Precision = _chunks.EXACT
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Runs a row by `_chunks.run`, for any batch and a half state [*batch, H, Nh].

    Example:
        >>> one = jnp.ones((1, 2, 2))
        >>> carry = one[:, 0]
        >>> still = _chunks.Chunk(one[..., 0], 0 * one, 0 * one, carry, last_carry=carry)
        >>> by_chunks(still, ready(jnp.ones((2, 1)), system=(1, 1), dtype=jnp.float32))[0][:, 0]
        Array([1., 2.], dtype=float32)
    """
    u, resets = row.u, row.resets
    flat, start = rows(constants, u, row.state)
    y, final = _chunks.run(
        constants,
        flat,
        start,
        None if resets is None else resets.reshape(-1, u.shape[-2]),
        precision,
    )
    return y.reshape(u.shape), half_state(final, u.shape[:-2])


def both_ways_by_chunks(
    ahead: _chunks.Chunk, behind: _chunks.Chunk, row: Row
) -> Float[Array, "*batch L H"]:
    """Runs one system over past and present, and another backwards over the later steps.

    Example:
        >>> one = jnp.ones((1, 4, 2))
        >>> carry = one[:, 0]
        >>> still = _chunks.Chunk(one[..., 0], 0 * one, 0 * one, carry, last_carry=carry)
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> both_ways_by_chunks(still, still, row)[:, 0]
        Array([3., 3., 3.], dtype=float32)
    """
    reversed_output = jnp.flip(by_chunks(behind, row._replace(u=jnp.flip(row.u, -2)))[0], -2)
    # The future begins with the next step.
    later = jnp.concatenate(
        [reversed_output[..., 1:, :], jnp.zeros_like(reversed_output[..., :1, :])], axis=-2
    )
    return by_chunks(ahead, row)[0] + later


def one_step(
    u: Any, state: cplx.Complexlike, reset: Any, constants: Any
) -> tuple[Float[Array, "*batch H"], cplx.Pair, Any]:
    """Checks and casts the arguments of one step.

    Returns:
        Input and cleared state in the dtype to compute in, and the dtype of the output.

    Raises:
        ValueError: If shapes do not match, the input is not floating, or the reset is not bool.

    Example:
        >>> from types import SimpleNamespace
        >>> zero = cplx.zeros((1, 1))
        >>> one_step(jnp.ones(1), zero, None, SimpleNamespace(C=zero))[0]
        Array([1.], dtype=float32)
    """
    state, u = cplx.as_pair(state), _casting.floating("u", u)
    _checks.one_step(u, state, reset, system=constants.C.shape, features=constants.C.shape[0])
    # The input does not count: float64 would widen the state, whose dtype a scan has to keep.
    dtype = _casting.compute_dtype(constants.C, state)
    return u.astype(dtype), cleared(cplx.astype(state, dtype), reset), u.dtype


def rows(
    constants: _chunks.Chunk, u: Float[Array, "*batch L H"], state: cplx.Pair | None
) -> tuple[Float[Array, "rows L H"], Float[Array, "rows H S"]]:
    """Returns input and state in the form of `_chunks`: one batch axis, and a real state.

    A state of None becomes zero.

    Example:
        >>> still = _chunks.Chunk(*[jnp.ones((1, 2, 2))] * 5)
        >>> [x.shape for x in rows(still, jnp.ones((3, 4, 5, 1)), None)]
        [(12, 5, 1), (12, 1, 2)]
    """
    H, S = constants.write.shape[0], constants.write.shape[-1]
    batch = math.prod(u.shape[:-2])
    real = (
        jnp.zeros((batch, H, S), u.dtype)
        if state is None
        else cplx.stack_parts(state).reshape(batch, H, S)
    )
    return u.reshape(-1, *u.shape[-2:]), real


def half_state(x: Float[Array, "rows H S"], batch: cplx.Shape) -> cplx.Pair:
    """Returns the half state of a real state from `_chunks`, with the batch axes restored.

    Example:
        >>> half_state(jnp.ones((12, 1, 2)), (3, 4)).shape
        (3, 4, 1, 1)
    """
    return cplx.split_parts(x.reshape(*batch, *x.shape[1:]))


def cleared(state: cplx.Pair, reset: Bool[Array, "*batch"] | None) -> cplx.Pair:
    """Returns the state, zero where an episode starts, even if the state is NaN there.

    Example:
        >>> cleared(cplx.as_pair(jnp.full((2, 1, 1), jnp.nan)), jnp.array([True, True])).re[:, 0, 0]
        Array([0., 0.], dtype=float32)
    """
    if reset is None:
        return state
    reset = jnp.asarray(reset)
    # `where` instead of a product: zero times NaN is NaN.
    return cplx.where(reset[..., None, None], cplx.zeros((1,) * state.ndim, state.dtype), state)


def read(
    C: cplx.Pair, D: Float[Array, "H"], u: Float[Array, "*batch H"], state: cplx.Pair
) -> Float[Array, "*batch H"]:
    """Computes the output of one step, `Re(C x) + D u`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> read(one, jnp.ones(1), jnp.full(1, 2.0), one)
        Array([3.], dtype=float32)
    """
    # Only the real part is computed; C is doubled already for the other half of each pair.
    C = cplx.with_ndim(C, state.ndim)
    return (C.re * state.re - C.im * state.im).sum(-1) + _feedthrough.output(D, u)


def spread(x: cplx.Pair, H: int, ndim: int) -> cplx.Pair:
    """Repeats shared parameters for each of H features, unless they have `ndim` axes already.

    Example:
        >>> spread(cplx.zeros((4,)), 3, 2).shape
        (3, 4)
    """
    if x.ndim == ndim:
        return x
    re, im = (jnp.broadcast_to(part[None], (H, *part.shape)) for part in x)
    return cplx.Pair(re, im)
