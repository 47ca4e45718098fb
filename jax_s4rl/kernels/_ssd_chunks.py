"""Chunked form of SSD: matrix products inside of a chunk, and a state between chunks.

Inside of a chunk, the output at step t is a sum over the steps s up to t of ``(C[t] B[s]) decay[t,
s] drive[s]``, as in linear attention with a decaying mask. The mask is made of products of decays
and never of quotients, nor of differences of running sums: so a strong decay costs no digits, and a
reset is nothing but the strongest one.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jax_s4rl.kernels import _decaying_scan

# The mask of a chunk is put together from leaves of this size.
LEAF = 8


def size(L: int, longest: int) -> int:
    """Returns the chunk length: chunks of equal size, rounded up to a multiple of `LEAF`.

    Args:
        L: Number of steps.
        longest: Length of the longest chunk, before it is rounded up.

    Example:
        >>> size(100, 64), size(20, 64), size(5, 64)
        (56, 24, 5)
    """
    T = -(-L // -(-L // longest))
    return T if T <= LEAF else LEAF * -(-T // LEAF)


def run(
    drive: Float[Array, "rows L G R P"],
    log_decay: Float[Array, "rows L G R"],
    B: Float[Array, "rows L G N"],
    C: Float[Array, "rows L G N"],
    state: Float[Array, "rows G R P N"] | None,
    chunk: int,
    precision: str,
) -> tuple[Float[Array, "rows L G R P"], Float[Array, "rows G R P N"]]:
    """Runs over whole rows; R heads of each of G groups share B and C.

    Args:
        drive: Inputs times steps.
        log_decay: Logarithms of the decays from the step before.
        B: Input vectors.
        C: Output vectors.
        state: State before the first step; zero if None.
        chunk: Length of the longest chunk.
        precision: Precision of the matrix products.

    Returns:
        Outputs without the part that bypasses the state, and the state after the last step.

    Source:
        Dao and Gu 2024 (Mamba-2), section 6.

    Example:
        >>> one = jnp.ones((1, 3, 1, 1))
        >>> y, last = run(one[..., None], 0 * one, one, one, None, 8, "highest")
        >>> y.reshape(-1), last.reshape(-1)
        (Array([1., 2., 3.], dtype=float32), Array([3.], dtype=float32))
    """
    L, T = drive.shape[1], size(drive.shape[1], chunk)

    def split(x: Array) -> Array:
        # Zeros at the end decay nothing and add nothing, so the last state needs no care.
        x = jnp.pad(x, [(0, 0), (0, -L % T)] + [(0, 0)] * (x.ndim - 2))
        return jnp.moveaxis(x.reshape(x.shape[0], -1, T, *x.shape[2:]), 2, -1)

    # Time comes after groups and heads: [rows, Q, G, R, T, P], [rows, Q, G, R, T] and
    # [rows, Q, G, T, N].
    log_decay = split(log_decay)
    drive, B, C = (jnp.swapaxes(split(x), -1, -2) for x in (drive, B, C))
    scores = jnp.einsum("bqgtn,bqgsn->bqgts", C, B, precision=precision)
    weights = decays(log_decay) * scores[:, :, :, None]
    y = jnp.einsum("bqgrts,bqgrsp->bqgrtp", weights, drive, precision=precision)
    to_end = jnp.exp(_later(log_decay))[..., None]
    added = jnp.einsum("bqgrsp,bqgsn->bqgrpn", drive * to_end, B, precision=precision)
    if state is None and added.shape[1] == 1:
        last = added[:, 0]
    else:
        total = jnp.cumsum(log_decay, -1)
        before, last = _across(total[..., -1], added, state)
        read = jnp.einsum("bqgtn,bqgrpn->bqgrtp", C, before, precision=precision)
        y = y + jnp.exp(total)[..., None] * read
    # Back to [rows, L, G, R, P].
    y = jnp.moveaxis(y, 4, 2)
    return y.reshape(y.shape[0], -1, *y.shape[3:])[:, :L], last


@jax.custom_jvp
def decays(log_decay: Float[Array, "*heads T"]) -> Float[Array, "*heads T T"]:
    """Returns the decay from step s to step t at [t, s]: 1 at t = s, and 0 before it.

    Args:
        log_decay: Logarithms of the decays from the step before; T is a multiple of `LEAF`, or
            smaller.

    Returns:
        The decays.

    Example:
        >>> decays(jnp.log(jnp.array([0.5, 0.5, 0.25])))
        Array([[1.   , 0.   , 0.   ],
               [0.5  , 1.   , 0.   ],
               [0.125, 0.25 , 1.   ]], dtype=float32)
    """
    *heads, T = log_decay.shape
    leaf = min(T, LEAF)
    leaves = log_decay.reshape(*heads, T // leaf, leaf)
    ahead = jnp.cumsum(leaves, -1)
    between = jnp.exp(_spans(ahead[..., -1], inclusive=False))
    # Axes: leaf of t, t in its leaf, leaf of s, s in its leaf.
    far = (
        jnp.exp(ahead)[..., :, :, None, None]
        * between[..., :, None, :, None]
        * jnp.exp(_later(leaves))[..., None, None, :, :]
    )
    near = jnp.exp(_spans(leaves, inclusive=True))[..., :, :, None, :]
    step, number = np.arange(T), np.arange(T) // leaf
    ones = (1,) * len(heads)
    shape = (*ones, T // leaf, leaf, T // leaf, leaf)
    is_near = (number[:, None] == number[None]).reshape(shape)
    is_past = (step[:, None] >= step[None]).reshape(shape)
    mask = jnp.where(is_past, jnp.where(is_near, near, far), 0)
    return mask.reshape(*heads, T, T)


@decays.defjvp
def _decays_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # The logarithm of an entry is the sum of those after s up to t. Each entry has a running sum of
    # its own: in differences of shared ones, rounding would reach across a reset.
    (moved,) = tangents
    step = np.arange(moved.shape[-1])
    after = jnp.where(step[:, None] > step[None], moved[..., :, None], 0)
    mask = decays(*primals)
    return mask, mask * jnp.cumsum(after, -2)


def _spans(x: Float[Array, "*heads M"], inclusive: bool) -> Float[Array, "*heads M M"]:
    """Returns at [t, s] the sum of the entries after s and before t, or up to t if inclusive."""
    r, t, s = np.ogrid[: x.shape[-1], : x.shape[-1], : x.shape[-1]]
    counted = jnp.asarray((s < r) & ((r <= t) if inclusive else (r < t)), x.dtype)
    return jnp.einsum("...r,rts->...ts", x, counted, precision=lax.Precision.HIGHEST)


def _later(x: Float[Array, "*heads M"]) -> Float[Array, "*heads M"]:
    """Returns the sum of all entries after each."""
    ahead = jnp.concatenate([x[..., 1:], jnp.zeros_like(x[..., :1])], -1)
    return lax.cumsum(ahead, axis=x.ndim - 1, reverse=True)


def _across(
    total: Float[Array, "rows Q G R"],
    added: Float[Array, "rows Q G R P N"],
    state: Float[Array, "rows G R P N"] | None,
) -> tuple[Float[Array, "rows Q G R P N"], Float[Array, "rows G R P N"]]:
    """Returns the state before each chunk, and the state after the last one."""
    start = jnp.zeros_like(added[:, 0]) if state is None else state

    def advance(x: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        log_decay, new = now
        return _decaying_scan.decayed(log_decay[..., None, None], x) + new, x

    steps = (jnp.swapaxes(total, 0, 1), jnp.swapaxes(added, 0, 1))
    last, before = lax.scan(advance, start, steps)
    return jnp.swapaxes(before, 0, 1), last
