"""The forms of S4D: a row by convolution, in chunks, at irregular times and in both directions.

All take full parameters (`_s4d_parameters.full`) with the rate in the step, and a row that is ready
(`_siso.ready`). Static arguments come first.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import (
    _chunks,
    _feedthrough,
    _s4d_parameters,
    _siso,
    convolution,
    discretization,
    recurrence,
    vandermonde,
)
from jax_s4rl.kernels import (
    complex_pair as cplx,
)

CHUNK = _siso.CHUNK
Parameters = _s4d_parameters.Parameters


def kernel(parameters: Parameters, L: int, discretization: str) -> Float[Array, "H L"]:
    """Returns the impulse response of L steps.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> kernel(integrator, 3, "zoh")
        Array([[1., 1., 1.]], dtype=float32)
    """
    system = _s4d_parameters.discrete(parameters, discretization)
    return vandermonde.kernel(system, cplx.multiply(parameters.C, system.gain), L)


def by_convolution(
    method: str,
    precision: str,
    parameters: Parameters,
    system: discretization.Discrete,
    row: _siso.Row,
) -> tuple[Array, cplx.Pair]:
    """Runs a row by convolution with the kernel.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> system = _s4d_parameters.discrete(integrator, "zoh")
        >>> row = _siso.ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> by_convolution("fft", "highest", integrator, system, row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    u, state, L = row.u, row.state, row.u.shape[-2]
    response = vandermonde.kernel(system, cplx.multiply(parameters.C, system.gain), L)
    y = convolution.causal(
        u, _feedthrough.in_kernel(response, parameters.D), method=method, precision=precision
    )
    # The gain is equal at all steps, so it multiplies the sum over inputs once.
    final = cplx.multiply(
        vandermonde.final_state(system, u, precision), cplx.with_ndim(system.gain, u.ndim)
    )
    if state is None:
        return y, final
    y = y + vandermonde.state_response(system, parameters.C, state, L)
    return y, cplx.add(final, vandermonde.advance(system, state, L))


def by_chunks(
    chunk: int,
    precision: str,
    parameters: Parameters,
    system: discretization.Discrete,
    row: _siso.Row,
) -> tuple[Array, cplx.Pair]:
    """Runs a row chunk after chunk, with a carried state.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> system = _s4d_parameters.discrete(integrator, "zoh")
        >>> row = _siso.ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> by_chunks(2, "highest", integrator, system, row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    y, final = _siso.by_chunks(_chunk(parameters, system, row.u.shape[-2], chunk), row, precision)
    return y + _feedthrough.output(parameters.D, row.u), final


# Outside of `jax.jit`, a choice by platform is compiled again in every call.
@partial(jax.jit, static_argnums=(0, 1))
def by_platform(
    chunk: int,
    precision: str,
    parameters: Parameters,
    system: discretization.Discrete,
    row: _siso.Row,
) -> tuple[Array, cplx.Pair]:
    """Runs a row in chunks in a program for TPU, elsewhere by Fourier transforms.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> system = _s4d_parameters.discrete(integrator, "zoh")
        >>> row = _siso.ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> by_platform(2, "highest", integrator, system, row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    return jax.lax.platform_dependent(
        parameters,
        system,
        row,
        tpu=partial(by_chunks, chunk, precision),
        default=partial(by_convolution, "fft", precision),
    )


# Compiled for the same reason as `by_platform`.
@partial(jax.jit, static_argnums=0)
def both_ways(
    discretization: str, forward: Parameters, backward: Parameters, row: _siso.Row
) -> Array:
    """Runs one system over past and present and another over the future.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> row = _siso.ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> bool(jnp.allclose(both_ways("zoh", integrator, integrator, row), 3.0))
        True
    """
    L = row.u.shape[-2]

    def with_kernels(forward: Parameters, backward: Parameters, u: Array) -> Array:
        ahead, behind = (kernel(x, L, discretization) for x in (forward, backward))
        return convolution.bidirectional(u, ahead, behind)

    def in_chunks(forward: Parameters, backward: Parameters, u: Array) -> Array:
        ahead, behind = (
            _chunk(x, _s4d_parameters.discrete(x, discretization), L, CHUNK)
            for x in (forward, backward)
        )
        return _siso.both_ways_by_chunks(ahead, behind, row._replace(u=u))

    y = jax.lax.platform_dependent(forward, backward, row.u, tpu=in_chunks, default=with_kernels)
    return y + _feedthrough.output(forward.D, row.u)


def states(parameters: Parameters, row: _siso.Row, discretization: str) -> cplx.Pair:
    """Returns all states of a row, before `_siso.marked`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> row = _siso.ready(jnp.ones((3, 1)), system=(1, 1), dtype=jnp.float32)
        >>> states(integrator, row, "zoh").re[:, 0, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    u, state, resets, intervals, _ = row
    if intervals is not None:
        # One step size for each sample and feature. Lambda gets axes of size one in front, so that
        # both broadcast to [*batch, L, H, Nh].
        steps = parameters.step.reshape((1,) * intervals.ndim + (-1,)) * intervals[..., None]
        parameters = parameters._replace(
            step=steps, Lambda=cplx.with_ndim(parameters.Lambda, steps.ndim + 1)
        )
    system = _s4d_parameters.discrete(parameters, discretization)
    A_bar = cplx.exp(cplx.Pair(system.log_modulus, system.angle))
    b = cplx.scale(cplx.with_ndim(system.gain, u.ndim + 1), u[..., None])

    # The recurrence has one axis of states, so features and pairs are joined.
    def flat(x: cplx.Pair, axes: int = 2) -> cplx.Pair:
        return cplx.Pair(*(part.reshape(*part.shape[: part.ndim - axes], -1) for part in x))

    start = None if state is None else flat(state)
    # `A_bar - 1` with its own digits, which slow modes need over long rows.
    change = None if intervals is not None else flat(_change(system))
    every_state, _ = recurrence.scan(flat(A_bar), flat(b), start, resets, a_minus_one=change)
    return cplx.Pair(*(part.reshape(b.shape) for part in every_state))


def by_intervals(
    parameters: Parameters, row: _siso.Row, method: str, rule: str
) -> tuple[Array, cplx.Pair]:
    """Runs a row with irregular times: by a scan, or for `"auto"` with the states of all steps.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> integrator = _s4d_parameters.full(integrator, jnp.float32)
        >>> row = _siso.ready(
        ...     jnp.ones((2, 1)), intervals=jnp.array([1.0, 3.0]), system=(1, 1), dtype=jnp.float32
        ... )
        >>> by_intervals(integrator, row, "scan", "zoh")[0][:, 0]
        Array([1., 4.], dtype=float32)
    """
    # Factor 2: the other half of each conjugate pair.
    C, D = cplx.scale(parameters.C, 2.0), parameters.D
    if method == "auto":
        every_state = states(parameters, row, rule)
        last = cplx.Pair(*(x[..., -1, :, :] for x in every_state))
        return _siso.read(C, D, row.u, every_state), last

    def advance(x: cplx.Pair, u: Array, interval: Array) -> cplx.Pair:
        scaled = parameters._replace(step=parameters.step * interval)
        system = _s4d_parameters.discrete(scaled, rule)
        return next_state(discretization.change(system), system.gain, x, u)

    return _siso.by_intervals(advance, lambda x, u: _siso.read(C, D, u, x), row, C.shape)


def _chunk(
    parameters: Parameters, system: discretization.Discrete, L: int, chunk: int
) -> _chunks.Chunk:
    """Returns the constants of a chunk, with the real state `[re, im]` of all pairs."""
    T, rest = _chunks.sizes(L, chunk)
    inputs, outputs = (cplx.Pair(x.re[:, None], x.im[:, None]) for x in (system.gain, parameters.C))
    # The state before a chunk reaches output l through `A_bar^(l+1)`. Input l reaches the state at
    # the end through `A_bar^(T-1-l)`, hence the falling exponents.
    read = cplx.multiply(outputs, vandermonde.powers(system, jnp.arange(1, T + 1)))
    write = cplx.multiply(inputs, vandermonde.powers(system, jnp.arange(T - 1, -1, -1)))
    return _chunks.Chunk(
        kernel=vandermonde.kernel(system, cplx.multiply(parameters.C, system.gain), T),
        # 2 Re(C x) on the real state [x.re, x.im]: the imaginary part enters with a minus.
        read=2 * jnp.concatenate([read.re, -read.im], axis=-1),
        write=cplx.stack_parts(write),
        carry=cplx.stack_parts(discretization.change(system, T)),
        last_carry=cplx.stack_parts(discretization.change(system, rest)),
    )


def next_state(change: cplx.Pair, B_bar: cplx.Pair, x: cplx.Pair, u: Array) -> cplx.Pair:
    """Returns `x + change x + B_bar u`, with `change = A_bar - 1`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> next_state(cplx.zeros((1, 1)), one, one, jnp.full(1, 2.0)).re
        Array([[3.]], dtype=float32)
    """
    change, B_bar = (cplx.with_ndim(part, x.ndim) for part in (change, B_bar))
    # The small terms come first, so that their sum meets the state in a single rounding.
    return cplx.add(x, cplx.add(cplx.multiply(change, x), cplx.scale(B_bar, u[..., None])))


# The argument `discretization` hides the module of the same name inside the functions above.
_change = discretization.change
