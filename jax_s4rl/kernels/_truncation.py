"""Converts the output matrix of S4 to the truncated one that S4 trains, and back."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels import _casting, _checks, _dplr, _s4_parameters, _siso, _solving, cauchy
from jax_s4rl.kernels import complex_pair as cplx

Parameters = _s4_parameters.Parameters


def truncate(parameters: Parameters, length: int, wrap: float = cauchy.WRAP) -> Parameters:
    """Replaces C by `C (I - wrap A_bar^length)`, for calls with that `length`.

    Computes in float64 on the host if all values are known. S4 takes C truncated with the default
    `wrap`; 1 is the truncation of the S4 paper.

    Args:
        parameters: System with the output matrix itself as C.
        length: Number of steps to truncate for, at least 1; static.
        wrap: Weight with which the steps after these wrap around, in (0, 1].

    Returns:
        The same system with the truncated C.

    Raises:
        ValueError: If shapes do not match, the length is below 1, or a known Lambda has a positive
            real part.

    Source:
        Gu et al. 2022 (S4), appendix C.3.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> P, D, step = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, step)
        >>> truncate(leaky._replace(step=jnp.full(1, 2 / 3)), 1, wrap=0.5).C.re
        Array([[0.375]], dtype=float32)
    """
    return _convert(
        parameters, length, wrap, lambda C, rest, xp: _dplr.matmul(C[:, None], rest, xp)[:, 0]
    )


def restore(parameters: Parameters, length: int, wrap: float = cauchy.WRAP) -> Parameters:
    """Replaces a truncated C by the output matrix itself: the inverse of `truncate`.

    Computes in float64 on the host if all values are known. With `wrap=1` (weights trained by the
    paper's own code) the matrix to invert is nearly singular if `length` steps are a short time;
    with the default its condition number is at most a few.

    Args:
        parameters: System with a truncated C.
        length: Number of steps that C is truncated for, at least 1; static.
        wrap: Weight that was passed to `truncate`.

    Returns:
        The same system with the output matrix itself as C.

    Raises:
        ValueError: As in `truncate`.

    Source:
        Gu et al. 2022 (S4), appendix C.3.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> P, D, step = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, step)
        >>> restore(truncate(leaky, 16), 16).C.re
        Array([[0.5]], dtype=float32)
    """

    def solve(C, rest, xp):
        # C is a row, `C_true rest = C`, so the transposed system is solved. NumPy would take
        # C of [H, N] for a matrix, hence its last axis.
        transposed = xp.swapaxes(rest, -1, -2)
        return (
            np.linalg.solve(transposed, C[..., None])[..., 0]
            if xp is np
            else _solving.solve(transposed, C)
        )

    return _convert(parameters, length, wrap, solve)


def _convert(
    parameters: Parameters, length: int, wrap: float, change: Callable[..., Any]
) -> Parameters:
    """Applies `change(C, I - wrap A_bar^length)` to the real form of C."""
    dtype = _casting.compute_dtype(parameters)
    parameters = _s4_parameters.full(parameters, dtype)
    _checks.length(length, "length")
    # The power is a product of many matrices, so it is computed in float64 where possible.
    if _checks.is_concrete(parameters):
        Lambda, P, B, _, _, sample = parameters
        xp, system = np, _dplr.dense(_dplr.discretize_on_host(Lambda, P, B, sample, "bilinear"), np)
        C = np.concatenate([parameters.C.re, -parameters.C.im], -1).astype(np.float64)
    else:
        xp, system = jnp, _s4_parameters.dense(parameters)
        C = jnp.concatenate([parameters.C.re, -parameters.C.im], -1)
    # `I - wrap A^length = (1 - wrap) I - wrap (A^length - I)`: the second form keeps the digits of
    # a slow decay.
    kept = (1 - wrap) * xp.eye(C.shape[-1], dtype=C.dtype)[None]
    rest = kept - wrap * _dplr.power_change(system.change, length, xp)
    # The real form of C is [Re C, -Im C].
    re, im = jnp.split(jnp.asarray(change(C, rest, xp), dtype), 2, axis=-1)
    return parameters._replace(C=cplx.Pair(re, -im))


def check(discretization: str, rate: _siso.Rate) -> None:
    """Checks that a truncated C is used with the rule and the rate that it was truncated for.

    Raises:
        ValueError: If the discretization is not bilinear, or the rate is not the number 1.

    Example:
        >>> check("bilinear", 1.0)
    """
    # Only a Python number can be compared with 1: the value of an array may be traced.
    if discretization != "bilinear" or not isinstance(rate, float | int) or rate != 1:
        raise ValueError(
            "a truncated C is bound to the bilinear rule at rate 1, got "
            f"{discretization!r} at rate {rate}; call s4.restore first, then leave out length"
        )
