"""A sequence in chunks: real matrix products and a carried state, without complex numbers or FFT, with resets.

Any linear system with one input and one output a feature fits, once its constants for a chunk of T steps are known.
Inside a chunk the causal product is split in halves again and again: what the left half sends to the right half is
allowed from step j to step l exactly if no episode starts in between, and that mask is a product of one for j and one
for l, so every part stays an ordinary matrix product. What was masked is replaced by zero, so a NaN before a reset
stays before it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

EXACT = jax.lax.Precision.HIGHEST

# Below this size a half is done lag by lag: products of smaller matrices cost more than they save.
LEAF = 8


class Chunk(NamedTuple):
    """What a system does in T steps, for a real state of S numbers a feature.

    `y = toeplitz(kernel) u + read x` and, at the end, `x <- carry x + write^T u`; `carry` is diagonal in pairs (`re`
    on the first half of S, `im` on the second: shape [H, S]) or dense ([H, S, S]). `last_carry` is the same for the
    steps of the last, perhaps shorter, chunk.
    """

    kernel: Float[Array, "H T"]
    read: Float[Array, "H T S"]
    write: Float[Array, "H T S"]
    carry: Float[Array, "H *S S"]
    last_carry: Float[Array, "H *S S"]


def power_of_two(L: int, reach: Callable[[int], int] = lambda T: T) -> int:
    """The least power of two whose `reach` is at least L."""
    T = 1
    while reach(T) < L:
        T *= 2
    return T


def sizes(L: int, longest: int) -> tuple[int, int]:
    """Chunk length T (a power of two, no longer than needed) and the steps of the last chunk.

    Example:
        >>> sizes(100, 32), sizes(5, 32)
        ((32, 4), (8, 5))
    """
    T = power_of_two(min(longest, L))
    return T, L - T * ((L - 1) // T)


def run(
    system: Chunk, u: Float[Array, "B L H"], state: Float[Array, "B H S"], resets: Bool[Array, "B L"] | None = None
) -> tuple[Float[Array, "B L H"], Float[Array, "B H S"]]:
    """Run a system over whole rows, chunk after chunk.

    Args:
        system: The constants of a chunk, from the family's own module; T as given by `sizes`.
        u: Inputs.
        state: State before the first step.
        resets: True where an episode starts: the state is cleared before that input.

    Returns:
        Outputs, and the state after the last step.
    """
    (B, L, H), T = u.shape, system.kernel.shape[-1]
    segment = None if resets is None else jnp.cumsum(_chunked(resets, T).astype(jnp.int32), axis=-1)
    before, final = states(system, u, state, segment)
    response = jnp.einsum("qbhs,hts->bqth", before, system.read, precision=EXACT)
    if segment is not None:
        response = jnp.where((segment == 0)[..., None], response, 0)
    y = within(system.kernel, _chunked(u, T), segment) + response
    return y.reshape(B, -1, H)[:, :L], final


def states(
    system: Chunk, u: Float[Array, "B L H"], state: Float[Array, "B H S"], segment: Int[Array, "B Q T"] | None = None
) -> tuple[Float[Array, "Q B H S"], Float[Array, "B H S"]]:
    """The state before each chunk, and after the last step; `segment` counts the resets so far in each chunk."""
    L, T = u.shape[1], system.write.shape[1]
    u = _chunked(u, T)
    B, Q = u.shape[:2]
    rest = L - T * (Q - 1)
    keep = jnp.ones((B, Q), bool)
    if segment is not None:
        u = jnp.where((segment == segment[..., -1:])[..., None], u, 0)
        keep = segment[..., -1] == 0
    local = jnp.einsum("bqth,hts->qbhs", u[:, :-1], system.write, precision=EXACT)
    last = jnp.einsum("bth,hts->bhs", u[:, -1, :rest], system.write[:, T - rest :], precision=EXACT)

    def advance(x, inputs):
        added, kept = inputs
        return _carry(system.carry, jnp.where(kept[:, None, None], x, 0)) + added, x

    state, before = jax.lax.scan(advance, varying_with(state, last), (local, keep[:, :-1].T))
    final = _carry(system.last_carry, jnp.where(keep[:, -1, None, None], state, 0)) + last
    return jnp.concatenate([before, state[None]]), final


def varying_with(x: Float[Array, "..."], other: Float[Array, "..."]) -> Float[Array, "..."]:
    """The same values, but varying over each device that `other` varies over, as `shard_map` asks of a scan's carry."""
    return jnp.where(jnp.zeros((), bool), jax.lax.stop_gradient(other), x)


def within(
    kernel: Float[Array, "H T"], u: Float[Array, "B Q T H"], segment: Int[Array, "B Q T"] | None
) -> Float[Array, "B Q T H"]:
    """Causal product inside each chunk; steps of different segments do not see each other."""
    T = u.shape[2]
    if segment is None:
        lag = jnp.arange(T)[:, None] - jnp.arange(T)[None, :]
        matrix = jnp.where(lag[None] >= 0, kernel[:, jnp.maximum(lag, 0)], 0)
        return jnp.einsum("htj,bqjh->bqth", matrix, u, precision=EXACT)
    if T <= LEAF:
        return _lag_by_lag(kernel, u, segment)
    half = T // 2
    shape = (*u.shape[:1], -1, half)
    y = within(kernel[:, :half], u.reshape(*shape, u.shape[-1]), segment.reshape(*shape)).reshape(u.shape)
    meeting = segment[..., half - 1 : half]
    sent = jnp.where((segment[..., :half] == meeting)[..., None], u[..., :half, :], 0)
    lag = half + jnp.arange(half)[:, None] - jnp.arange(half)[None, :]
    arriving = jnp.einsum("htj,bqjh->bqth", kernel[:, lag], sent, precision=EXACT)
    arriving = jnp.where((segment[..., half:] == meeting)[..., None], arriving, 0)
    return jnp.concatenate([y[..., :half, :], y[..., half:, :] + arriving], axis=2)


def _lag_by_lag(kernel: Array, u: Array, segment: Array) -> Array:
    y = kernel[:, 0].reshape(1, 1, 1, -1) * u
    for lag in range(1, u.shape[2]):
        same = (segment[..., lag:] == segment[..., :-lag])[..., None]
        add = kernel[:, lag].reshape(1, 1, 1, -1) * jnp.where(same, u[..., :-lag, :], 0)
        y = y.at[..., lag:, :].add(add)
    return y


def _carry(carry: Array, x: Float[Array, "B H S"]) -> Float[Array, "B H S"]:
    if carry.ndim == 3:
        return jnp.einsum("hij,bhj->bhi", carry, x, precision=EXACT)
    (re, im), (x_re, x_im) = jnp.split(carry[None], 2, axis=-1), jnp.split(x, 2, axis=-1)
    return jnp.concatenate([re * x_re - im * x_im, re * x_im + im * x_re], axis=-1)


def _chunked(x: Array, T: int) -> Array:
    """Split time (axis 1) into chunks of T, with zeros behind."""
    Q = -(-x.shape[1] // T)
    x = jnp.pad(x, [(0, 0), (0, Q * T - x.shape[1])] + [(0, 0)] * (x.ndim - 2))
    return x.reshape(x.shape[0], Q, T, *x.shape[2:])
