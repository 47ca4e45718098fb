"""Parameters of S4: shapes, checks, and the discretised system as real matrices."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import _casting, _checks, _dplr, _siso
from jax_s4rl.kernels import complex_pair as cplx


class Parameters(NamedTuple):
    """Continuous DPLR system for each of H features, with Nh conjugate pairs and low rank R.

    R is usually 1 or 2. `Lambda`, `B` (Pair [H, Nh], or [Nh] if all features share them), `P` (Pair
    [H, R, Nh] or [R, Nh]) and `C` (Pair [H, Nh]) may also be complex arrays. `D` is [H]; `step` is
    [H], positive, in the time unit of Lambda, whose real part must be negative. A single number for
    `D` or `step` applies to all features.
    """

    Lambda: cplx.Pair
    P: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    step: Float[Array, "H"]


def full(parameters: Parameters, dtype: Any) -> Parameters:
    """Checks the shapes, repeats for each feature what all share, and casts to one dtype.

    Raises:
        ValueError: If shapes do not match, or a known Lambda has a positive real part.

    Example:
        >>> one = jnp.ones(1)
        >>> full(Parameters(-one, one[None], one, one[None], 0.0, 1.0), jnp.float32).P.shape
        (1, 1, 1)
    """
    Lambda, P, B, C, D, sample = cplx.in_fields(parameters, "Lambda", "P", "B", "C")
    _checks.stable(Lambda)
    if C.ndim != 2:
        raise ValueError(f"C has shape {tuple(C.shape)}, expected (H, Nh); vmap over further axes")
    H, Nh = C.shape
    rank = P.shape[-2] if P.ndim > 1 else 1
    for name, x, shape in (("Lambda", Lambda, (H, Nh)), ("P", P, (H, rank, Nh)), ("B", B, (H, Nh))):
        # Without the axis of features, an array is shared by all of them.
        _checks.shape(name, x, shape if x.ndim == len(shape) else shape[1:])
    _checks.spacing("step", sample)
    D, sample = (_casting.vector(name, x, H, dtype) for name, x in (("D", D), ("step", sample)))
    wide = (_siso.spread(Lambda, H, 2), _siso.spread(P, H, 3), _siso.spread(B, H, 2), C)
    return Parameters(*[cplx.astype(x, dtype) for x in wide], D=D, step=sample)


def dense(parameters: Parameters, discretization: str = "bilinear") -> _dplr.Dense:
    """Returns the discretised system of full parameters as real matrices.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(0 * one, 0 * one[None], one, one, 0.0, 1.0)
        >>> dense(full(integrator, jnp.float32)).A_bar[0].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    Lambda, P, B, _, _, sample = parameters
    system = _dplr.discretize(Lambda, P, B, sample, discretization)
    return _dplr.dense(system) if isinstance(system, _dplr.Steps) else system


def weights(C: cplx.Pair) -> Float[Array, "H N"]:
    """Returns the output weights on the real state, those of `2 Re(C x)`.

    Example:
        >>> weights(cplx.as_pair(jnp.asarray([[1 + 2j]])))
        Array([[ 2., -4.]], dtype=float32)
    """
    return 2 * jnp.concatenate([C.re, -C.im], -1)
