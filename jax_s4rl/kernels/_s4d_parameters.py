"""Parameters of S4D: shapes, checks, and the discretised system."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import _casting, _checks, _siso, discretization
from jax_s4rl.kernels import complex_pair as cplx


class Parameters(NamedTuple):
    """Continuous diagonal system for each of H features, with Nh conjugate pairs.

    `Lambda`, `B` (Pair [H, Nh], or [Nh] if all features share them) and `C` (Pair [H, Nh]) may also
    be complex arrays. `D` is [H]; `step` is [H], positive, in the time unit of Lambda, whose real
    part must be negative. A single number for `D` or `step` applies to all features.
    """

    Lambda: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    step: Float[Array, "H"]


def scaled(parameters: Parameters, rate: _siso.Rate) -> Parameters:
    """Returns full parameters with the rate in their step.

    Raises:
        ValueError: If the rate is not positive.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> scaled(full(integrator, jnp.float32), 2.0).step
        Array([2.], dtype=float32)
    """
    _checks.rate(rate)
    # The rate is cast, because a rate of float64 would widen the step and all that follows.
    return parameters._replace(
        step=parameters.step * _casting.floating("rate", rate, parameters.C.dtype)
    )


def full(parameters: Parameters, dtype: Any) -> Parameters:
    """Checks the shapes, repeats for each feature what all share, and casts to one dtype.

    Raises:
        ValueError: If shapes do not match, or a known Lambda has a positive real part.

    Example:
        >>> parameters = Parameters(-jnp.ones(4), jnp.ones(4), jnp.ones((3, 4)), 0.0, 1.0)
        >>> full(parameters, jnp.float32).Lambda.shape
        (3, 4)
    """
    Lambda, B, C, D, sample = cplx.in_fields(parameters, "Lambda", "B", "C")
    _checks.stable(Lambda)
    if C.ndim != 2:
        raise ValueError(f"C has shape {C.shape}, expected (H, Nh); vmap over further axes")
    for name, x in (("Lambda", Lambda), ("B", B)):
        # Without the axis of features, an array is shared by all of them.
        _checks.shape(name, x, C.shape if x.ndim == 2 else C.shape[1:])
    H = C.shape[0]
    # Inside of `jax.jit` the arrays made below are traced, and traced values are not checked.
    _checks.spacing("step", sample)
    D, sample = (_casting.vector(name, x, H, dtype) for name, x in (("D", D), ("step", sample)))
    Lambda, B, C = (
        cplx.astype(x, dtype) for x in (_siso.spread(Lambda, H, 2), _siso.spread(B, H, 2), C)
    )
    return Parameters(Lambda, B, C, D, sample)


def discrete(parameters: Parameters, method: str) -> discretization.Discrete:
    """Returns the transition, and the gain multiplied by B.

    Raises:
        ValueError: If the discretization is unknown.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, one, one / 2, 0.0, 1.0)
        >>> discrete(full(integrator, jnp.float32), "zoh").gain.re
        Array([[1.]], dtype=float32)
    """
    # The axis of pairs is counted from the end: with intervals, `step` may be [*batch, L, H].
    system = discretization.discretize(
        parameters.Lambda, jnp.expand_dims(parameters.step, -1), method
    )
    return system._replace(
        gain=cplx.multiply(system.gain, cplx.with_ndim(parameters.B, system.gain.ndim))
    )
