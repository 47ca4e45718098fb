"""Systems with one input and one output a feature: what S4 and S4D share, as S5 and the LRU share `mimo`."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _chunks, _nonfinite, _sharding
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("auto", "fft", "toeplitz", "chunked", "scan")
CHUNK = 64

Rate = float | int | Float[Array | np.ndarray, ""]


class Row(NamedTuple):
    """A sequence ready to be run: arrays of one dtype, zero at padding; `marks` are added to what comes out."""

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
    """Check what a sequence is run with, for a system of (H, Nh), and make it ready.

    With resets, an input or a start state that is not finite is replaced by zero, and what it would have reached is
    marked: the gradient of a loss on later steps stays finite. Without resets it is left as it is.

    Raises:
        ValueError: Unknown method, resets or intervals with a method that does not take them, or shapes that do not
            match.

    Example:
        >>> ready(jnp.ones((2, 9, 3)), system=(3, 4), dtype=jnp.float32).u.shape
        (2, 9, 3)
    """
    _checks.choice("method", method, METHODS)
    H, Nh = system
    u = _casting.floating("u", u, dtype)
    if u.ndim < 2 or u.shape[-2] < 1 or u.shape[-1] != H:
        raise ValueError(f"u has shape {u.shape}, expected (*batch, L, {H}) with L >= 1, as C has {H} features")
    if state is not None:
        state = cplx.astype(state, dtype)
        _checks.shape("state", state, (*u.shape[:-2], H, Nh))
    for name, flags in (("resets", resets), ("mask", mask)):
        _checks.flags(name, flags, u.shape[:-1])
    if resets is not None and method in ("fft", "toeplitz"):
        raise ValueError(f"method {method!r} cannot reset the state inside a row; use 'chunked', 'scan' or 'auto'")
    intervals = _checked_intervals(intervals, u, method, dtype)
    resets, mask = (None if flags is None else jnp.asarray(flags) for flags in (resets, mask))
    u, state, resets, mask, intervals = _sharding.vary_alike(u, state, resets, mask, intervals)
    if mask is not None:
        u = jnp.where(mask[..., None], u, 0)
    if resets is None:
        return Row(u, state, resets, intervals, None)
    bad, bad_start = ~jnp.isfinite(u), jnp.zeros((*u.shape[:-2], H), bool)
    u = jnp.where(bad, 0, u)
    if state is not None:
        bad_start = ~(jnp.isfinite(state.re) & jnp.isfinite(state.im)).all(-1)
        state = cplx.Pair(*(jnp.where(bad_start[..., None], 0, x) for x in state))
    return Row(u, state, resets, intervals, _nonfinite.marks(bad, bad_start, resets, dtype))


def _checked_intervals(intervals: Any, u: Array, method: str, dtype: Any) -> Array | None:
    if intervals is None:
        return None
    if method in ("fft", "toeplitz", "chunked"):
        raise ValueError(f"method {method!r} has one step size for all samples; use 'scan' or 'auto' with intervals")
    known = _checks.is_concrete(intervals)
    intervals = _casting.floating("intervals", intervals, dtype)
    _checks.shape("intervals", intervals, u.shape[:-1])
    if known and bool((np.asarray(intervals) < 0).any()):
        least = float(np.asarray(intervals).min())
        raise ValueError(f"intervals has an entry of {least:.3g}, but time goes forward; sort the samples by time")
    return intervals


def finished(y: Array, state: cplx.Pair, row: Row, dtype: Any) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Output in the dtype that came in, and the last state, with their marks.

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
    """All states of a row, with their marks.

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
    """Scan a family's `step` over time; `constants.C` says the shape of a state.

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
    """Scan over time with a function of state, input, reset and interval that gives an output and the next state.

    Example:
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> over_time(lambda x, u, reset, interval: (u, x), row, (1, 1))[0].shape
        (3, 1)
    """
    u, state, resets, intervals, _ = row
    if state is None:
        state = cplx.zeros((*u.shape[:-2], *system), u.dtype)
    start = cast(cplx.Pair, _sharding.vary_alike(state, u)[0])
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
    """Scan over samples that come at irregular times: each step has constants of its own, made on the way.

    Args:
        advance: The next state of state [H, Nh], input [H] and interval [] of a single row.
        read: What is wanted of state [*batch, H, Nh] and input [*batch, H].
        row: The sequence, with intervals.
        system: (H, Nh).

    Returns:
        What was read after every step, and the last state.

    Example:
        >>> row = ready(jnp.ones((2, 1)), intervals=jnp.array([1.0, 3.0]), system=(1, 1), dtype=jnp.float32)
        >>> by_intervals(lambda x, u, t: cplx.add(x, t * jnp.ones((1, 1))), lambda x, u: x.re, row, (1, 1))[0][:, 0, 0]
        Array([1., 4.], dtype=float32)
    """
    for _ in row.u.shape[:-2]:
        advance = jax.vmap(advance)

    # What is made in a step is made again for its derivative: there is much of it.
    @partial(jax.checkpoint, prevent_cse=False)
    def move(x: cplx.Pair, u: Array, reset: Array | None, interval: Array) -> tuple[Any, cplx.Pair]:
        x = advance(cleared(x, reset), u, interval)
        return read(x, u), x

    return over_time(move, row, system)


def by_chunks(
    constants: _chunks.Chunk, row: Row, precision: _chunks.Precision = _chunks.EXACT
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """`chunks.run` for any batch and a half state [*batch, H, Nh].

    Example:
        >>> one = jnp.ones((1, 2, 2))
        >>> still = _chunks.Chunk(one[..., 0], 0 * one, 0 * one, carry=one[:, 0], last_carry=one[:, 0])
        >>> by_chunks(still, ready(jnp.ones((2, 1)), system=(1, 1), dtype=jnp.float32))[0][:, 0]
        Array([1., 2.], dtype=float32)
    """
    u, resets = row.u, row.resets
    flat, start = rows(constants, u, row.state)
    y, final = _chunks.run(
        constants, flat, start, None if resets is None else resets.reshape(-1, u.shape[-2]), precision
    )
    return y.reshape(u.shape), half_state(final, u.shape[:-2])


def both_ways_by_chunks(ahead: _chunks.Chunk, behind: _chunks.Chunk, row: Row) -> Float[Array, "*batch L H"]:
    """One system over past and present, and another over the steps after each one, from the last to the next.

    Example:
        >>> one = jnp.ones((1, 4, 2))
        >>> still = _chunks.Chunk(one[..., 0], 0 * one, 0 * one, carry=one[:, 0], last_carry=one[:, 0])
        >>> row = ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> both_ways_by_chunks(still, still, row)[:, 0]
        Array([3., 3., 3.], dtype=float32)
    """
    turned = jnp.flip(by_chunks(behind, row._replace(u=jnp.flip(row.u, -2)))[0], -2)
    later = jnp.concatenate([turned[..., 1:, :], jnp.zeros_like(turned[..., :1, :])], axis=-2)
    return by_chunks(ahead, row)[0] + later


def one_step(
    u: Any, state: cplx.Complexlike, reset: Any, constants: Any
) -> tuple[Float[Array, "*batch H"], cplx.Pair, Any]:
    """Check what one step is given; input and cleared state in the dtype to compute in, and the dtype of the output.

    Example:
        >>> from types import SimpleNamespace
        >>> one_step(jnp.ones(1), cplx.zeros((1, 1)), None, SimpleNamespace(C=cplx.zeros((1, 1))))[0]
        Array([1.], dtype=float32)
    """
    state, u = cplx.as_pair(state), _casting.floating("u", u)
    _checks.one_step(u, state, reset, system=constants.C.shape, features=constants.C.shape[0])
    dtype = _casting.compute_dtype(constants.C, state)
    return u.astype(dtype), cleared(cplx.astype(state, dtype), reset), u.dtype


def rows(
    constants: _chunks.Chunk, u: Float[Array, "*batch L H"], state: cplx.Pair | None
) -> tuple[Float[Array, "rows L H"], Float[Array, "rows H S"]]:
    """Input and state as `chunks` takes them: one batch axis, and a real state; zero where None.

    Example:
        >>> still = _chunks.Chunk(*[jnp.ones((1, 2, 2))] * 5)
        >>> [x.shape for x in rows(still, jnp.ones((3, 4, 5, 1)), None)]
        [(12, 5, 1), (12, 1, 2)]
    """
    H, S = constants.write.shape[0], constants.write.shape[-1]
    batch = math.prod(u.shape[:-2])
    real = jnp.zeros((batch, H, S), u.dtype) if state is None else cplx.stack_parts(state).reshape(batch, H, S)
    return u.reshape(-1, *u.shape[-2:]), real


def half_state(x: Float[Array, "rows H S"], batch: cplx.Shape) -> cplx.Pair:
    """Inverse of the second part of `rows`.

    Example:
        >>> half_state(jnp.ones((12, 1, 2)), (3, 4)).shape
        (3, 4, 1, 1)
    """
    return cplx.split_parts(x.reshape(*batch, *x.shape[1:]))


def cleared(state: cplx.Pair, reset: Bool[Array, "*batch"] | None) -> cplx.Pair:
    """The state, zero where an episode starts; a NaN in it does not stay.

    Example:
        >>> cleared(cplx.as_pair(jnp.full((2, 1, 1), jnp.nan)), jnp.array([True, True])).re[:, 0, 0]
        Array([0., 0.], dtype=float32)
    """
    if reset is None:
        return state
    reset = jnp.asarray(reset)
    return cplx.where(reset[..., None, None], cplx.zeros((1,) * state.ndim, state.dtype), state)


def read(C: cplx.Pair, D: Float[Array, "H"], u: Float[Array, "*batch H"], state: cplx.Pair) -> Float[Array, "*batch H"]:
    """Output of one step, `Re(C x) + D u`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> read(one, jnp.ones(1), jnp.full(1, 2.0), one)
        Array([3.], dtype=float32)
    """
    C = cplx.with_ndim(C, state.ndim)
    return (C.re * state.re - C.im * state.im).sum(-1) + skip(D, u)


def skip(D: Float[Array, "H"], u: Float[Array, "*any H"]) -> Float[Array, "*any H"]:
    """What goes past the state, `D u`.

    Example:
        >>> skip(jnp.ones(1), jnp.full((3, 1), 2.0)).shape
        (3, 1)
    """
    return D.reshape((1,) * (u.ndim - 1) + (-1,)) * u


def with_skip(kernel: Float[Array, "H L"], D: Float[Array, "H"]) -> Float[Array, "H L"]:
    """The kernel of `kernel * u + D u`: one convolution, and no further pass over the input.

    Example:
        >>> with_skip(jnp.ones((1, 3)), jnp.ones(1))
        Array([[2., 1., 1.]], dtype=float32)
    """
    return jnp.concatenate([kernel[:, :1] + D[:, None], kernel[:, 1:]], axis=-1)


def spread(x: cplx.Pair, H: int, ndim: int) -> cplx.Pair:
    """Repeat for each of H features what all share: an axis in front where there are not yet `ndim`.

    Example:
        >>> spread(cplx.zeros((4,)), 3, 2).shape
        (3, 4)
    """
    if x.ndim == ndim:
        return x
    re, im = (jnp.broadcast_to(part[None], (H, *part.shape)) for part in x)
    return cplx.Pair(re, im)
