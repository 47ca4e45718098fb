"""From continuous time to steps: zero-order hold and the bilinear rule for diagonal systems.

The transition is kept in log-polar form, `A_bar = exp(log_modulus + i angle)`. Any power of it then
costs one exponential and loses nothing to repeated multiplication. No formula cancels at small
steps or divides by zero at lambda = 0.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks, _trigonometry
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("zoh", "bilinear")

# Below this modulus (e^z - 1)/z is summed as a series, whose derivative does not cancel either.
# SERIES_TERMS terms are exact to float64 there (0.5^15 / 16! < 1e-17).
SERIES_RADIUS = 0.5
SERIES_TERMS = 15


class Discrete(NamedTuple):
    """Discretised diagonal system `x_k = exp(log_modulus + i angle) x_{k-1} + gain B u_k`.

    `angle` is in radians, modulo full turns; `correction` is its rounding error, which matters to
    high powers only.
    """

    log_modulus: Float[Array, "..."]
    angle: Float[Array, "..."]
    gain: cplx.Pair
    correction: Float[Array, "..."] | None = None


def discretize(
    Lambda: cplx.Complexlike, step: Float[Array, "..."], method: str = "zoh"
) -> Discrete:
    """Discretises `x' = Lambda x + B u` with sample spacing `step`.

    zoh: `A_bar = e^z`, `gain = step (e^z - 1)/z`; bilinear: `A_bar = (1 + z/2)/(1 - z/2)`,
    `gain = step/(1 - z/2)`, with `z = step Lambda`. Both are finite, with finite gradients, at
    `Lambda = 0`.

    Args:
        Lambda: Diagonal of the continuous system, real part at most 0 for a stable result.
        step: Sample spacing, positive, in the time unit of Lambda; broadcasts against it.
        method: `"zoh"` (input held between samples) or `"bilinear"` (trapezoidal rule).

    Returns:
        Log-polar transition and the factor that B is multiplied by, in the broadcast shape.

    Raises:
        ValueError: If the method is unknown, shapes do not broadcast, a known step is negative, or
            a known Lambda has a positive real part.

    Source:
        Gu et al. 2022 (S4D), section 2.2; Gu et al. 2022 (S4), equation (3).

    Example:
        >>> half_life = discretize(jnp.asarray([-1.0 + 0j]), jnp.asarray([jnp.log(2.0)]))
        >>> jnp.exp(half_life.log_modulus), half_life.gain.re
        (Array([0.5], dtype=float32), Array([0.5], dtype=float32))
    """
    _checks.choice("discretization", method, METHODS)
    Lambda = cplx.as_pair(Lambda)
    _check(Lambda, step)
    z = cplx.scale(Lambda, step)
    spread = step * jnp.ones_like(z.re)
    if method == "zoh":
        angle, correction = _trigonometry.angle(spread, Lambda.im * jnp.ones_like(spread))
        return Discrete(z.re, angle, cplx.scale(exprel(z), spread), correction)
    return Discrete(
        *_bilinear_transition(z), cplx.scale(cplx.reciprocal(_one_minus_half(z)), spread)
    )


def change(discrete: Discrete, count: int = 1) -> cplx.Pair:
    """Computes the change in `count` steps without input, `A_bar^count - 1`, without cancellation.

    A slow mode has an A_bar so near one that float32 keeps few digits of its decay: after n steps
    `A_bar x` is off by n 6e-8, and `x + (A_bar - 1) x` is not.

    Args:
        discrete: Transition of any shape.
        count: Number of steps, at least 0; static.

    Returns:
        Pair of that shape.

    Example:
        >>> slow = Discrete(jnp.full(1, -1e-9), jnp.zeros(1), cplx.zeros((1,)))
        >>> change(slow, 4).re
        Array([-4.e-09], dtype=float32)
    """
    half = (
        jnp.zeros_like(discrete.angle) if discrete.correction is None else discrete.correction / 2
    )
    steps = jnp.full_like(discrete.angle, count)
    # With half the angle, `cos - 1 = -2 sin^2` and `sin = 2 sin cos` have no difference of near
    # numbers.
    cosine, sine = _trigonometry.multiples(steps, discrete.angle / 2, half)
    shrunk = jnp.expm1(count * discrete.log_modulus)
    return cplx.Pair(shrunk - (1 + shrunk) * 2 * sine * sine, (1 + shrunk) * 2 * sine * cosine)


def _check(Lambda: cplx.Pair, step: Array) -> None:
    _checks.stable(Lambda)
    try:
        np.broadcast_shapes(Lambda.shape, jnp.shape(step))
    except ValueError as error:
        raise ValueError(
            f"step has shape {jnp.shape(step)}, which does not broadcast against Lambda's "
            f"{Lambda.shape}; give a step of one feature an axis for its pairs, "
            "`step[:, None]`"
        ) from error
    _checks.spacing("step", step)


def exprel(z: cplx.Complexlike) -> cplx.Pair:
    """Computes the relative exponential `(e^z - 1)/z`, which is 1 at zero.

    It is accurate everywhere, and so is its derivative.

    Source:
        The phi_1 function of exponential integrators; Hochbruck and Ostermann 2010, equation
        (2.10).

    Example:
        >>> exprel(jnp.asarray([0j])).re
        Array([1.], dtype=float32)
    """
    z = cplx.as_pair(z)
    near = cplx.squared_modulus(z) < SERIES_RADIUS**2
    one, zero = jnp.ones_like(z.re), jnp.zeros_like(z.re)
    # Each branch gets a harmless argument where the other one is chosen: a NaN or infinity in its
    # derivative would reach the result, as zero times NaN is NaN.
    small, large = (
        cplx.where(near, z, cplx.Pair(zero, zero)),
        cplx.where(near, cplx.Pair(one, zero), z),
    )
    # Horner's rule, from the last term on. The series is the quotient already, and `large` is 1
    # where the series is chosen.
    series = cplx.Pair(one * (1 / math.factorial(SERIES_TERMS)), zero)
    for k in range(SERIES_TERMS - 1, 0, -1):
        product = cplx.multiply(series, small)
        series = cplx.Pair(product.re + 1 / math.factorial(k), product.im)
    # One division for both branches, and last (see `complex_pair.divide`): when the series came
    # last, XLA summed it again for every power of the kernel.
    return cplx.divide(cplx.where(near, series, cplx.expm1(large)), large)


def _one_minus_half(z: cplx.Pair) -> cplx.Pair:
    return cplx.Pair(1 - z.re / 2, -z.im / 2)


def _bilinear_transition(z: cplx.Pair) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Computes log modulus and angle of (1 + z/2)/(1 - z/2), without forming the quotient.

    Near z = 0 its modulus would round to one.
    """
    quarter = z.im * z.im / 4
    below = (1 - z.re / 2) ** 2 + quarter
    above = (1 + z.re / 2) ** 2 + quarter
    excess = 2 * z.re / below
    # Near z = -2 the quotient itself is small and accurate; elsewhere its distance from one is.
    # Each branch gets a harmless argument where the other one is chosen, for the sake of the
    # derivative.
    near_zero = excess < -0.5
    # At z = -2 the quotient is 0: its logarithm is that of the smallest normal number.
    tiny = jnp.finfo(z.re.dtype).tiny
    by_quotient = jnp.log(jnp.maximum(jnp.where(near_zero, above / below, 1), tiny))
    by_excess = jnp.log1p(jnp.where(near_zero, 0, excess))
    real = 1 - cplx.squared_modulus(z) / 4
    # `arctan2(0, 0)` has no derivative, so its second argument becomes 1.
    vanishes = (z.im == 0) & (real == 0)
    return jnp.where(near_zero, by_quotient, by_excess) / 2, jnp.arctan2(
        z.im, jnp.where(vanishes, 1, real)
    )
