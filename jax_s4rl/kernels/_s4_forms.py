"""Runs S4 by convolution, in chunks, at irregular times, or in both directions.

All functions take full parameters (`_s4_parameters.full`) with the rate in the step, and a row that
is ready (`_siso.ready`). Static arguments come first: the discretization, the length that C is
truncated for or None, and so on.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import (
    _casting,
    _checks,
    _chunks,
    _dplr,
    _feedthrough,
    _krylov,
    _s4_parameters,
    _sharding,
    _siso,
    _truncation,
    cauchy,
    convolution,
)
from jax_s4rl.kernels import (
    complex_pair as cplx,
)

CHUNK = _siso.CHUNK
Parameters = _s4_parameters.Parameters


def ready(
    parameters: Parameters, u: Any, *, rate: _siso.Rate = 1.0, **options: Any
) -> tuple[Parameters, Parameters, _siso.Row]:
    """Checks parameters and a sequence, and casts them to the dtype to compute in.

    `options` are those of `_siso.ready`.

    Returns:
        Full parameters, the same with the rate in their step, and the row.

    Raises:
        ValueError: If the parameters, the rate or the arguments of `_siso.ready` are not valid.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one / 2, 0.0, 1.0)
        >>> ready(integrator, jnp.ones((3, 1)), rate=2.0)[1].step
        Array([2.], dtype=float32)
    """
    dtype = _casting.compute_dtype(parameters, u)
    parameters = _s4_parameters.full(parameters, dtype)
    row = _siso.ready(u, system=parameters.C.shape, dtype=dtype, **options)
    # Under `shard_map`, own derivative rules need arrays that vary over the same mesh axes.
    parameters, row = _sharding.vary_alike(parameters, row)
    # The unscaled step is returned too: a scan multiplies it by the rate in float64 if it can.
    return parameters, scaled(parameters, rate), row


def scaled(parameters: Parameters, rate: _siso.Rate) -> Parameters:
    """Returns full parameters with the rate in their step.

    Raises:
        ValueError: If the rate is not positive.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> scaled(Parameters(one, one[None], one, one, jnp.ones(1), jnp.ones(1)), 2.0).step
        Array([2.], dtype=float32)
    """
    _checks.rate(rate)
    return parameters._replace(
        step=parameters.step * _casting.floating("rate", rate, parameters.step.dtype)
    )


def _with_true_C(parameters: Parameters, length: int | None) -> Parameters:
    """Returns the parameters with the output matrix itself as C, if it is truncated."""
    return parameters if length is None else _truncation.restore(parameters, length)


def kernel(
    parameters: Parameters, L: int, discretization: str, length: int | None
) -> Float[Array, "H L"]:
    """Computes the impulse response of L steps.

    Raises:
        ValueError: If C is truncated for fewer steps.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> pairs = map(cplx.as_pair, (0 * one, 0 * one[None], one, one / 2))
        >>> integrator = Parameters(*pairs, one[0], one[0])
        >>> kernel(integrator, 3, "bilinear", None)
        Array([[1., 1., 1.]], dtype=float32)
    """
    _checks.length(L)
    if length is None:
        system = _s4_parameters.dense(parameters, discretization)
        return _krylov.kernel(system, _s4_parameters.weights(parameters.C), L)
    if length < L:
        raise ValueError(
            f"C is truncated for {length} steps, got {L}; call s4.restore first, "
            "then leave out length"
        )
    Lambda, P, B, C, _, sample = parameters
    # A truncated C belongs to one length, so the kernel is computed for all of it and then cut.
    return cauchy.kernel(Lambda, P, B, C, step=sample, L=length)[:, :L]


def _chunk(
    parameters: Parameters, L: int, longest: int, discretization: str, length: int | None
) -> tuple[_chunks.Chunk, Parameters]:
    parameters = _with_true_C(parameters, length)
    system = _s4_parameters.dense(parameters, discretization)
    return _krylov.chunk(system, _s4_parameters.weights(parameters.C), L, longest), parameters


def by_chunks(
    discretization: str,
    length: int | None,
    chunk: int,
    precision: str,
    parameters: Parameters,
    row: _siso.Row,
) -> tuple[Array, cplx.Pair]:
    """Runs a row chunk after chunk, with a carried state.

    `length` is the number of steps that C is truncated for, or None.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one / 2, 0.0, 1.0)
        >>> _, integrator, row = ready(integrator, jnp.ones((3, 1)))
        >>> by_chunks("bilinear", None, 2, "highest", integrator, row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    constants, _ = _chunk(parameters, row.u.shape[-2], chunk, discretization, length)
    y, final = _siso.by_chunks(constants, row, precision)
    return y + _feedthrough.output(parameters.D, row.u), final


def with_transforms(shape: tuple[Any, ...], length: int | None) -> bool:
    """Returns whether the faster convolution uses Fourier transforms, for its kernel or for itself.

    Example:
        >>> with_transforms((20, 1), None), with_transforms((20, 1), 1000)
        (False, True)
    """
    # A long Cauchy kernel ends with a Fourier transform, even if the convolution needs none.
    return convolution.fastest(shape) == "fft" or (
        length is not None and length > cauchy.DIRECT_MAX_LENGTH
    )


# `jax.jit`, because outside of it a choice by platform would be compiled again in every call.
@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def by_platform(
    discretization: str,
    length: int | None,
    chunk: int,
    precision: str,
    parameters: Parameters,
    row: _siso.Row,
) -> tuple[Array, cplx.Pair]:
    """Runs a row in chunks if the program is compiled for TPU, else by the faster convolution.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one / 2, 0.0, 1.0)
        >>> _, integrator, row = ready(integrator, jnp.ones((3, 1)))
        >>> by_platform("bilinear", None, 2, "highest", integrator, row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    return jax.lax.platform_dependent(
        parameters,
        row,
        tpu=partial(by_chunks, discretization, length, chunk, precision),
        default=partial(
            by_convolution, discretization, length, convolution.fastest(row.u.shape), precision
        ),
    )


def by_convolution(
    discretization: str,
    length: int | None,
    method: str,
    precision: str,
    parameters: Parameters,
    row: _siso.Row,
) -> tuple[Array, cplx.Pair]:
    """Runs a row by convolution with the kernel; `method` as in `convolution.causal`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one / 2, 0.0, 1.0)
        >>> _, integrator, row = ready(integrator, jnp.ones((3, 1)))
        >>> by_convolution("bilinear", None, "toeplitz", "highest", integrator, row)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    u, state, L = row.u, row.state, row.u.shape[-2]
    response = _feedthrough.in_kernel(kernel(parameters, L, discretization, length), parameters.D)
    y = convolution.causal(u, response, method=method, precision=precision)
    # The final state does not depend on C, so a truncated C is restored only if a state before the
    # row contributes to the outputs.
    constants, _ = _chunk(parameters, L, CHUNK, discretization, None if state is None else length)
    if state is not None:
        # The input is zero here, since the convolution contains the response to it.
        y = y + _siso.by_chunks(constants, row._replace(u=jnp.zeros_like(u)), precision)[0]
    # A kernel has no state: the final one comes from the sums of chunks, without their outputs.
    flat, start = _siso.rows(constants, u, state)
    return y, _siso.half_state(
        _chunks.states(constants, flat, start, None, precision)[1], u.shape[:-2]
    )


