"""What the selective kernels `ssd` and `s6` share: checks, steps, padding, and runs in chunks.

Their recurrence is ``x[k] = exp(step[k] A) x[k-1] + step[k] u[k] B[k]``, ``y[k] = C[k] x[k] +
D u[k]``, with ``step = softplus(free_step + step_bias)`` and free_step, B and C from the input. The
step is 0 at padding, which leaves the state as it is. A reset is a decay to zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _nonfinite, _sharding

CHUNK = 64

FORGET = -1e3
"""Logarithm of a decay to nothing: its exponential is 0 in float32 and in float64."""

NAMES = ("u", "free_step", "B", "C")


class System(NamedTuple):
    """Parameters in one dtype: `A` [systems] or [systems, N], `D` and `step_bias` [systems]."""

    A: Float[Array, "systems *N"]
    D: Float[Array, "systems"]
    step_bias: Float[Array, "systems"]


class Row(NamedTuple):
    """Sequence that is ready to run, in one dtype, with one axis for the batch.

    Attributes:
        u: Inputs, zero at padding.
        step: Steps, zero at padding.
        B: Input vectors.
        C: Output vectors.
        state: State before the first step; None for zero.
        resets: True where an episode starts.
        marks: Marks to add to outputs and to the last state.
    """

    u: Float[Array, "rows L *features"]
    step: Float[Array, "rows L systems"]
    B: Float[Array, "rows L *groups"]
    C: Float[Array, "rows L *groups"]
    state: Float[Array, "rows *memory"] | None
    resets: Bool[Array, "rows L"] | None
    marks: _nonfinite.Marks | None


def settle(parameters: Any, axes: tuple[str, ...], dtype: Any) -> System:
    """Checks the parameters of a family, and returns them in one dtype.

    Args:
        parameters: NamedTuple of `A`, `D` and `step_bias`; the last two may be single numbers.
        axes: Names of the axes of A.
        dtype: Dtype to cast to.

    Returns:
        The parameters, with `D` and `step_bias` in full.

    Raises:
        ValueError: If shapes do not match, an array is not real and floating, or a known A is
            positive.

    Example:
        >>> from jax_s4rl.kernels import ssd
        >>> settle(ssd.Parameters(-jnp.ones(2), 1.0, 0.0), ("heads",), jnp.float32).D
        Array([1., 1.], dtype=float32)
    """
    A = _casting.floating("A", parameters.A, dtype)
    if A.ndim != len(axes):
        raise ValueError(
            f"A has shape {A.shape}, expected ({', '.join(axes)}); vmap over further axes"
        )
    if _checks.is_concrete(parameters.A) and bool((np.asarray(parameters.A) > 0).any()):
        top = float(np.asarray(parameters.A).max())
        raise ValueError(
            f"A has an entry of {top:.3g}, which grows without bound; it must be at most 0: pass "
            "`-jnp.exp(log_decay)`"
        )
    D, step_bias = (
        _casting.vector(name, getattr(parameters, name), A.shape[0], dtype)
        for name in ("D", "step_bias")
    )
    return System(A, D, step_bias)


def ready(
    system: System,
    given: tuple[Any, Any, Any, Any],
    shapes: tuple[tuple[int, ...], ...],
    memory: tuple[int, ...],
    state: Any = None,
    resets: Any = None,
    mask: Any = None,
) -> tuple[System, Row]:
    """Checks the arguments of a run, and prepares them.

    With resets, non-finite numbers are replaced by zero, and the outputs that they would have
    reached are marked: the gradient of a loss on later steps stays finite.

    Args:
        system: System in the dtype to compute in.
        given: Inputs u, free steps, B and C.
        shapes: Their shapes without the axes of the batch and of time.
        memory: Shape of a state without the axes of the batch.
        state: State before the first step.
        resets: True where an episode starts.
        mask: False at padding.

    Returns:
        The system, which under `jax.shard_map` varies over devices as the sequence does, and the
        sequence.

    Raises:
        ValueError: If shapes do not match, an input is not floating, or flags are not bool.

    Example:
        >>> system = System(-jnp.ones(1), jnp.ones(1), jnp.zeros(1))
        >>> given = (jnp.ones((2, 9, 1, 3)), *[jnp.ones((2, 9, 1))] * 3)
        >>> shapes = ((1, 3), (1,), (1,), (1,))
        >>> ready(system, given, shapes, (1, 3, 1))[1].step.shape
        (2, 9, 1)
    """
    dtype = system.A.dtype
    arrays = [_casting.floating(*both, dtype) for both in zip(NAMES, given, strict=True)]
    leading = arrays[0].shape[: arrays[0].ndim - len(shapes[0])]
    if not leading or leading[-1] < 1:
        raise ValueError(
            f"u has shape {arrays[0].shape}, expected (*batch, L, "
            f"{', '.join(map(str, shapes[0]))}) with L of at least 1; add the missing axis"
        )
    for name, array, shape in zip(NAMES, arrays, shapes, strict=True):
        _checks.shape(name, array, (*leading, *shape))
    if state is not None:
        state = _casting.floating("state", state, dtype)
        _checks.shape("state", state, (*leading[:-1], *memory))
        state = state.reshape(-1, *memory)
    for name, flags in (("resets", resets), ("mask", mask)):
        _checks.flags(name, flags, leading)
    resets, mask = (
        None if flags is None else jnp.asarray(flags).reshape(-1, leading[-1])
        for flags in (resets, mask)
    )
    arrays = [x.reshape(-1, leading[-1], *shape) for x, shape in zip(arrays, shapes, strict=True)]
    system, arrays, state, resets, mask = _sharding.vary_alike(system, arrays, state, resets, mask)
    # Padding is cleared before the search for NaN below, so that a NaN there marks no step.
    arrays = arrays if mask is None else [_where(mask, x) for x in arrays]
    marks = None
    if resets is not None:
        arrays, state, marks = _without_nonfinite(arrays, state, resets)
    u, free_step, B, C = arrays
    step = jax.nn.softplus(free_step + system.step_bias[None, None])
    step = step if mask is None else _where(mask, step)
    return system, Row(u, step, B, C, state, resets, marks)


def _where(flags: Bool[Array, "..."], x: Array) -> Array:
    """Returns `x` where the flags are True, else zero."""
    return jnp.where(flags.reshape(flags.shape + (1,) * (x.ndim - flags.ndim)), x, 0)


def _without_nonfinite(
    arrays: list[Array], state: Array | None, resets: Array
) -> tuple[list[Array], Array | None, _nonfinite.Marks]:
    # One flag for all features: free steps, B and C depend on every one of them.
    good = jnp.ones_like(resets)
    for x in arrays:
        good = good & jnp.isfinite(x).all(tuple(range(2, x.ndim)))
    good_start = jnp.ones_like(resets[:, 0])
    if state is not None:
        good_start = jnp.isfinite(state).all(tuple(range(1, state.ndim)))
        state = _where(good_start, state)
    bad, bad_start = ~good[..., None], ~good_start[..., None]
    marks = _nonfinite.marks(bad, bad_start, resets, arrays[0].dtype)
    return [_where(good, x) for x in arrays], state, marks


def finished(
    y: Float[Array, "rows L *features"],
    last: Float[Array, "rows *memory"],
    row: Row,
    like: Any,
    axes: int,
) -> tuple[Array, Array]:
    """Adds the marks, and returns the outputs in shape and dtype of the input, and the last state.

    Args:
        y: Outputs.
        last: State after the last step.
        row: Sequence that was run.
        like: Input as it was given.
        axes: Number of its axes behind those of the batch.

    Returns:
        Outputs and state, with the axes of the batch.

    Example:
        >>> row = Row(*[jnp.ones((6, 9, 1))] * 4, None, None, None)
        >>> like = jnp.ones((2, 3, 9, 1), jnp.bfloat16)
        >>> y, last = finished(row.u, jnp.ones((6, 4)), row, like, axes=2)
        >>> y.dtype, y.shape, last.shape
        (dtype(bfloat16), (2, 3, 9, 1), (2, 3, 4))
    """
    if row.marks is not None:
        y, last = with_marks(y, row.marks.outputs), with_marks(last, row.marks.last)
    like = jnp.asarray(like)
    batch = like.shape[: like.ndim - axes]
    return y.reshape(like.shape).astype(like.dtype), last.reshape(*batch, *last.shape[1:])


def with_marks(x: Float[Array, "*shape"], marks: Float[Array, "*leading 1"]) -> Array:
    """Adds marks to all numbers that share their leading axes.

    Example:
        >>> with_marks(jnp.zeros((2, 3, 4)), jnp.ones((2, 1))).shape
        (2, 3, 4)
    """
    return x + marks.reshape(marks.shape + (1,) * (x.ndim - marks.ndim))


def one_step(
    given: tuple[Any, Any, Any, Any], axes: tuple[int, int, int, int], dtype: Any
) -> tuple[Array, Array, Array, Array]:
    """Makes a sequence of one step.

    Args:
        given: Inputs u, free step, B and C of the step.
        axes: Numbers of their axes behind those of the batch.
        dtype: Dtype to cast to.

    Returns:
        The inputs with an axis for time.

    Raises:
        ValueError: If an input is not real and floating.

    Example:
        >>> one_step((jnp.ones((2, 3)),) * 4, (1, 1, 1, 1), jnp.float32)[0].shape
        (2, 1, 3)
    """
    u, free_step, B, C = (
        jnp.expand_dims(_casting.floating(name, x, dtype), -1 - count)
        for name, x, count in zip(NAMES, given, axes, strict=True)
    )
    return u, free_step, B, C


def cleared(state: Any, reset: Any, axes: int) -> Array:
    """Returns a state that is zero where an episode starts, whatever it held.

    Args:
        state: State.
        reset: True where an episode starts; None for nowhere.
        axes: Number of the axes of the state behind those of the batch.

    Returns:
        The state.

    Raises:
        ValueError: If the reset is not bool, or has another shape than the batch.

    Example:
        >>> cleared(jnp.ones((2, 1)) * jnp.nan, jnp.array([True, True]), axes=1)[:, 0]
        Array([0., 0.], dtype=float32)
    """
    state = jnp.asarray(state)
    if reset is None:
        return state
    _checks.flags("reset", reset, state.shape[: state.ndim - axes])
    # `where` instead of a product: zero times NaN is NaN.
    return _where(~jnp.asarray(reset), state)


def start(row: Row, shape: tuple[int, ...]) -> Array:
    """Returns the state before the first step in a shape, zero if none was given.

    Example:
        >>> row = Row(*[jnp.ones((1, 9, 1))] * 4, None, None, None)
        >>> start(row, (1, 2))
        Array([[0., 0.]], dtype=float32)
    """
    if row.state is not None:
        return row.state.reshape(shape)
    # Under `shard_map`, the carry of a loop varies over devices as the inputs do.
    return _sharding.vary_alike(jnp.zeros(shape, row.u.dtype), row.u)[0]


def in_chunks(
    run: Callable[[Any, Any], tuple[Any, Any]],
    start: Array,
    inputs: Any,
    chunk: int,
) -> tuple[Any, Array]:
    """Runs chunk after chunk; the gradient computes the states inside each chunk once more.

    So memory holds one state for each chunk, and all states of one chunk.

    Args:
        run: Function of the state before a chunk and of its inputs, [T, rows, ...], that returns
            the state after it and its outputs, [T, rows, ...]. Zeros leave the state as it is.
        start: State before the first step.
        inputs: Pytree of arrays [rows, L, ...].
        chunk: Length of the longest chunk.

    Returns:
        Outputs, [rows, L, ...], and the state after the last step.

    Example:
        >>> total = lambda x, parts: (x + parts.sum(0), x[None] + jnp.cumsum(parts, 0))
        >>> in_chunks(total, jnp.zeros(1), jnp.ones((1, 5)), 2)
        (Array([[1., 2., 3., 4., 5.]], dtype=float32), Array([5.], dtype=float32))
    """
    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), inputs)
    length = jax.tree.leaves(steps)[0].shape[0]
    num = -(-length // chunk)
    size = -(-length // num)
    if num == 1:
        last, outputs = run(start, steps)
    else:

        def split(x: Array) -> Array:
            x = jnp.pad(x, [(0, num * size - length)] + [(0, 0)] * (x.ndim - 1))
            return x.reshape(num, size, *x.shape[1:])

        # In a loop, common subexpressions cannot undo the second computation.
        again = jax.checkpoint(run, prevent_cse=False)
        last, outputs = lax.scan(again, start, jax.tree.map(split, steps))
        outputs = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:length], outputs)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), outputs), last
