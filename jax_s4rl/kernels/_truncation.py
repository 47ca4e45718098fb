"""From the output matrix of S4 to the truncated one that S4 trains, and back."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels import _casting, _checks, _dplr, _s4_parameters, _siso, _solving, cauchy
from jax_s4rl.kernels import complex_pair as cplx

Parameters = _s4_parameters.Parameters


def truncate(parameters: Parameters, length: int, wrap: float = cauchy.WRAP) -> Parameters:
    """Replace C by `C (I - wrap A_bar^length)`, for calls with that `length`; in float64 on the host where possible.

    Calls of this module take C truncated with the default `wrap`; 1 is the truncation of the S4 paper.

    Args:
        parameters: The system, with the output matrix itself as C.
        length: Number of steps to truncate for, at least 1; static.
        wrap: Weight that the steps after these wrap around with, in (0, 1].

    Returns:
        The same system with the truncated C.

    Raises:
        ValueError: Shapes that do not match, a length below 1, or a known Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4), appendix C.3.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> truncate(leaky._replace(step=jnp.full(1, 2 / 3)), 1, wrap=0.5).C.re
        Array([[0.375]], dtype=float32)
    """
    return _convert(parameters, length, wrap, lambda C, rest, xp: (C[:, None] @ rest)[:, 0])


def restore(parameters: Parameters, length: int, wrap: float = cauchy.WRAP) -> Parameters:
    """Inverse of `truncate`: the true C of parameters trained with `length`, in float64 on the host where possible.

    With `wrap=1` (weights trained by the paper's own code) the matrix to invert is nearly singular where `length`
    steps are a short time; with the default its condition number is at most a few.

    Args:
        parameters: The system, with a truncated C.
        length: Number of steps that C is truncated for, at least 1; static.
        wrap: As `truncate` was given.

    Returns:
        The same system with the output matrix itself as C.

    Raises:
        ValueError: As `truncate`.

    Source:
        Gu et al. 2022 (S4), appendix C.3.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> restore(truncate(leaky, 16), 16).C.re
        Array([[0.5]], dtype=float32)
    """

    def solve(C, rest, xp):
        turned = xp.swapaxes(rest, -1, -2)
        return np.linalg.solve(turned, C[..., None])[..., 0] if xp is np else _solving.solve(turned, C)

    return _convert(parameters, length, wrap, solve)


def _convert(parameters: Parameters, length: int, wrap: float, change: Callable[..., Any]) -> Parameters:
    """Apply `change(C, I - wrap A_bar^length)` to the real form of C."""
    dtype = _casting.compute_dtype(parameters)
    parameters = _s4_parameters.full(parameters, dtype)
    _checks.length(length, "length")
    if _checks.is_concrete(parameters):
        Lambda, P, B, _, _, sample = parameters
        xp, system = np, _dplr.dense(_dplr.discretize_on_host(Lambda, P, B, sample, "bilinear"), np)
        C = np.concatenate([parameters.C.re, -parameters.C.im], -1).astype(np.float64)
    else:
        xp, system = jnp, _s4_parameters.dense(parameters)
        C = jnp.concatenate([parameters.C.re, -parameters.C.im], -1)
    kept = (1 - wrap) * xp.eye(C.shape[-1], dtype=C.dtype)[None]
    rest = kept - wrap * _dplr.power_change(system.change, length, xp)
    re, im = jnp.split(jnp.asarray(change(C, rest, xp), dtype), 2, axis=-1)
    return parameters._replace(C=cplx.Pair(re, -im))


def check(discretization: str, rate: _siso.Rate) -> None:
    """Check that a truncated C is used with the rule and the rate that it was truncated for.

    Raises:
        ValueError: Another discretization than bilinear, or a rate other than 1.

    Example:
        >>> check("bilinear", 1.0)
    """
    if discretization != "bilinear" or not isinstance(rate, float | int) or rate != 1:
        raise ValueError(
            f"a truncated C is bound to the bilinear rule at rate 1, got {discretization!r} at rate {rate}; "
            "call s4.restore first, then leave out length"
        )