def by_intervals(
    discretization: str,
    length: int | None,
    parameters: Parameters,
    row: _siso.Row,
    *,
    every_state: bool = False,
) -> tuple[Any, cplx.Pair]:
    """Runs a row at irregular times, and returns its outputs, or all states, and the last state.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one / 2, 0.0, 1.0)
        >>> times = jnp.array([1.0, 0.0, 2.0])
        >>> _, integrator, row = ready(integrator, jnp.ones((3, 1)), intervals=times)
        >>> by_intervals("bilinear", None, integrator, row)[0][:, 0]
        Array([1., 1., 3.], dtype=float32)
    """
    Lambda, P, B, C, D, sample = _with_true_C(parameters, length)

    def advance(x: cplx.Pair, u: Array, interval: Array) -> cplx.Pair:
        # `zero=True`: an interval may be zero.
        return _dplr.next_state(
            _dplr.discretize(Lambda, P, B, sample * interval, discretization, zero=True), x, u
        )

    def read(x: cplx.Pair, u: Array) -> Array | cplx.Pair:
        # Factor 2: the other half of each conjugate pair.
        return x if every_state else _siso.read(cplx.scale(C, 2.0), D, u, x)

    return _siso.by_intervals(advance, read, row, C.shape)


# `jax.jit` for the same reason as in `by_platform`.
@partial(jax.jit, static_argnums=(0, 1))
def both_ways(
    discretization: str,
    length: int | None,
    forward: Parameters,
    backward: Parameters,
    row: _siso.Row,
) -> Array:
    """Runs two systems, one over the past with the present and one over the future.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one / 2, 0.0, 1.0)
        >>> _, integrator, row = ready(integrator, jnp.ones((3, 1)))
        >>> bool(jnp.allclose(both_ways("bilinear", None, integrator, integrator, row), 3.0))
        True
    """
    L = row.u.shape[-2]

    def by_kernels(forward: Parameters, backward: Parameters, u: Array) -> Array:
        ahead, behind = (kernel(x, L, discretization, length) for x in (forward, backward))
        return convolution.bidirectional(u, ahead, behind)

    def by_chunks(forward: Parameters, backward: Parameters, u: Array) -> Array:
        ahead, behind = (
            _chunk(x, L, CHUNK, discretization, length)[0] for x in (forward, backward)
        )
        return _siso.both_ways_by_chunks(ahead, behind, row._replace(u=u))

    y = jax.lax.platform_dependent(forward, backward, row.u, tpu=by_chunks, default=by_kernels)
    return y + _feedthrough.output(forward.D, row.u)
