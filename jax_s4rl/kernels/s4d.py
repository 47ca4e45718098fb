"""S4D: one diagonal state space model a feature, in every form: whole sequence, chunk after chunk, scan, step.

`x_k = A_bar x_{k-1} + B_bar u_k`, `y_k = 2 Re(C x_k) + D u_k`, with one of each conjugate pair of states kept.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import (
    _casting,
    _checks,
    _chunks,
    _s4d_parameters,
    _sharding,
    _siso,
    convolution,
    discretization,
    recurrence,
    vandermonde,
)
from jax_s4rl.kernels import (
    complex_pair as cplx,
)

METHODS, CHUNK = _siso.METHODS, _siso.CHUNK
Rate = _siso.Rate
Parameters = _s4d_parameters.Parameters


class Constants(NamedTuple):
    """The discretised system: `A_bar`, `B_bar`, `C` (doubled for the other half of each pair) [H, Nh], `D` [H].

    `change` is `A_bar - 1` with all of its digits, which a step needs for long memories.
    """

    A_bar: cplx.Pair
    B_bar: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    change: cplx.Pair


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "zoh",
    rate: Rate = 1.0,
    chunk: int = CHUNK,
    precision: str = "highest",
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    intervals: Float[Array | np.ndarray, "*batch L"] | None = None,
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Run over a sequence; hand the state returned to the next call to go on where this one ended.

    With resets, a NaN or infinity spoils its feature up to the next reset, and neither later outputs nor gradients of
    a loss on them. Without, it spoils its row and all gradients: mask it.

    Args:
        parameters: The system; computed in float32, or in float64 where parameters or input are.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, H, Nh]; zero where not given.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"fft"` and `"toeplitz"` convolve with the kernel (no resets); `"chunked"` takes matrix products and a
            carried state, no complex number and no FFT; `"scan"` goes step by step; `"auto"` is `"chunked"` with
            resets, else the faster convolution for the sizes; in place of `"fft"`, `"chunked"` in a program for TPU.
        discretization: `"zoh"` or `"bilinear"`; the latter hardly damps modes faster than the samples, whose rounding
            then adds up: over long rows its forms differ more from each other than those of zoh.
        rate: Factor on the step: 2 runs a model on data sampled half as often.
        chunk: Longest chunk of `"chunked"`.
        precision: Of matrix products with inputs, states and outputs: `"default"`, `"high"` or `"highest"`.
        mask: False at padding, which enters as zero, whatever it is.
        intervals: Factor on the step for each sample, 1 where it comes at its regular time; by `"scan"`, or by `"auto"`
            with a faster one that keeps the states of all steps.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, H, Nh].

    Raises:
        ValueError: Unknown method or precision, resets or intervals with a method that does not take them, shapes that
            do not match, an integer input, L < 1, or a known Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4D), equations (2), (6) and (7).

    Example:
        >>> ones = jnp.ones((1, 1))
        >>> Lambda, B, C = (cplx.as_pair(value * ones) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = apply(integrator, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    u = _casting.floating("u", u)
    options = {"state": state, "resets": resets, "mask": mask, "intervals": intervals, "method": method}
    parameters, row = _prepared(parameters, u, rate, **options)
    in_parts = (_checks.length(chunk, "chunk"), _checks.choice("precision", precision, _casting.PRECISIONS))
    system = _s4d_parameters.discrete(parameters, discretization)
    if intervals is not None:
        y, final = _by_intervals(parameters, row, method, discretization)
    elif method == "scan":
        y, final = _siso.by_steps(step, _constants(parameters, system), row)
    elif method == "chunked" or resets is not None:
        y, final = _by_chunks(*in_parts, parameters, system, row)
    elif method == "auto" and convolution.fastest(u.shape) == "fft":
        y, final = _by_platform(*in_parts, parameters, system, row)
    else:
        y, final = _by_convolution(method, precision, parameters, system, row)
    return _siso.finished(y, final, row, u.dtype)


def apply_both_ways(
    forward: Parameters,
    backward: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    *,
    discretization: str = "zoh",
    rate: Rate = 1.0,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Float[Array, "*batch L H"]:
    """Run one system over the past and present and another over the future, with one transform of the input.

    Args:
        forward: The system over the past and the present, with its D.
        backward: The system over the future, from the next step on; its D is not used.
        u: Input; whole rows only, as nothing can be carried on from either end.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.
        mask: False at padding, which enters as zero.

    Returns:
        Output in the shape and dtype of `u`.

    Raises:
        ValueError: As `apply`.

    Example:
        >>> Lambda, B, C = (cplx.as_pair(jnp.full((1, 1), value)) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> bool(jnp.allclose(apply_both_ways(integrator, integrator, jnp.ones((3, 1))), 3.0))
        True
    """
    u, dtype = _casting.floating("u", u), _casting.compute_dtype(forward, backward, u)
    ahead, row = _prepared(forward, u.astype(dtype), rate, mask=mask)
    behind = _s4d_parameters.scaled(_s4d_parameters.full(backward, dtype), rate)
    _checks.shape("C of the system over the future", behind.C, ahead.C.shape)
    ahead, behind, row = _sharding.vary_alike(ahead, behind, row)
    return _both_ways(discretization, ahead, behind, row).astype(u.dtype)


def states(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    discretization: str = "zoh",
    rate: Rate = 1.0,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    intervals: Float[Array | np.ndarray, "*batch L"] | None = None,
) -> cplx.Pair:
    """The state after every step, by `recurrence.scan`; arguments as `apply`.

    Returns:
        Pair [*batch, L, H, Nh].

    Raises:
        ValueError: As `apply`.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> states(integrator, jnp.ones((3, 1))).re[:, 0, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    options = {"state": state, "resets": resets, "mask": mask, "intervals": intervals}
    parameters, row = _prepared(parameters, u, rate, **options)
    return _siso.marked(_states(parameters, row, discretization), row)


def kernel(parameters: Parameters, L: int, *, discretization: str = "zoh", rate: Rate = 1.0) -> Float[Array, "H L"]:
    """Impulse response of L steps (D not included), to convolve with: `K_l = 2 Re(C A_bar^l B_bar)`.

    Args:
        parameters: The system.
        L: Number of steps, at least 1; static.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        The kernel, [H, L], in the dtype of the parameters (float32 or float64).

    Raises:
        ValueError: Unknown discretization, shapes that do not match, L below 1, a rate that is not positive, or a known
            Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4D), equations (6) and (7).

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> kernel(integrator, 3)
        Array([[1., 1., 1.]], dtype=float32)
    """
    dtype = _casting.compute_dtype(parameters)
    parameters = _s4d_parameters.scaled(_s4d_parameters.full(parameters, dtype), rate)
    system = _s4d_parameters.discrete(parameters, discretization)
    return vandermonde.kernel(system, cplx.multiply(parameters.C, system.gain), L)


def prepare(parameters: Parameters, *, discretization: str = "zoh", rate: Rate = 1.0) -> Constants:
    """Discretise once, for many calls of `step`.

    Args:
        parameters: The system.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: As `kernel`.

    Source:
        Gu et al. 2022 (S4D), section 2.2.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> constants = prepare(integrator, rate=2.0)
        >>> constants.A_bar.re, constants.B_bar.re
        (Array([[1.]], dtype=float32), Array([[2.]], dtype=float32))
    """
    dtype = _casting.compute_dtype(parameters)
    parameters = _s4d_parameters.scaled(_s4d_parameters.full(parameters, dtype), rate)
    return _constants(parameters, _s4d_parameters.discrete(parameters, discretization))


def step(
    constants: Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Take one step.

    Args:
        constants: From `prepare`.
        u: Input of this step.
        state: State before it, Pair [*batch, H, Nh].
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, an input that is not floating, or a reset that is not bool.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = step(prepare(integrator), jnp.ones(1), jnp.full((1, 1), 4.0))
        >>> float(y[0]), float(state.re[0, 0])
        (5.0, 5.0)
    """
    work, state, dtype = _siso.one_step(u, state, reset, constants)
    state = _next_state(constants.change, constants.B_bar, state, work)
    return _siso.read(constants.C, constants.D, work, state).astype(dtype), state


def init_state(parameters: Parameters, batch_shape: cplx.Shape = ()) -> cplx.Pair:
    """State of zeros, Pair [*batch_shape, H, Nh], before the first step.

    Example:
        >>> init_state(Parameters(*[jnp.ones((1, 1))] * 3, D=0.0, step=1.0), (2,)).shape
        (2, 1, 1)
    """
    return cplx.zeros((*batch_shape, *cplx.as_pair(parameters.C).shape), _casting.compute_dtype(parameters))


def _by_convolution(
    method: str, precision: str, parameters: Parameters, system: discretization.Discrete, row: _siso.Row
) -> tuple[Array, cplx.Pair]:
    u, state, L = row.u, row.state, row.u.shape[-2]
    response = vandermonde.kernel(system, cplx.multiply(parameters.C, system.gain), L)
    y = convolution.causal(u, _siso.with_skip(response, parameters.D), method=method, precision=precision)
    final = cplx.multiply(vandermonde.final_state(system, u, precision), cplx.with_ndim(system.gain, u.ndim))
    if state is None:
        return y, final
    y = y + vandermonde.state_response(system, parameters.C, state, L)
    return y, cplx.add(final, vandermonde.advance(system, state, L))


def _by_chunks(
    chunk: int, precision: str, parameters: Parameters, system: discretization.Discrete, row: _siso.Row
) -> tuple[Array, cplx.Pair]:
    y, final = _siso.by_chunks(_chunk(parameters, system, row.u.shape[-2], chunk), row, precision)
    return y + _siso.skip(parameters.D, row.u), final


# Outside of `jax.jit` a choice by platform would be compiled anew in every call.
@partial(jax.jit, static_argnums=(0, 1))
def _by_platform(
    chunk: int, precision: str, parameters: Parameters, system: discretization.Discrete, row: _siso.Row
) -> tuple[Array, cplx.Pair]:
    return jax.lax.platform_dependent(
        parameters,
        system,
        row,
        tpu=partial(_by_chunks, chunk, precision),
        default=partial(_by_convolution, "fft", precision),
    )


# As `_by_platform`.
@partial(jax.jit, static_argnums=0)
def _both_ways(discretization: str, forward: Parameters, backward: Parameters, row: _siso.Row) -> Array:
    L = row.u.shape[-2]

    def by_kernels(forward: Parameters, backward: Parameters, u: Array) -> Array:
        ahead, behind = (kernel(x, L, discretization=discretization) for x in (forward, backward))
        return convolution.bidirectional(u, ahead, behind)

    def by_chunks(forward: Parameters, backward: Parameters, u: Array) -> Array:
        ahead, behind = (_chunk(x, _s4d_parameters.discrete(x, discretization), L, CHUNK) for x in (forward, backward))
        return _siso.both_ways_by_chunks(ahead, behind, row._replace(u=u))

    y = jax.lax.platform_dependent(forward, backward, row.u, tpu=by_chunks, default=by_kernels)
    return y + _siso.skip(forward.D, row.u)


def _states(parameters: Parameters, row: _siso.Row, discretization: str) -> cplx.Pair:
    """All states of a row, before their marks."""
    u, state, resets, intervals, _ = row
    if intervals is not None:
        steps = parameters.step.reshape((1,) * intervals.ndim + (-1,)) * intervals[..., None]
        parameters = parameters._replace(step=steps, Lambda=cplx.with_ndim(parameters.Lambda, steps.ndim + 1))
    system = _s4d_parameters.discrete(parameters, discretization)
    A_bar = cplx.exp(cplx.Pair(system.log_modulus, system.angle))
    b = cplx.scale(cplx.with_ndim(system.gain, u.ndim + 1), u[..., None])

    def flat(x: cplx.Pair, axes: int = 2) -> cplx.Pair:
        return cplx.Pair(*(part.reshape(*part.shape[: part.ndim - axes], -1) for part in x))

    found, _ = recurrence.scan(flat(A_bar), flat(b), None if state is None else flat(state), resets)
    return cplx.Pair(*(part.reshape(b.shape) for part in found))


def _by_intervals(parameters: Parameters, row: _siso.Row, method: str, rule: str) -> tuple[Array, cplx.Pair]:
    C, D = cplx.scale(parameters.C, 2.0), parameters.D
    if method == "auto":
        found = _states(parameters, row, rule)
        return _siso.read(C, D, row.u, found), cplx.Pair(*(x[..., -1, :, :] for x in found))

    def advance(x: cplx.Pair, u: Array, interval: Array) -> cplx.Pair:
        now = _s4d_parameters.discrete(parameters._replace(step=parameters.step * interval), rule)
        return _next_state(discretization.change(now), now.gain, x, u)

    return _siso.by_intervals(advance, lambda x, u: _siso.read(C, D, u, x), row, C.shape)


def _chunk(parameters: Parameters, system: discretization.Discrete, L: int, chunk: int) -> _chunks.Chunk:
    T, rest = _chunks.sizes(L, chunk)
    inputs, outputs = (cplx.Pair(x.re[:, None], x.im[:, None]) for x in (system.gain, parameters.C))
    read = cplx.multiply(outputs, vandermonde.powers(system, jnp.arange(1, T + 1)))
    write = cplx.multiply(inputs, vandermonde.powers(system, jnp.arange(T - 1, -1, -1)))
    return _chunks.Chunk(
        kernel=vandermonde.kernel(system, cplx.multiply(parameters.C, system.gain), T),
        read=2 * jnp.concatenate([read.re, -read.im], axis=-1),
        write=cplx.stack_parts(write),
        carry=cplx.stack_parts(discretization.change(system, T)),
        last_carry=cplx.stack_parts(discretization.change(system, rest)),
    )


def _next_state(change: cplx.Pair, B_bar: cplx.Pair, x: cplx.Pair, u: Array) -> cplx.Pair:
    change, B_bar = (cplx.with_ndim(part, x.ndim) for part in (change, B_bar))
    # The small terms first: what is added to the state is then rounded once.
    return cplx.add(x, cplx.add(cplx.multiply(change, x), cplx.scale(B_bar, u[..., None])))


def _constants(parameters: Parameters, system: discretization.Discrete) -> Constants:
    A_bar = cplx.exp(cplx.Pair(*system[:2]))
    return Constants(A_bar, system.gain, cplx.scale(parameters.C, 2.0), parameters.D, discretization.change(system))


def _prepared(parameters: Parameters, u: Any, rate: Rate, **options: Any) -> tuple[Parameters, _siso.Row]:
    """Full parameters with the rate in their step, and the row; both checked, in the dtype to compute in."""
    dtype = _casting.compute_dtype(parameters, u)
    parameters = _s4d_parameters.full(parameters, dtype)
    row = _siso.ready(u, system=parameters.C.shape, dtype=dtype, **options)
    parameters, row = _sharding.vary_alike(parameters, row)
    return _s4d_parameters.scaled(parameters, rate), row
