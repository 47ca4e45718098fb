"""Runs one diagonal system that has all features as inputs and outputs; shared by S5 and the LRU.

``x[k] = A_bar x[k-1] + B_bar u[k]``, ``y[k] = Re(C x[k]) + D u[k]``.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _feedthrough, _nonfinite, recurrence
from jax_s4rl.kernels import complex_pair as cplx

# Method names of a family, and the method of `recurrence` behind each.
METHODS = {"auto": "auto", "scan": "sequential", "associative": "associative", "chunked": "chunked"}

Rate = float | int | Float[Array | np.ndarray, ""]
Inputs = Float[Array | np.ndarray, "*batch L H"]
Flags = Bool[Array | np.ndarray, "*batch L"]


class Constants(NamedTuple):
    """Discretised system: `A_bar` [P], `B_bar` [P, H], `C` [H, P] as Pairs, `D` [H].

    If the time between samples varies, `A_bar` is [*batch, L, P]. An optional `gain` [*batch, L, P]
    then scales the contribution of each sample, `B_bar u`, to the state. An optional `change` [P]
    is `A_bar - 1` with all of its digits, on which long memories depend.
    """

    A_bar: cplx.Pair
    B_bar: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    gain: cplx.Pair | None = None
    change: cplx.Pair | None = None


class _Run(NamedTuple):
    """States, last state, marks to add to them, and inputs with non-finite numbers set to zero."""

    states: cplx.Pair
    last: cplx.Pair
    marks: _nonfinite.Marks | None
    inputs: Float[Array, "*batch L H"]
    system: Constants


def run(
    constants: Constants,
    u: Inputs,
    state: cplx.Complexlike | None = None,
    resets: Flags | None = None,
    *,
    method: str = "auto",
    chunk: int = recurrence.CHUNK,
    precision: str = "highest",
    mask: Flags | None = None,
    bad: Flags | None = None,
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Runs a system over a whole sequence.

    Args:
        constants: Discretised system.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, P]; zero if None.
        resets: True where the state is cleared before that input.
        method: `"scan"`, `"associative"`, `"chunked"` or `"auto"`.
        chunk: Longest chunk of `"chunked"`.
        precision: Precision of the products with the data: `"default"`, `"high"` or `"highest"`.
        mask: False at padding, which enters as zero.
        bad: True at samples that spoil the state as a NaN in the input does; used with resets only.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step.

    Raises:
        ValueError: If the method or precision is unknown, or shapes do not match.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Constants(cplx.as_pair(jnp.ones(1)), one, one, jnp.zeros(1))
        >>> run(integrator, jnp.ones((3, 1)), method="scan")[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    result = _run(constants, u, state, resets, mask, bad, (method, chunk, precision))
    last = result.last if result.marks is None else _with_marks(result.last, result.marks.last)
    return _output(result, precision).astype(jnp.asarray(u).dtype), last


def states(
    constants: Constants,
    u: Inputs,
    state: cplx.Complexlike | None = None,
    resets: Flags | None = None,
    *,
    method: str = "auto",
    chunk: int = recurrence.CHUNK,
    precision: str = "highest",
    mask: Flags | None = None,
    bad: Flags | None = None,
) -> cplx.Pair:
    """Returns the state after every step, Pair [*batch, L, P]; the arguments are those of `run`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Constants(cplx.as_pair(jnp.ones(1)), one, one, jnp.zeros(1))
        >>> states(integrator, jnp.ones((3, 1))).re[:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    result = _run(constants, u, state, resets, mask, bad, (method, chunk, precision))
    return (
        result.states if result.marks is None else _with_marks(result.states, result.marks.outputs)
    )


def run_both_ways(
    forward: Constants,
    backward: Constants,
    u: Inputs,
    resets: Flags | None = None,
    *,
    method: str = "auto",
    chunk: int = recurrence.CHUNK,
    precision: str = "highest",
    mask: Flags | None = None,
) -> Float[Array, "*batch L H"]:
    """Runs one system over past and present, and another over the future of the same episode.

    Args:
        forward: System over the past and the present, with its D.
        backward: System over the future, from the next step on; its D is not used.
        u: Input; whole rows only.
        resets: True where an episode starts; nothing passes between episodes.
        method: Method as in `run`.
        chunk: Longest chunk as in `run`.
        precision: Precision as in `run`.
        mask: False at padding, which enters as zero.

    Returns:
        Output in the shape and dtype of `u`.

    Raises:
        ValueError: As in `run`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Constants(cplx.as_pair(jnp.ones(1)), one, one, jnp.zeros(1))
        >>> run_both_ways(integrator, integrator, jnp.array([[1.0], [2.0], [4.0]]))[:, 0]
        Array([7., 7., 7.], dtype=float32)
    """
    options = (method, chunk, precision)
    past = _output(_run(forward, u, None, resets, mask, None, options), precision)
    # The reversed run clears the state before the last input of each episode, because the steps
    # after that input belong to another episode.
    ends = (
        None
        if resets is None
        else jnp.concatenate([resets[..., 1:], jnp.zeros_like(resets[..., :1])], -1)
    )
    result = _run(backward, u, None, ends, mask, None, options, reverse=True)

    def later(x: Array) -> Array:
        # The future begins with the next step, and ends with the episode.
        x = jnp.concatenate([x[..., 1:, :], jnp.zeros_like(x[..., :1, :])], -2)
        return x if ends is None else jnp.where(ends[..., None], 0, x)

    future = _read(result.system.C, cplx.Pair(*(later(x) for x in result.states)), precision)
    future = future if result.marks is None else future + later(result.marks.outputs)
    return (past + future.astype(past.dtype)).astype(jnp.asarray(u).dtype)


def step(
    constants: Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Takes one step.

    The state before a reset, with any NaN in it, reaches neither the output nor a gradient.

    Args:
        constants: Discretised system.
        u: Input of this step.
        state: State before it, Pair [*batch, P].
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: If shapes do not match, the input is not floating, or the reset is not bool.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Constants(cplx.as_pair(jnp.ones(1)), one, one, jnp.zeros(1))
        >>> y, state = step(integrator, jnp.ones(1), cplx.as_pair(jnp.full(1, 4.0)))
        >>> float(y[0]), float(state.re[0])
        (5.0, 5.0)
    """
    u, state = jnp.asarray(u), cplx.as_pair(state)
    _checks.one_step(
        u, state, reset, system=constants.A_bar.shape, features=constants.B_bar.shape[1]
    )
    # The input does not count: float64 would widen the state, whose dtype a scan has to keep.
    dtype = _casting.compute_dtype(constants, state)
    system = jax.tree.map(lambda x: x.astype(dtype), constants)
    state = cplx.astype(state, dtype)
    if reset is not None:
        reset = jnp.asarray(reset)[..., None]
        # `where` instead of a product: zero times NaN is NaN.
        state = cplx.Pair(*(jnp.where(reset, 0, part) for part in state))
    work = u.astype(dtype)
    # With `change = A_bar - 1` the step is `x + (change x + B_bar u)`, so that a slow decay keeps
    # its digits.
    driven, factor = (
        _drive(system.B_bar, work, "highest"),
        system.A_bar if system.change is None else system.change,
    )
    moved = cplx.add(cplx.multiply(cplx.with_ndim(factor, state.ndim), state), driven)
    state = moved if system.change is None else cplx.add(state, moved)
    return (_read(system.C, state, "highest") + _feedthrough.output(system.D, work)).astype(
        u.dtype
    ), state


def settle(parameters: Any, scale: str) -> tuple[cplx.Pair, cplx.Pair, cplx.Pair, Array, Array]:
    """Checks the parameters of a family, and returns them as Pairs and full vectors of one dtype.

    `D` and the field `scale` may be single numbers; a Python number does not affect the dtype.

    Args:
        parameters: NamedTuple of `Lambda`, `B`, `C`, `D`, and the step or the gain.
        scale: Name of the field with the step or the gain.

    Returns:
        `Lambda`, `B`, `C`, `D` and that field, in float32, or in float64 if one of the arrays is.

    Raises:
        ValueError: If shapes do not match, an array is of integers, or a known Lambda has a
            positive real part.

    Example:
        >>> from jax_s4rl.kernels import s5
        >>> one = np.ones((1, 1), np.float32)
        >>> settle(s5.Parameters(-one[0], one, one, D=0.5, step=1), "step")[3:]
        (Array([0.5], dtype=float32), Array([1.], dtype=float32))
    """
    dtype = _casting.compute_dtype(parameters)
    values = cplx.in_fields(parameters, "Lambda", "B", "C")
    if values.B.ndim != 2:
        raise ValueError(f"B has shape {values.B.shape}, expected (P, H); vmap over further axes")
    width, features = values.B.shape
    D = _casting.vector("D", values.D, features, dtype)
    factors = _casting.vector(scale, getattr(values, scale), width, dtype)
    _checks.shape("Lambda", values.Lambda, (width,))
    _checks.shape("C", values.C, (features, width))
    _checks.stable(values.Lambda)
    Lambda, B, C = (cplx.astype(x, dtype) for x in (values.Lambda, values.B, values.C))
    return Lambda, B, C, D, factors


def _run(
    constants: Constants,
    u: Inputs,
    state: cplx.Complexlike | None,
    resets: Flags | None,
    mask: Flags | None,
    bad: Flags | None,
    options: tuple[str, int, str],
    reverse: bool = False,
) -> _Run:
    method, chunk, precision = options
    _checks.choice("method", method, tuple(METHODS))
    _checks.choice("precision", precision, _casting.PRECISIONS)
    u = jnp.asarray(u)
    dtype = _casting.compute_dtype(constants, u)
    _checks.real("u", u)
    width, features = constants.B_bar.shape
    if u.ndim < 2 or u.shape[-2] < 1 or u.shape[-1] != features:
        raise ValueError(
            f"u has shape {u.shape}, expected (*batch, L, {features}) with L >= 1, "
            f"as B has {features} inputs"
        )
    if state is not None:
        state = cplx.astype(state, dtype)
        _checks.shape("state", state, (*u.shape[:-2], width))
    _checks.flags("resets", resets, u.shape[:-1])
    _checks.flags("mask", mask, u.shape[:-1])
    system = jax.tree.map(lambda x: x.astype(dtype), constants)
    u = u.astype(dtype)
    # Padding is cleared before the search for NaN below, so that a NaN there marks no step.
    u = u if mask is None else jnp.where(mask[..., None], u, 0)
    marks = None
    if resets is not None:
        resets = jnp.asarray(resets)
        u, state, marks = _without_nonfinite(u, state, resets, bad, reverse)
    driven = _drive(system.B_bar, u, precision)
    driven = driven if system.gain is None else cplx.multiply(system.gain, driven)
    states, last = recurrence.scan(
        system.A_bar,
        driven,
        state,
        resets,
        method=METHODS[method],
        reverse=reverse,
        chunk=chunk,
        assume_finite=True,
        a_minus_one=system.change,
    )
    return _Run(states, last, marks, u, system)


def _without_nonfinite(
    u: Array, state: cplx.Pair | None, resets: Array, bad: Flags | None, reverse: bool
) -> tuple[Array, cplx.Pair | None, _nonfinite.Marks]:
    """Sets non-finite inputs to zero, and marks every step from such an input up to the next reset.

    In a reversed run, "next" means the reset before it in time.
    """

    def flip(x: Array, axis: int) -> Array:
        return jnp.flip(x, axis) if reverse else x

    finite = jnp.isfinite(u)
    # One flag for all features, because B mixes them into every state. Its axis of size one
    # broadcasts against features and states alike.
    spoiling = ~finite.all(-1, keepdims=True)
    spoiling = spoiling if bad is None else spoiling | bad[..., None]
    start = jnp.zeros_like(spoiling[..., 0, :])
    if state is not None:
        good = jnp.isfinite(state.re) & jnp.isfinite(state.im)
        state = cplx.Pair(*(jnp.where(good, part, 0) for part in state))
        start = ~good.all(-1, keepdims=True)
    # `marks` goes forward in time, so a reversed run flips its arguments and its result.
    marks = _nonfinite.marks(flip(spoiling, -2), start, flip(resets, -1), u.dtype)
    return jnp.where(finite, u, 0), state, marks._replace(outputs=flip(marks.outputs, -2))


def _with_marks(x: cplx.Pair, marks: Array) -> cplx.Pair:
    return cplx.Pair(x.re + marks, x.im + marks)


def _product(subscripts: str, left: Array, right: Array, precision: str) -> Array:
    return jnp.einsum(subscripts, left, right, precision=precision)


def _drive(B_bar: cplx.Pair, u: Array, precision: str) -> cplx.Pair:
    # u is real: with the parts of B in one matrix of 2 P rows, one real product gives both.
    return cplx.split_parts(_product("...h,qh->...q", u, jnp.concatenate([*B_bar]), precision))


def _read(C: cplx.Pair, x: cplx.Pair, precision: str) -> Array:
    # Only the real part is computed, by two real products instead of four. If states are halves of
    # pairs, C is doubled already.
    return _product("...p,hp->...h", x.re, C.re, precision) - _product(
        "...p,hp->...h", x.im, C.im, precision
    )


def _output(result: _Run, precision: str) -> Array:
    y = _read(result.system.C, result.states, precision) + _feedthrough.output(
        result.system.D, result.inputs
    )
    return y if result.marks is None else y + result.marks.outputs
