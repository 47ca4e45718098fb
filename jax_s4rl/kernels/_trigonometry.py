"""Cosine and sine of multiples of an angle, vectorised and accurate in float32.

On CPU, XLA calls the scalar library for each `cos` and `sin`, at ten times the cost of `exp`. One
reduction by multiples of pi/2 and two short polynomials (Chebyshev interpolation in x^2 on [0,
(pi/4)^2]; errors 1e-8 and 8e-10) take a tenth of that time.

The angle of one step is a product, and the angle after l steps a multiple of it, so two rounding
errors would grow with l. The first is kept as a second number. The second is avoided by splitting
the angle into halves of twelve bits, whose multiples are exact. Otherwise the LegS kernel at the
shortest step would exceed the tolerance for long rows in `test_vandermonde.py` (`FLOAT32`). float64
calls the library.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# pi/2 in three parts. The first two have so few bits that their product with a count below 2^16 is
# exact or nearly so.
HALF_PI = (1.5703125, 4.837512969970703e-4, 7.549790126404332e-8)
# Coefficients of the polynomials in x^2, after the leading terms `1` and `1 - x^2 / 2`.
SINE = (-0.16666664539989606, 0.008332724732629701, -0.00019582855850695666)
COSINE = (0.04166666453694607, -0.0013888279449647916, 2.4542896336690007e-05)


@jax.custom_jvp
def angle(
    step: Float[Array, "..."], frequency: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Returns the product of two numbers modulo full turns, and its rounding error.

    Args:
        step: First factor, any shape.
        frequency: Second factor, the same shape.

    Returns:
        An angle in [-pi, pi], and a correction to it, to be added last.

    Example:
        >>> turned, correction = angle(jnp.asarray([0.5]), jnp.asarray([6.0]))
        >>> float(turned[0]), float(correction[0])
        (3.0, 0.0)
    """
    product = step * frequency
    if product.dtype != jnp.float32:
        return product, jnp.zeros_like(product)
    (s, s_rest), (f, f_rest) = _halves(step), _halves(frequency)
    # Products of halves are exact, so their sum, with the largest terms first, gives the rounding
    # error of the product (Dekker).
    rounding = ((s * f - product) + s * f_rest + s_rest * f) + s_rest * f_rest
    turns = jnp.round(product / (2 * jnp.pi))
    # Full turns are subtracted as multiples of the three parts of pi/2, the largest part first.
    first, second, third = (-4 * turns * part for part in HALF_PI)
    total, rounding_of_total = _sum(product + first, second)
    return _sum(total, rounding_of_total + (third + rounding))


@angle.defjvp
def _angle_jvp(primals, tangents):
    # The derivative is that of a product: full turns are constant, and the correction only repairs
    # rounding.
    change = tangents[0] * primals[1] + primals[0] * tangents[1]
    return angle(*primals), (change, jnp.zeros_like(change))


@jax.custom_jvp
def multiples(
    count: Float[Array, "..."], angle: Float[Array, "..."], correction: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Computes cosine and sine of `count (angle + correction)`.

    Args:
        count: Whole numbers that broadcast; with more than twelve significant bits the last ones
            round.
        angle: Angle in radians, best within [-pi, pi].
        correction: Correction of the angle, as returned by `angle`; not differentiated.

    Returns:
        Cosine and sine, accurate to about 1e-7.

    Example:
        >>> cosine, sine = multiples(jnp.asarray([2.0]), jnp.asarray([0.0]), jnp.zeros(1))
        >>> float(cosine[0]), float(sine[0])
        (1.0, 0.0)
    """
    if angle.dtype != jnp.float32:
        return jnp.cos(count * angle), jnp.sin(count * angle)
    high, low = _halves(angle)
    # `large` is exact: twelve bits times at most twelve bits fit into the 24 of a float32.
    large, small = count * high, count * (low + correction)
    quarter = jnp.round((large + small) * (2 / jnp.pi))
    # The order matters: the leading digits cancel exactly, and the small numbers are added last.
    x = ((large - quarter * HALF_PI[0]) - quarter * HALF_PI[1]) + (small - quarter * HALF_PI[2])
    return _in_quarters(quarter, x)


@multiples.defjvp
def _multiples_jvp(primals, tangents):
    cosine, sine = multiples(*primals)
    change = primals[0] * tangents[1] + tangents[0] * primals[1]
    return (cosine, sine), (-sine * change, cosine * change)


def _in_quarters(quarter: Array, x: Array) -> tuple[Array, Array]:
    """Computes cosine and sine of `quarter pi/2 + x`, for |x| up to pi/4."""
    square = x * x
    sine = x + x * square * (SINE[0] + square * (SINE[1] + square * SINE[2]))
    cosine = (
        1 - square / 2 + square * square * (COSINE[0] + square * (COSINE[1] + square * COSINE[2]))
    )
    # The quarter modulo four, in floating point: integers would leave the vector unit.
    turn = quarter - 4 * jnp.floor(quarter * 0.25)
    swap = (turn == 1) | (turn == 3)
    real, imaginary = jnp.where(swap, sine, cosine), jnp.where(swap, cosine, sine)
    return jnp.where((turn == 1) | (turn == 2), -real, real), jnp.where(
        turn >= 2, -imaginary, imaginary
    )


def _sum(x: Array, y: Array) -> tuple[Array, Array]:
    """Returns a sum and its rounding error (Knuth's two-sum)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def _halves(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Splits a float32 into its upper twelve bits and the rest.

    It masks bits, because a compiler could simplify arithmetic away.
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFFFFF000)
    high = jax.lax.bitcast_convert_type(bits, jnp.float32)
    return high, x - high
