"""Runs linear systems in chunks: real matrix products and a carried state, with resets.

No complex numbers and no Fourier transforms are needed. Any linear system with one input and one
output per feature fits, once its constants for a chunk of T steps are known. With resets, the
causal product inside a chunk is split into halves recursively. An input at step j of the left half
reaches step l of the right half exactly if no episode starts in between. That mask is a product of
one factor for j and one for l, so every part stays an ordinary matrix product. Masked numbers are
replaced by zero, so a NaN before a reset does not reach the steps after it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import _sharding

EXACT = jax.lax.Precision.HIGHEST
Precision = str | jax.lax.Precision

# Below this size a half is computed lag by lag: products of smaller matrices cost more than they
# save.
LEAF = 8


class Chunk(NamedTuple):
    """Constants of a system for T steps, for a real state of S numbers per feature.

    A chunk computes `y = toeplitz(kernel) u + read x` and, at its end,
    `x <- x + carry x + write^T u`. `carry` is diagonal in pairs (shape [H, S]: `re` on the first
    half of S, `im` on the second) or dense ([H, S, S]). `last_carry` is the same for the steps of
    the last chunk, which may be shorter. Both hold the power of the transition minus the identity:
    next to one, float32 would round a slow decay away, and that error would grow with every chunk.
    """

    kernel: Float[Array, "H T"]
    read: Float[Array, "H T S"]
    write: Float[Array, "H T S"]
    carry: Float[Array, "H *S S"]
    last_carry: Float[Array, "H *S S"]


def power_of_two(L: int, reach: Callable[[int], int] = lambda T: T) -> int:
    """Returns the smallest power of two whose `reach` is at least L.

    Example:
        >>> power_of_two(5), power_of_two(5, lambda T: T * T)
        (8, 4)
    """
    T = 1
    while reach(T) < L:
        T *= 2
    return T


def sizes(L: int, longest: int) -> tuple[int, int]:
    """Returns the chunk length T and the number of steps of the last chunk.

    T is the smallest power of two that is at least `longest`, or at least L if L is shorter.

    Example:
        >>> sizes(100, 32), sizes(5, 32)
        ((32, 4), (8, 5))
    """
    T = power_of_two(min(longest, L))
    return T, L - T * ((L - 1) // T)


def run(
    system: Chunk,
    u: Float[Array, "batch L H"],
    state: Float[Array, "batch H S"],
    resets: Bool[Array, "batch L"] | None = None,
    precision: Precision = EXACT,
) -> tuple[Float[Array, "batch L H"], Float[Array, "batch H S"]]:
    """Runs a system over whole rows, chunk after chunk.

    Args:
        system: Constants of a chunk, from the module of the family; T as returned by `sizes`.
        u: Inputs.
        state: State before the first step.
        resets: True where an episode starts: the state is cleared before that input.
        precision: Precision of the matrix products.

    Returns:
        Outputs, and the state after the last step.

    Example:
        >>> one = jnp.ones((1, 2, 2))
        >>> still = Chunk(one[..., 0], 0 * one, 0 * one, carry=one[:, 0], last_carry=one[:, 0])
        >>> run(still, jnp.ones((1, 3, 1)), jnp.zeros((1, 1, 2)))[0][0, :, 0]
        Array([1., 2., 1.], dtype=float32)
    """
    (batch, L, H), T = u.shape, system.kernel.shape[-1]
    # Number of resets so far in the chunk: steps of one episode have equal numbers.
    segment = None if resets is None else jnp.cumsum(_chunked(resets, T).astype(jnp.int32), axis=-1)
    before, final = states(system, u, state, segment, precision)
    response = jnp.einsum("qhbs,hts->hbqt", before, system.read, precision=precision)
    if segment is not None:
        # The state before a chunk reaches only the steps before the chunk's first reset.
        response = jnp.where((segment == 0)[None], response, 0)
    y = within(system.kernel, _chunked(u, T), segment, precision) + jnp.moveaxis(response, 0, -1)
    return y.reshape(batch, -1, H)[:, :L], final


def states(
    system: Chunk,
    u: Float[Array, "batch L H"],
    state: Float[Array, "batch H S"],
    segment: Int[Array, "batch Q T"] | None = None,
    precision: Precision = EXACT,
) -> tuple[Float[Array, "Q H batch S"], Float[Array, "batch H S"]]:
    """Returns the state before each chunk, and the state after the last step.

    `segment` counts the resets so far in each chunk.

    Example:
        >>> one = jnp.ones((1, 2, 2))
        >>> still = Chunk(one[..., 0], 0 * one, 0 * one, carry=one[:, 0], last_carry=one[:, 0])
        >>> before, final = states(still, jnp.ones((1, 3, 1)), jnp.zeros((1, 1, 2)))
        >>> before.shape, final.shape
        ((2, 1, 1, 2), (1, 1, 2))
    """
    system, u, state, segment = _sharding.vary_alike(system, u, state, segment)
    L, T = u.shape[1], system.write.shape[1]
    u = jnp.moveaxis(_chunked(u, T), -1, 0)
    batch, Q = u.shape[1:3]
    rest = L - T * (Q - 1)
    keep = jnp.ones((batch, Q), bool)
    if segment is not None:
        # Only inputs after the last reset of a chunk reach the state at its end, and the state
        # before the chunk reaches it only without any reset.
        u = jnp.where((segment == segment[..., -1:])[None], u, 0)
        keep = segment[..., -1] == 0
    keep = keep.T[:, None, :, None]
    local = jnp.einsum("hbqt,hts->qhbs", u, system.write, precision=precision)
    # The rows of `write` count from the end of a chunk, so a shorter chunk takes the last ones.
    last = jnp.einsum(
        "hbt,hts->hbs", u[:, :, -1, :rest], system.write[:, T - rest :], precision=precision
    )

    def advance(x, inputs):
        added, kept = inputs
        return _carry(system.carry, jnp.where(kept, x, 0), precision) + added, x

    before = jax.lax.scan(advance, jnp.swapaxes(state, 0, 1), (local, keep))[1]
    final = _carry(system.last_carry, jnp.where(keep[-1], before[-1], 0), precision) + last
    return before, jnp.swapaxes(final, 0, 1)


def within(
    kernel: Float[Array, "H T"],
    u: Float[Array, "batch Q T H"],
    segment: Int[Array, "batch Q T"] | None,
    precision: Precision = EXACT,
) -> Float[Array, "batch Q T H"]:
    """Computes the causal product inside each chunk; steps of different segments stay apart.

    Example:
        >>> within(jnp.ones((1, 2)), jnp.ones((1, 1, 2, 1)), None)[0, 0, :, 0]
        Array([1., 2.], dtype=float32)
    """
    if segment is None:
        T = u.shape[2]
        # Without resets one Toeplitz matrix per feature is enough. Lags are clipped for the gather,
        # and entries above the diagonal are then replaced by zero.
        lag = jnp.arange(T)[:, None] - jnp.arange(T)[None, :]
        matrix = jnp.where(lag[None] >= 0, kernel[:, jnp.maximum(lag, 0)], 0)
        return jnp.moveaxis(
            jnp.einsum("htj,hbqj->hbqt", matrix, jnp.moveaxis(u, -1, 0), precision=precision), 0, -1
        )
    near = _lag_by_lag(kernel[:, :LEAF], u, segment)
    far = _across_halves(kernel, jnp.moveaxis(u, -1, 0), segment, precision)
    return near if far is None else near + jnp.moveaxis(far, 0, -1)


def _across_halves(
    kernel: Float[Array, "H T"],
    u: Float[Array, "H batch Q T"],
    segment: Int[Array, "batch Q T"],
    precision: Precision,
) -> Float[Array, "H batch Q T"] | None:
    """Computes the outputs in each right half from the inputs of its left half, down to leaves.

    Returns None for chunks that are leaves already.
    """
    T = u.shape[-1]
    if T <= LEAF:
        return None
    half = T // 2
    boundary = segment[..., half - 1 : half]
    # Both steps of a pair have to lie in the episode that runs across the boundary: inputs and
    # outputs are masked one by one instead of the matrix.
    sent = jnp.where((segment[..., :half] == boundary)[None], u[..., :half], 0)
    lag = half + jnp.arange(half)[:, None] - jnp.arange(half)[None, :]
    arriving = jnp.einsum("htj,hbqj->hbqt", kernel[:, lag], sent, precision=precision)
    arriving = jnp.where((segment[..., half:] == boundary)[None], arriving, 0)
    y = jnp.concatenate([jnp.zeros_like(arriving), arriving], axis=-1)
    batch = u.shape[1]
    # Each half becomes a chunk of its own.
    inside = _across_halves(
        kernel[:, :half],
        u.reshape(-1, batch, u.shape[2] * 2, half),
        segment.reshape(batch, -1, half),
        precision,
    )
    return y if inside is None else y + inside.reshape(u.shape)


def _lag_by_lag(
    kernel: Float[Array, "H leaf"], u: Float[Array, "batch Q T H"], segment: Int[Array, "batch Q T"]
) -> Float[Array, "batch Q T H"]:
    """Computes the causal product inside leaves as long as the kernel, one lag at a time."""
    batch, leaf, H = u.shape[0], kernel.shape[1], u.shape[-1]
    shape, u, segment = u.shape, u.reshape(batch, -1, leaf, H), segment.reshape(batch, -1, leaf)
    y = kernel[:, 0].reshape(1, 1, 1, -1) * u
    for lag in range(1, leaf):
        # A lag counts only if no episode starts between its two steps.
        same = (segment[..., lag:] == segment[..., :-lag])[..., None]
        add = kernel[:, lag].reshape(1, 1, 1, -1) * jnp.where(same, u[..., :-lag, :], 0)
        y = y + jnp.pad(add, [(0, 0), (0, 0), (lag, 0), (0, 0)])
    return y.reshape(shape)


def _carry(
    carry: Array, x: Float[Array, "H batch S"], precision: Precision
) -> Float[Array, "H batch S"]:
    if carry.ndim == 3:
        return x + jnp.einsum("hij,hbj->hbi", carry, x, precision=precision)
    # A diagonal carry is a complex product on the two halves of the state.
    (re, im), (x_re, x_im) = jnp.split(carry[:, None], 2, axis=-1), jnp.split(x, 2, axis=-1)
    return x + jnp.concatenate([re * x_re - im * x_im, re * x_im + im * x_re], axis=-1)


def _chunked(x: Array, T: int) -> Array:
    """Splits time (axis 1) into chunks of T steps, with zeros at the end."""
    Q = -(-x.shape[1] // T)
    x = jnp.pad(x, [(0, 0), (0, Q * T - x.shape[1])] + [(0, 0)] * (x.ndim - 2))
    return x.reshape(x.shape[0], Q, T, *x.shape[2:])
