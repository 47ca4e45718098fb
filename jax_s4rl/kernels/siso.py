"""Systems with one input and one output a feature: what S4 and S4D share, as S5 and the LRU share `mimo`."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import checks, chunks, pairs

METHODS = ("auto", "fft", "toeplitz", "chunked", "scan")
CHUNK = 64

Rate = float | int | Float[Array, ""]


def check_input(
    u: Array,
    state: pairs.Complexlike | None = None,
    resets: Array | None = None,
    *,
    method: str = "auto",
    system: tuple[int, int],
) -> None:
    """Check what a sequence is run with, for a system of (H, Nh).

    Raises:
        ValueError: Unknown method, resets with a convolution, or shapes that do not match.

    Example:
        >>> check_input(jnp.ones((2, 9, 3)), system=(3, 4))
    """
    checks.choice("method", method, METHODS)
    H, Nh = system
    if u.ndim < 2 or u.shape[-2] < 1 or u.shape[-1] != H:
        raise ValueError(f"u has shape {u.shape}, expected (*batch, L, {H}) with L >= 1, as C has {H} features")
    if state is not None:
        checks.shape("state", state, (*u.shape[:-2], H, Nh))
    checks.flags("resets", resets, u.shape[:-1])
    if resets is not None and method in ("fft", "toeplitz"):
        raise ValueError(f"method {method!r} cannot reset the state inside a row; use 'chunked', 'scan' or 'auto'")


def by_steps(
    step: Callable[..., tuple[Array, pairs.Pair]],
    constants: Any,
    u: Float[Array, "*batch L H"],
    state: pairs.Pair | None,
    resets: Bool[Array, "*batch L"] | None,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """Scan a family's `step` over time; `constants.C` says the shape of a state.

    Example:
        >>> from types import SimpleNamespace
        >>> def total(constants, u, x, reset=None):
        ...     x = pairs.add(x, u[..., None])
        ...     return x.re[..., 0], x
        >>> by_steps(total, SimpleNamespace(C=pairs.zeros((1, 1))), jnp.ones((3, 1)), None, None)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    if state is None:
        state = pairs.zeros((*u.shape[:-2], *constants.C.shape), u.dtype)
    later = step(constants, u[..., 0, :], state)[1]
    start = pairs.Pair(chunks.varying_with(state.re, later.re), chunks.varying_with(state.im, later.im))
    times = jnp.moveaxis(u, -2, 0)
    starts = None if resets is None else jnp.moveaxis(resets, -1, 0)

    def advance(x, inputs):
        y, x = step(constants, inputs[0], x, inputs[1])
        return x, y

    final, y = jax.lax.scan(advance, start, (times, starts))
    return jnp.moveaxis(y, 0, -2), final


def by_chunks(
    constants: chunks.Chunk,
    u: Float[Array, "*batch L H"],
    state: pairs.Pair | None,
    resets: Bool[Array, "*batch L"] | None,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """`chunks.run` for any batch and a half state [*batch, H, Nh].

    Example:
        >>> one = jnp.ones((1, 2, 2))
        >>> still = chunks.Chunk(one[..., 0], 0 * one, 0 * one, carry=one[:, 0], last_carry=one[:, 0])
        >>> by_chunks(still, jnp.ones((2, 1)), None, None)[0][:, 0]
        Array([1., 2.], dtype=float32)
    """
    flat, start = rows(constants, u, state)
    y, final = chunks.run(constants, flat, start, None if resets is None else resets.reshape(-1, u.shape[-2]))
    return y.reshape(u.shape), half_state(final, u.shape[:-2])


def rows(
    constants: chunks.Chunk, u: Float[Array, "*batch L H"], state: pairs.Pair | None
) -> tuple[Float[Array, "rows L H"], Float[Array, "rows H S"]]:
    """Input and state as `chunks` takes them: one batch axis, and a real state; zero where None.

    Example:
        >>> still = chunks.Chunk(*[jnp.ones((1, 2, 2))] * 5)
        >>> [x.shape for x in rows(still, jnp.ones((3, 4, 5, 1)), None)]
        [(12, 5, 1), (12, 1, 2)]
    """
    H, S = constants.write.shape[0], constants.write.shape[-1]
    batch = math.prod(u.shape[:-2])
    real = jnp.zeros((batch, H, S), u.dtype) if state is None else pairs.stack_parts(state).reshape(batch, H, S)
    return u.reshape(-1, *u.shape[-2:]), real


def half_state(x: Float[Array, "rows H S"], batch: tuple[int, ...]) -> pairs.Pair:
    """Inverse of the second part of `rows`.

    Example:
        >>> half_state(jnp.ones((12, 1, 2)), (3, 4)).shape
        (3, 4, 1, 1)
    """
    return pairs.split_parts(x.reshape(*batch, *x.shape[1:]))


def cleared(state: pairs.Pair, reset: Bool[Array, "*batch"] | None) -> pairs.Pair:
    """The state, zero where an episode starts; a NaN in it does not stay.

    Example:
        >>> cleared(pairs.as_pair(jnp.full((2, 1, 1), jnp.nan)), jnp.array([True, True])).re[:, 0, 0]
        Array([0., 0.], dtype=float32)
    """
    if reset is None:
        return state
    return pairs.where(reset[..., None, None], pairs.zeros((1,) * state.ndim, state.dtype), state)


def read(
    C: pairs.Pair, D: Float[Array, "H"], u: Float[Array, "*batch H"], state: pairs.Pair
) -> Float[Array, "*batch H"]:
    """Output of one step, `Re(C x) + D u`.

    Example:
        >>> one = pairs.as_pair(jnp.ones((1, 1)))
        >>> read(one, jnp.ones(1), jnp.full(1, 2.0), one)
        Array([3.], dtype=float32)
    """
    C = pairs.with_ndim(C, state.ndim)
    return (C.re * state.re - C.im * state.im).sum(-1) + skip(D, u)


def skip(D: Float[Array, "H"], u: Float[Array, "*any H"]) -> Float[Array, "*any H"]:
    """What goes past the state, `D u`.

    Example:
        >>> skip(jnp.ones(1), jnp.full((3, 1), 2.0)).shape
        (3, 1)
    """
    return D.reshape((1,) * (u.ndim - 1) + (-1,)) * u


def with_skip(kernel: Float[Array, "H L"], D: Float[Array, "H"]) -> Float[Array, "H L"]:
    """The kernel of `kernel * u + D u`: one convolution, and no further pass over the input.

    Example:
        >>> with_skip(jnp.ones((1, 3)), jnp.ones(1))
        Array([[2., 1., 1.]], dtype=float32)
    """
    return jnp.concatenate([kernel[:, :1] + D[:, None], kernel[:, 1:]], axis=-1)


def spread(x: pairs.Pair, H: int, ndim: int) -> pairs.Pair:
    """Repeat for each of H features what all share: an axis in front where there are not yet `ndim`.

    Example:
        >>> spread(pairs.zeros((4,)), 3, 2).shape
        (3, 4)
    """
    if x.ndim == ndim:
        return x
    re, im = (jnp.broadcast_to(part[None], (H, *part.shape)) for part in x)
    return pairs.Pair(re, im)
