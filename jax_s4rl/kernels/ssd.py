"""SSD, the recurrence of Mamba-2: heads with one decay each, whose inputs choose what they keep.

With the step ``s[k] = softplus(free_step[k] + step_bias)`` of each head,

    x[k] = exp(s[k] A) x[k-1] + s[k] u[k] B[k]^T,    y[k] = x[k] C[k] + D u[k],

where u and y have P features for each head, and the state x is a matrix of P x N. B and C belong to
a group of heads. free_step, B and C come from the input, so the system forgets, writes and reads as
the input says. All numbers are real.

Padding leaves the state as it is, and its output is zero. The effect of resets and of NaN is that
of all families in `jax_s4rl.kernels`; a NaN in one feature spoils all features of its step.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _decaying_scan, _selective, _ssd_chunks

METHODS = ("auto", "scan", "chunked")

CHUNK = _selective.CHUNK

AXES = ("heads",)


class Parameters(NamedTuple):
    """A system of some heads.

    `A` [heads], negative; `D` [heads], the part of the input that bypasses the state; `step_bias`
    [heads]. The last two may be one number for all heads. NumPy arrays are accepted.
    """

    A: Float[Array, "heads"]
    D: Float[Array, "heads"] | float
    step_bias: Float[Array, "heads"] | float


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L heads P"],
    free_step: Float[Array | np.ndarray, "*batch L heads"],
    B: Float[Array | np.ndarray, "*batch L groups N"],
    C: Float[Array | np.ndarray, "*batch L groups N"],
    state: Float[Array | np.ndarray, "*batch heads P N"] | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    chunk: int = CHUNK,
    precision: str = "highest",
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> tuple[Float[Array, "*batch L heads P"], Float[Array, "*batch heads P N"]]:
    """Runs over a sequence; pass the state returned to the next call to continue from there.

    Args:
        parameters: System.
        u: Input of each head.
        free_step: Step of each head before its bias is added and softplus is applied.
        B: What a state takes up of an input, for each group of heads.
        C: What is read from a state, for each group of heads.
        state: State before the first step; zero if None.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"chunked"` (matrix products), `"scan"` (step by step, the plain recurrence), or
            `"auto"`, which is `"chunked"`.
        chunk: Length of the longest chunk. Chunks of a row are equal in length, and longer than 8
            a multiple of 8. `"scan"` computes the states of one chunk at a time again for the
            gradient.
        precision: Precision of matrix products with the data: `"default"`, `"high"` or `"highest"`.
        mask: False at padding, which leaves the state as it is.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, in float32, or in
        float64 if parameters or an input are.

    Raises:
        ValueError: An unknown method or precision, shapes that do not match, flags that are not
            bool, inputs that are not floating, L or chunk < 1, or a known positive A.

    Source:
        Dao and Gu 2024, "Transformers are SSMs" (Mamba-2), sections 2 and 6.

    Example:
        >>> import jax.numpy as jnp
        >>> system = Parameters(A=jnp.zeros(1), D=0.0, step_bias=0.0)
        >>> one = jnp.ones((3, 1, 1))
        >>> free_step = jnp.log(jnp.expm1(one[..., 0]))  # Its softplus is 1.
        >>> y, state = apply(system, one, free_step, B=one, C=one)
        >>> y[:, 0, 0]
        Array([1., 2., 3.], dtype=float32)
        >>> resets = jnp.array([False, False, True])
        >>> apply(system, one, free_step, B=one, C=one, resets=resets)[0][:, 0, 0]
        Array([1., 2., 1.], dtype=float32)
    """
    _checks.choice("method", method, METHODS)
    _checks.choice("precision", precision, _casting.PRECISIONS)
    _checks.length(chunk, "chunk")
    system, row = _ready(parameters, (u, free_step, B, C), state, resets, mask)
    if method == "scan":
        y, last = _by_steps(system, row, chunk, partial(_read, precision=precision))
    else:
        drive, log_decay, start = _grouped(system, row)
        y, last = _ssd_chunks.run(drive, log_decay, row.B, row.C, start, chunk, precision)
    return _finished(system, row, y, last, u, axes=3)


def states(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L heads P"],
    free_step: Float[Array | np.ndarray, "*batch L heads"],
    B: Float[Array | np.ndarray, "*batch L groups N"],
    state: Float[Array | np.ndarray, "*batch heads P N"] | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    chunk: int = CHUNK,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Float[Array, "*batch L heads P N"]:
    """Returns the state after every step, step by step; arguments and NaN as in `apply`.

    Returns:
        The states.

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> import jax.numpy as jnp
        >>> system = Parameters(A=jnp.zeros(1), D=0.0, step_bias=0.0)
        >>> one = jnp.ones((3, 1, 1))
        >>> states(system, one, jnp.log(jnp.expm1(one[..., 0])), B=one)[:, 0, 0, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    _checks.length(chunk, "chunk")
    # The states do not depend on C.
    system, row = _ready(parameters, (u, free_step, B, B), state, resets, mask)
    found, _ = _by_steps(system, row, chunk, lambda x, _: x)
    found = found.reshape(*found.shape[:2], -1, *found.shape[4:])
    if row.marks is not None:
        found = _selective.with_marks(found, row.marks.outputs)
    return found.reshape(*jnp.shape(u)[:-2], *found.shape[2:])


def prepare(parameters: Parameters) -> Parameters:
    """Checks and casts the parameters once, for many calls of `step`.

    Args:
        parameters: System.

    Returns:
        The parameters in float32, or in float64 if one of them is.

    Raises:
        ValueError: Shapes that do not match, arrays that are not floating, or a known positive A.

    Example:
        >>> prepare(Parameters(A=-jnp.ones(2), D=1.0, step_bias=0.0)).D
        Array([1., 1.], dtype=float32)
    """
    return Parameters(*_selective.settle(parameters, AXES, _casting.compute_dtype(parameters)))


def step(
    constants: Parameters,
    u: Float[Array | np.ndarray, "*batch heads P"],
    free_step: Float[Array | np.ndarray, "*batch heads"],
    B: Float[Array | np.ndarray, "*batch groups N"],
    C: Float[Array | np.ndarray, "*batch groups N"],
    state: Float[Array | np.ndarray, "*batch heads P N"],
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch heads P"], Float[Array, "*batch heads P N"]]:
    """Takes one step; what the state held before a reset, NaN included, has no effect.

    Args:
        constants: Parameters from `prepare`.
        u: Input of this step.
        free_step: Step before its bias is added and softplus is applied.
        B: What the state takes up.
        C: What is read from the state.
        state: State before the step.
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, inputs that are not floating, or a reset that is not
            bool.

    Example:
        >>> system = prepare(Parameters(A=jnp.zeros(1), D=0.0, step_bias=0.0))
        >>> one, state = jnp.ones((1, 1)), init_state(system, head_size=1, state_size=1)
        >>> y, state = step(system, 3 * one, jnp.log(jnp.expm1(one[0])), one, one, state)
        >>> float(y[0, 0]), float(state[0, 0, 0])
        (3.0, 3.0)
    """
    # The inputs do not count: float64 would widen the state, whose dtype a scan has to keep.
    dtype = _casting.compute_dtype(constants, state)
    now = _selective.one_step((u, free_step, B, C), (2, 1, 2, 2), dtype)
    state = _selective.cleared(state, reset, axes=3)
    # A sequence of one step, so that checks and formulas are those of `apply`.
    system, row = _ready(constants, now, state)
    y, last = _by_steps(system, row, 1, partial(_read, precision="highest"))
    return _finished(system, row, y, last, u, axes=2)


def init_state(
    parameters: Parameters,
    batch_shape: tuple[int, ...] = (),
    *,
    head_size: int,
    state_size: int,
) -> Float[Array, "*batch heads P N"]:
    """Returns the state of zeros before the first step.

    Args:
        parameters: System.
        batch_shape: Shape of the batch, may be empty.
        head_size: Number P of features of a head.
        state_size: Number N of states of each feature.

    Example:
        >>> system = Parameters(A=-jnp.ones(2), D=1.0, step_bias=0.0)
        >>> init_state(system, (5,), head_size=3, state_size=4).shape
        (5, 2, 3, 4)
    """
    shape = (*batch_shape, parameters.A.shape[0], head_size, state_size)
    return jnp.zeros(shape, _casting.compute_dtype(parameters))


def _ready(
    parameters: Parameters,
    given: tuple[Any, Any, Any, Any],
    state: Any = None,
    resets: Any = None,
    mask: Any = None,
) -> tuple[_selective.System, _selective.Row]:
    """Checks the sizes of heads and groups, and prepares the sequence."""
    u, _, B, _ = given
    system = _selective.settle(parameters, AXES, _casting.compute_dtype(parameters, given))
    heads = system.A.shape[0]
    if jnp.ndim(u) < 3 or u.shape[-2] != heads:
        raise ValueError(
            f"u has shape {jnp.shape(u)}, expected (*batch, L, {heads}, P), as A has {heads} heads"
        )
    if jnp.ndim(B) < 3 or heads % B.shape[-2]:
        raise ValueError(
            f"B has shape {jnp.shape(B)}, expected (*batch, L, groups, N) with a number of groups "
            f"that divides the {heads} heads of A"
        )
    groups = tuple(B.shape[-2:])
    shapes = ((heads, u.shape[-1]), (heads,), groups, groups)
    return _selective.ready(system, given, shapes, (*shapes[0], groups[-1]), state, resets, mask)


def _grouped(
    system: _selective.System, row: _selective.Row
) -> tuple[
    Float[Array, "rows L G R P"],
    Float[Array, "rows L G R"],
    Float[Array, "rows G R P N"] | None,
]:
    """Returns driving inputs, logarithms of decays and the start, with an axis for groups."""
    groups = (row.B.shape[2], -1)
    drive = row.u * row.step[..., None]
    log_decay = jnp.maximum(row.step * system.A[None, None], _selective.FORGET)
    if row.resets is not None:
        log_decay = jnp.where(row.resets[..., None], _selective.FORGET, log_decay)
    start = row.state
    if start is not None:
        start = start.reshape(start.shape[0], *groups, *start.shape[2:])
    return (
        drive.reshape(*drive.shape[:2], *groups, drive.shape[3]),
        log_decay.reshape(*log_decay.shape[:2], *groups),
        start,
    )


def _by_steps(
    system: _selective.System,
    row: _selective.Row,
    chunk: int,
    keep: Callable[[Array, Array], Array],
) -> tuple[Float[Array, "rows L G R ..."], Float[Array, "rows G R P N"]]:
    """Runs the plain recurrence; `keep` makes the outputs of a step from its state and C."""
    drive, log_decay, _ = _grouped(system, row)
    rows, _, *system_shape = drive.shape
    start = _selective.start(row, (rows, *system_shape, row.B.shape[-1]))

    def advance(x: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        drive, log_decay, B, C = now
        x = _decaying_scan.decayed(log_decay[..., None, None], x)
        x = x + drive[..., None] * B[:, :, None, None]
        return x, keep(x, C)

    run = partial(jax.lax.scan, advance)
    return _selective.in_chunks(run, start, (drive, log_decay, row.B, row.C), chunk)


def _read(
    x: Float[Array, "rows G R P N"], C: Float[Array, "rows G N"], precision: str
) -> Float[Array, "rows G R P"]:
    return jnp.einsum("bgrpn,bgn->bgrp", x, C, precision=precision)


def _finished(
    system: _selective.System,
    row: _selective.Row,
    y: Float[Array, "rows L G R P"],
    last: Float[Array, "rows G R P N"],
    like: Array | np.ndarray,
    axes: int,
) -> tuple[Array, Array]:
    """Adds what bypasses the state, and merges groups and heads."""
    y = y.reshape(row.u.shape) + system.D.reshape(1, 1, -1, 1) * row.u
    last = last.reshape(last.shape[0], -1, *last.shape[3:])
    return _selective.finished(y, last, row, like, axes)
