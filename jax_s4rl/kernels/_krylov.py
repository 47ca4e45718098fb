"""Powers of dense transition matrices by doubling: all `c A^l` and `A^l b` for l < T.

That takes log2(T) squarings. Each power is stored as its difference from the identity:
`(I + E)^2 = I + (2 E + E^2)`. The decay of a slow mode then keeps its digits, however often it is
squared; in the powers themselves its error would double each time.

The module serves dense systems as `vandermonde` serves diagonal ones: it computes kernels in two
levels, and the constants of a chunk. Everything is a real matrix product, without a loop over
steps.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks, _chunks, _dplr

EXACT = jax.lax.Precision.HIGHEST


def squarings(change: Float[Array, "H N N"], T: int) -> list[Float[Array, "H N N"]]:
    """Returns `A, A^2, A^4, ..., A^T`, each minus I, from `A - I`, for a T that is a power of two.

    Example:
        >>> [float(x[0, 0, 0]) for x in squarings(jnp.full((1, 1, 1), 1.0), 4)]
        [1.0, 3.0, 15.0]
    """
    powers = [change]
    while T > 1:
        powers.append(_dplr.product_change(powers[-1], powers[-1]))
        T //= 2
    return powers


def rows(c: Float[Array, "H N"], powers: list[Float[Array, "H N N"]]) -> Float[Array, "H T N"]:
    """Returns all `c A^l`, l = 0 .. T-1, from the powers `A, A^2, ..., A^(T/2)`, each minus I.

    Example:
        >>> change = jnp.full((1, 1, 1), 1.0)
        >>> rows(jnp.ones((1, 1)), squarings(change, 2))[0, :, 0]
        Array([1., 2., 4., 8.], dtype=float32)
    """
    result = c[:, None]
    for power in powers:
        # Doubling: the rows so far, times the next power, are the rows that follow.
        result = jnp.concatenate(
            [result, result + jnp.matmul(result, power, precision=EXACT)], axis=1
        )
    return result


def columns(b: Float[Array, "H N"], powers: list[Float[Array, "H N N"]]) -> Float[Array, "H T N"]:
    """Returns all `A^l b`, l = 0 .. T-1, each as a row.

    They come from the powers `A, A^2, ..., A^(T/2)`, each minus I.

    Example:
        >>> change = jnp.full((1, 1, 1), 1.0)
        >>> columns(jnp.ones((1, 1)), squarings(change, 2))[0, :, 0]
        Array([1., 2., 4., 8.], dtype=float32)
    """
    return rows(b, [jnp.swapaxes(power, -1, -2) for power in powers])


def kernel(system: _dplr.Dense, c: Float[Array, "H N"], L: int) -> Float[Array, "H L"]:
    """Computes the impulse response `K_l = c A_bar^l B_bar` of L steps in two levels.

    With `l = q M + b` it is `(c A_bar^b) (A_bar^{q M} B_bar)`.

    Example:
        >>> halving = _dplr.Dense(jnp.full((1, 1, 1), -0.5), jnp.ones((1, 1)))
        >>> kernel(halving, jnp.ones((1, 1)), 3)
        Array([[1.  , 0.5 , 0.25]], dtype=float32)
    """
    inner = _chunks.power_of_two(L, lambda T: T * T)
    outer = _chunks.power_of_two(L, lambda T: T * inner)
    levels = inner.bit_length() - 1
    # The powers below M give the rows `c A^b`, the remaining ones the columns `A^{q M} B`.
    powers = squarings(system.change, inner * outer // 2)[: (inner * outer).bit_length() - 1]
    fine = rows(c, powers[:levels])
    coarse = columns(system.B_bar, powers[levels:])
    blocks = jnp.einsum("hqn,hbn->hqb", coarse, fine, precision=EXACT)
    return blocks.reshape(blocks.shape[0], -1)[:, : _checks.length(L)]


def chunk(system: _dplr.Dense, c: Float[Array, "H N"], L: int, longest: int) -> _chunks.Chunk:
    """Returns the constants for `_chunks.run` over rows of L steps, in chunks of at most `longest`.

    Example:
        >>> halving = _dplr.Dense(jnp.full((1, 1, 1), -0.5), jnp.ones((1, 1)))
        >>> constants = chunk(halving, jnp.ones((1, 1)), 5, 2)
        >>> constants.kernel[0].tolist(), constants.last_carry.tolist()
        ([1.0, 0.5], [[[-0.5]]])
    """
    T, rest = _chunks.sizes(L, longest)
    powers = squarings(system.change, T)
    readout = rows(c, powers[:-1])
    # The state before a chunk reaches output l through `c A^(l+1)`. Input l reaches the state at
    # the end through `A^(T-1-l) b`, hence the flip.
    return _chunks.Chunk(
        kernel=jnp.einsum("htn,hn->ht", readout, system.B_bar, precision=EXACT),
        read=readout + jnp.matmul(readout, system.change, precision=EXACT),
        write=jnp.flip(columns(system.B_bar, powers[:-1]), axis=1),
        carry=powers[-1],
        last_carry=_dplr.power_change(system.change, rest),
    )
