"""S6, the recurrence of Mamba: a diagonal system for each feature, chosen by the input.

With the step ``s[k] = softplus(free_step[k] + step_bias)`` of each feature,

    x[k] = exp(s[k] A) x[k-1] + s[k] u[k] B[k],    y[k] = C[k] x[k] + D u[k],

where each feature has N states with decays of their own, and all features share B and C. free_step,
B and C come from the input, so the system forgets, writes and reads as the input says. All numbers
are real. The state of a step has N numbers for each feature; no method but `"associative"` holds
those of a whole row.

Padding leaves the state as it is, and its output is zero. The effect of resets and of NaN is that
of all families in `jax_s4rl.kernels`; a NaN in one feature spoils all features of its step.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _decaying_scan, _feedthrough, _selective

# Method names, and how the steps of a chunk are run.
SOLVERS = {"auto": "auto", "scan": "scan", "associative": "tree", "chunked": "tree"}
METHODS = tuple(SOLVERS)

CHUNK = _selective.CHUNK

AXES = ("H", "N")


class Parameters(NamedTuple):
    """A system of H features with N states each.

    `A` [H, N], negative; `D` [H], the part of the input that bypasses the state; `step_bias` [H].
    The last two may be one number for all features. NumPy arrays are accepted.
    """

    A: Float[Array, "H N"]
    D: Float[Array, "H"] | float
    step_bias: Float[Array, "H"] | float


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    free_step: Float[Array | np.ndarray, "*batch L H"],
    B: Float[Array | np.ndarray, "*batch L N"],
    C: Float[Array | np.ndarray, "*batch L N"],
    state: Float[Array | np.ndarray, "*batch H N"] | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    chunk: int = CHUNK,
    precision: str = "highest",
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> tuple[Float[Array, "*batch L H"], Float[Array, "*batch H N"]]:
    """Runs over a sequence; pass the state returned to the next call to continue from there.

    Args:
        parameters: System.
        u: Input.
        free_step: Step of each feature before its bias is added and softplus is applied.
        B: What the states take up of an input.
        C: What is read from the states.
        state: State before the first step; zero if None.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"scan"` (step by step), `"chunked"` (a tree of steps in each chunk, one chunk after
            the other), `"associative"` (one tree of all steps), or `"auto"`: `"scan"` in a program
            for CPU, `"chunked"` in one for GPU or TPU, wherever it is traced.
        chunk: Length of the longest chunk of `"scan"` and `"chunked"`, which compute the states of
            one chunk at a time again for the gradient.
        precision: Precision of the products that read the states: `"default"`, `"high"` or
            `"highest"`.
        mask: False at padding, which leaves the state as it is.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, in float32, or in
        float64 if parameters or an input are.

    Raises:
        ValueError: An unknown method or precision, shapes that do not match, flags that are not
            bool, inputs that are not floating, L or chunk < 1, or a known positive A.

    Source:
        Gu and Dao 2023, "Mamba", section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> system = Parameters(A=jnp.zeros((1, 1)), D=0.0, step_bias=0.0)
        >>> one = jnp.ones((3, 1))
        >>> free_step = jnp.log(jnp.expm1(one))  # Its softplus is 1.
        >>> y, state = apply(system, one, free_step, B=one, C=one)
        >>> y[:, 0]
        Array([1., 2., 3.], dtype=float32)
        >>> resets = jnp.array([False, False, True])
        >>> apply(system, one, free_step, B=one, C=one, resets=resets)[0][:, 0]
        Array([1., 2., 1.], dtype=float32)
    """
    _checks.choice("method", method, METHODS)
    _checks.choice("precision", precision, _casting.PRECISIONS)
    _checks.length(chunk, "chunk")
    system, row = _ready(parameters, (u, free_step, B, C), state, resets, mask)
    keep = partial(_read, precision=precision)
    y, last = _run(method, chunk, keep, system, row)
    return _finished(system, row, y, last, u, axes=2)


def states(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    free_step: Float[Array | np.ndarray, "*batch L H"],
    B: Float[Array | np.ndarray, "*batch L N"],
    state: Float[Array | np.ndarray, "*batch H N"] | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    chunk: int = CHUNK,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Float[Array, "*batch L H N"]:
    """Returns the state after every step, step by step; arguments and NaN as in `apply`.

    Returns:
        The states.

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> import jax.numpy as jnp
        >>> system = Parameters(A=jnp.zeros((1, 1)), D=0.0, step_bias=0.0)
        >>> one = jnp.ones((3, 1))
        >>> states(system, one, jnp.log(jnp.expm1(one)), B=one)[:, 0, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    _checks.length(chunk, "chunk")
    # The states do not depend on C.
    system, row = _ready(parameters, (u, free_step, B, B), state, resets, mask)
    found, _ = _run("scan", chunk, lambda x, _: x, system, row)
    if row.marks is not None:
        found = _selective.with_marks(found, row.marks.outputs)
    return found.reshape(*jnp.shape(u), found.shape[-1])


def prepare(parameters: Parameters) -> Parameters:
    """Checks and casts the parameters once, for many calls of `step`.

    Args:
        parameters: System.

    Returns:
        The parameters in float32, or in float64 if one of them is.

    Raises:
        ValueError: Shapes that do not match, arrays that are not floating, or a known positive A.

    Example:
        >>> prepare(Parameters(A=-jnp.ones((2, 4)), D=1.0, step_bias=0.0)).D
        Array([1., 1.], dtype=float32)
    """
    return Parameters(*_selective.settle(parameters, AXES, _casting.compute_dtype(parameters)))


def step(
    constants: Parameters,
    u: Float[Array | np.ndarray, "*batch H"],
    free_step: Float[Array | np.ndarray, "*batch H"],
    B: Float[Array | np.ndarray, "*batch N"],
    C: Float[Array | np.ndarray, "*batch N"],
    state: Float[Array | np.ndarray, "*batch H N"],
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], Float[Array, "*batch H N"]]:
    """Takes one step; what the state held before a reset, NaN included, has no effect.

    Args:
        constants: Parameters from `prepare`.
        u: Input of this step.
        free_step: Step before its bias is added and softplus is applied.
        B: What the states take up.
        C: What is read from the states.
        state: State before the step.
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, inputs that are not floating, or a reset that is not
            bool.

    Example:
        >>> system = prepare(Parameters(A=jnp.zeros((1, 1)), D=0.0, step_bias=0.0))
        >>> one, state = jnp.ones(1), init_state(system)
        >>> y, state = step(system, 3 * one, jnp.log(jnp.expm1(one)), one, one, state)
        >>> float(y[0]), float(state[0, 0])
        (3.0, 3.0)
    """
    # The inputs do not count: float64 would widen the state, whose dtype a scan has to keep.
    dtype = _casting.compute_dtype(constants, state)
    now = _selective.one_step((u, free_step, B, C), (1, 1, 1, 1), dtype)
    state = _selective.cleared(state, reset, axes=2)
    # A sequence of one step, so that checks and formulas are those of `apply`.
    system, row = _ready(constants, now, state)
    y, last = _run("scan", 1, partial(_read, precision="highest"), system, row)
    return _finished(system, row, y, last, u, axes=1)


def init_state(
    parameters: Parameters, batch_shape: tuple[int, ...] = ()
) -> Float[Array, "*batch H N"]:
    """Returns the state of zeros before the first step.

    Example:
        >>> system = Parameters(A=-jnp.ones((2, 4)), D=1.0, step_bias=0.0)
        >>> init_state(system, (5,)).shape
        (5, 2, 4)
    """
    shape = (*batch_shape, *parameters.A.shape)
    return jnp.zeros(shape, _casting.compute_dtype(parameters))


def _ready(
    parameters: Parameters,
    given: tuple[Any, Any, Any, Any],
    state: Any = None,
    resets: Any = None,
    mask: Any = None,
) -> tuple[_selective.System, _selective.Row]:
    system = _selective.settle(parameters, AXES, _casting.compute_dtype(parameters, given))
    H, N = system.A.shape
    return _selective.ready(system, given, ((H,), (H,), (N,), (N,)), (H, N), state, resets, mask)


def _run(
    method: str,
    chunk: int,
    keep: Callable[[Array, Array], Array],
    system: _selective.System,
    row: _selective.Row,
) -> tuple[Float[Array, "rows L ..."], Float[Array, "rows H N"]]:
    """Runs a sequence; `keep` makes the outputs from states and C."""
    rows, length = row.step.shape[:2]
    start = _selective.start(row, (rows, *system.A.shape))

    def run(x: Array, part: tuple[Array, ...]) -> tuple[Array, Array]:
        drive, step, B, C, *resets = part
        log_decay = step[..., None] * system.A[None, None]
        if resets:
            log_decay = jnp.where(resets[0][..., None, None], _selective.FORGET, log_decay)
        added = drive[..., None] * B[:, :, None]
        first = added[:1] + _decaying_scan.decayed(log_decay[:1], x[None])
        added = jnp.concatenate([first, added[1:]])
        found = _decaying_scan.states(SOLVERS[method], log_decay, added)
        return found[-1], keep(found, C)

    inputs = (row.u * row.step, row.step, row.B, row.C)
    inputs = inputs if row.resets is None else (*inputs, row.resets)
    return _selective.in_chunks(run, start, inputs, length if method == "associative" else chunk)


def _read(
    x: Float[Array, "*steps rows H N"], C: Float[Array, "*steps rows N"], precision: str
) -> Float[Array, "*steps rows H"]:
    return jnp.einsum("...hn,...n->...h", x, C, precision=precision)


def _finished(
    system: _selective.System,
    row: _selective.Row,
    y: Float[Array, "rows L H"],
    last: Float[Array, "rows H N"],
    like: Any,
    axes: int,
) -> tuple[Array, Array]:
    """Adds what bypasses the state."""
    y = y + _feedthrough.output(system.D, row.u)
    return _selective.finished(y, last, row, like, axes)
