"""Cosine and sine of multiples of an angle, in a form that vectorises and loses nothing in float32.

XLA on CPU calls the scalar library for each of `cos` and `sin`, ten times the cost of `exp`. One reduction by multiples
of pi/2 and two short polynomials (Chebyshev interpolation in x^2 on [0, (pi/4)^2]; errors 1e-8 and 8e-10) take a tenth
of that time. The angle of one step is a product, and the angle after l steps a multiple of it, so two roundings would
grow with l: the first is kept as a second number, the second avoided by splitting the angle into halves of twelve bits,
whose multiples are exact. Without that the LegS kernel at the shortest step would miss what `test_vandermonde.py`
promises of long rows (`FLOAT32`). float64 calls the library.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# pi/2 in three parts: the first two have so few bits that their product with a count below 2^16 is exact or nearly.
HALF_PI = (1.5703125, 4.837512969970703e-4, 7.549790126404332e-8)
SINE = (-0.16666664539989606, 0.008332724732629701, -0.00019582855850695666)
COSINE = (0.04166666453694607, -0.0013888279449647916, 2.4542896336690007e-05)


@jax.custom_jvp
def angle(step: Float[Array, "..."], frequency: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The product of two numbers less whole turns, and what rounding it to one number leaves out.

    Args:
        step: Any shape.
        frequency: The same shape.

    Returns:
        An angle in [-pi, pi] and a correction to it, to be added last.

    Example:
        >>> turned, correction = angle(jnp.asarray([0.5]), jnp.asarray([6.0]))
        >>> float(turned[0]), float(correction[0])
        (3.0, 0.0)
    """
    product = step * frequency
    if product.dtype != jnp.float32:
        return product, jnp.zeros_like(product)
    (s, s_rest), (f, f_rest) = _halves(step), _halves(frequency)
    rounding = ((s * f - product) + s * f_rest + s_rest * f) + s_rest * f_rest
    turns = jnp.round(product / (2 * jnp.pi))
    first, second, third = (-4 * turns * part for part in HALF_PI)
    total, lost = _sum(product + first, second)
    return _sum(total, lost + (third + rounding))


@angle.defjvp
def _angle_jvp(primals, tangents):
    change = tangents[0] * primals[1] + primals[0] * tangents[1]
    return angle(*primals), (change, jnp.zeros_like(change))


@jax.custom_jvp
def multiples(
    count: Float[Array, "..."], angle: Float[Array, "..."], correction: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Cosine and sine of `count (angle + correction)`.

    Args:
        count: Whole numbers (with more than twelve significant bits the last ones round); broadcasts.
        angle: In radians, best within [-pi, pi].
        correction: What the angle lacks, as `angle` gives it; not differentiated.

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
    large, small = count * high, count * (low + correction)
    quarter = jnp.round((large + small) * (2 / jnp.pi))
    x = ((large - quarter * HALF_PI[0]) - quarter * HALF_PI[1]) + (small - quarter * HALF_PI[2])
    return _in_quarters(quarter, x)


@multiples.defjvp
def _multiples_jvp(primals, tangents):
    cosine, sine = multiples(*primals)
    change = primals[0] * tangents[1] + tangents[0] * primals[1]
    return (cosine, sine), (-sine * change, cosine * change)


def _in_quarters(quarter: Array, x: Array) -> tuple[Array, Array]:
    """Cosine and sine of `quarter pi/2 + x`, for |x| up to pi/4."""
    square = x * x
    sine = x + x * square * (SINE[0] + square * (SINE[1] + square * SINE[2]))
    cosine = 1 - square / 2 + square * square * (COSINE[0] + square * (COSINE[1] + square * COSINE[2]))
    # Quarter turns modulo four, in floating point: integers would leave the vector unit.
    turn = quarter - 4 * jnp.floor(quarter * 0.25)
    swap = (turn == 1) | (turn == 3)
    real, imaginary = jnp.where(swap, sine, cosine), jnp.where(swap, cosine, sine)
    return jnp.where((turn == 1) | (turn == 2), -real, real), jnp.where(turn >= 2, -imaginary, imaginary)


def _sum(x: Array, y: Array) -> tuple[Array, Array]:
    """A sum and what rounding it left out (Knuth's two-sum)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def _halves(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The upper twelve bits of a float32 and the rest; by its bits, so that no compiler can simplify it away."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFFFFF000)
    high = jax.lax.bitcast_convert_type(bits, jnp.float32)
    return high, x - high
