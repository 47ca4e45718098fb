"""Powers of dense transition matrices by doubling: all of `c A^l` and `A^l b` for l < T from log2(T) squarings.

A power is held as what it differs from one by: `(I + E)^2 = I + (2 E + E^2)`. The decay of a slow mode keeps its digits
then, however often it is squared; in the powers themselves its error would double each time.

What `vandermonde` is to a diagonal system this is to any other: kernels in two levels, and the constants of a chunk.
All real matrix products, no loop over steps.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks, _chunks, _dplr

EXACT = jax.lax.Precision.HIGHEST


def squarings(change: Float[Array, "H N N"], T: int) -> list[Float[Array, "H N N"]]:
    """The powers `A, A^2, A^4, ..., A^T` less I, from `A - I`, for a T that is a power of two.

    Example:
        >>> [float(x[0, 0, 0]) for x in squarings(jnp.full((1, 1, 1), 1.0), 4)]
        [1.0, 3.0, 15.0]
    """
    found = [change]
    while T > 1:
        found.append(_dplr.product_change(found[-1], found[-1]))
        T //= 2
    return found


def rows(c: Float[Array, "H N"], powers: list[Float[Array, "H N N"]]) -> Float[Array, "H T N"]:
    """All `c A^l`, l = 0 .. T-1, for the powers `A, A^2, ..., A^(T/2)` less I.

    Example:
        >>> change = jnp.full((1, 1, 1), 1.0)
        >>> rows(jnp.ones((1, 1)), squarings(change, 2))[0, :, 0]
        Array([1., 2., 4., 8.], dtype=float32)
    """
    found = c[:, None]
    for power in powers:
        found = jnp.concatenate([found, found + jnp.matmul(found, power, precision=EXACT)], axis=1)
    return found


def columns(b: Float[Array, "H N"], powers: list[Float[Array, "H N N"]]) -> Float[Array, "H T N"]:
    """All `A^l b`, l = 0 .. T-1, each as a row, for the powers `A, A^2, ..., A^(T/2)` less I.

    Example:
        >>> change = jnp.full((1, 1, 1), 1.0)
        >>> columns(jnp.ones((1, 1)), squarings(change, 2))[0, :, 0]
        Array([1., 2., 4., 8.], dtype=float32)
    """
    return rows(b, [jnp.swapaxes(power, -1, -2) for power in powers])


def kernel(system: _dplr.Dense, c: Float[Array, "H N"], L: int) -> Float[Array, "H L"]:
    """Impulse response `K_l = c A_bar^l B_bar` of L steps, in two levels: with `l = qM + b`, `(c A^b) (A^{qM} B)`.

    Example:
        >>> halving = _dplr.Dense(jnp.full((1, 1, 1), -0.5), jnp.ones((1, 1)))
        >>> kernel(halving, jnp.ones((1, 1)), 3)
        Array([[1.  , 0.5 , 0.25]], dtype=float32)
    """
    inner = _chunks.power_of_two(L, lambda T: T * T)
    outer = _chunks.power_of_two(L, lambda T: T * inner)
    levels = inner.bit_length() - 1
    powers = squarings(system.change, inner * outer // 2)[: (inner * outer).bit_length() - 1]
    fine = rows(c, powers[:levels])
    coarse = columns(system.B_bar, powers[levels:])
    blocks = jnp.einsum("hqn,hbn->hqb", coarse, fine, precision=EXACT)
    return blocks.reshape(blocks.shape[0], -1)[:, : _checks.length(L)]


def chunk(system: _dplr.Dense, c: Float[Array, "H N"], L: int, longest: int) -> _chunks.Chunk:
    """Constants for `chunks.run` over rows of L steps, in chunks of at most `longest`.

    Example:
        >>> halving = _dplr.Dense(jnp.full((1, 1, 1), -0.5), jnp.ones((1, 1)))
        >>> constants = chunk(halving, jnp.ones((1, 1)), 5, 2)
        >>> constants.kernel[0].tolist(), constants.last_carry.tolist()
        ([1.0, 0.5], [[[-0.5]]])
    """
    T, rest = _chunks.sizes(L, longest)
    powers = squarings(system.change, T)
    seen = rows(c, powers[:-1])
    return _chunks.Chunk(
        kernel=jnp.einsum("htn,hn->ht", seen, system.B_bar, precision=EXACT),
        read=seen + jnp.matmul(seen, system.change, precision=EXACT),
        write=jnp.flip(columns(system.B_bar, powers[:-1]), axis=1),
        carry=powers[-1],
        last_carry=_dplr.power_change(system.change, rest),
    )
