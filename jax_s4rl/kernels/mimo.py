"""Running one diagonal system with all features as inputs and outputs: what S5 and the LRU share.

``x[k] = A_bar x[k-1] + B_bar u[k]``, ``y[k] = Re(C x[k]) + D u[k]``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import checks, pairs, recurrence

# How a family's methods are called, and the recurrence behind each.
METHODS = {"auto": "auto", "scan": "sequential", "associative": "associative", "chunked": "chunked"}


class Constants(NamedTuple):
    """A discretised system: `A_bar` [P], `B_bar` [P, H], `C` [H, P] as Pairs, `D` [H]."""

    A_bar: pairs.Pair
    B_bar: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]


def run(
    constants: Constants,
    u: Float[Array, "*batch L H"],
    state: pairs.Complexlike | None,
    resets: Bool[Array, "*batch L"] | None,
    *,
    method: str,
    chunk: int,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """Run over a whole sequence.

    Args:
        constants: The system.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, P]; zero where None.
        resets: True where the state is cleared before that input.
        method: `"scan"`, `"associative"`, `"chunked"` or `"auto"`.
        chunk: Longest chunk of `"chunked"`.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step.

    Raises:
        ValueError: Unknown method, or shapes that do not match.

    Example:
        >>> one = pairs.as_pair(jnp.ones((1, 1)))
        >>> integrator = Constants(pairs.as_pair(jnp.ones(1)), one, one, jnp.zeros(1))
        >>> run(integrator, jnp.ones((3, 1)), None, None, method="scan", chunk=8)[0][:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    checks.choice("method", method, tuple(METHODS))
    dtype = checks.compute_dtype(constants, u)
    checks.real("u", u)
    width, features = constants.B_bar.shape
    if u.ndim < 2 or u.shape[-2] < 1 or u.shape[-1] != features:
        raise ValueError(
            f"u has shape {u.shape}, expected (*batch, L, {features}) with L >= 1, as B has {features} inputs"
        )
    if state is not None:
        checks.shape("state", state, (*u.shape[:-2], width))
    checks.flags("resets", resets, u.shape[:-1])
    system = jax.tree.map(lambda x: x.astype(dtype), constants)
    work = u.astype(dtype)
    inputs = pairs.split_parts(_product("...h,qh->...q", work, jnp.concatenate([*system.B_bar])))
    states, state = recurrence.scan(system.A_bar, inputs, state, resets, method=METHODS[method], chunk=chunk)
    return _output(system, states, work).astype(u.dtype), state


def step(
    constants: Constants,
    u: Float[Array, "*batch H"],
    state: pairs.Complexlike,
    reset: Bool[Array, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], pairs.Pair]:
    """Take one step.

    Args:
        constants: The system.
        u: Input of this step.
        state: State before it, Pair [*batch, P].
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, an input that is not floating, or a reset that is not bool.

    Example:
        >>> one = pairs.as_pair(jnp.ones((1, 1)))
        >>> integrator = Constants(pairs.as_pair(jnp.ones(1)), one, one, jnp.zeros(1))
        >>> y, state = step(integrator, jnp.ones(1), pairs.as_pair(jnp.full(1, 4.0)))
        >>> float(y[0]), float(state.re[0])
        (5.0, 5.0)
    """
    state = pairs.as_pair(state)
    checks.one_step(u, state, reset, system=constants.A_bar.shape, features=constants.B_bar.shape[1])
    if reset is not None:
        state = pairs.where(reset[..., None], pairs.Pair(*(jnp.zeros_like(part) for part in state)), state)
    work = u.astype(state.dtype)
    arriving = pairs.split_parts(_product("...h,qh->...q", work, jnp.concatenate([*constants.B_bar])))
    state = pairs.add(pairs.multiply(pairs.with_ndim(constants.A_bar, state.ndim), state), arriving)
    return _output(constants, state, work).astype(u.dtype), state


def check(Lambda: pairs.Pair, B: pairs.Pair, C: pairs.Pair, D: Array, scale: tuple[str, Array]) -> None:
    """Check the shapes of a system and of its named step or gain, and that it does not grow where that can be known.

    Raises:
        ValueError: Shapes that do not match, integer arrays, or a known Lambda with a positive real part.

    Example:
        >>> one = pairs.as_pair(jnp.ones((1, 1)))
        >>> check(pairs.as_pair(-jnp.ones(1)), one, one, jnp.ones(1), ("step", jnp.ones(1)))
    """
    checks.compute_dtype(Lambda, B, C, D, scale[1])
    checks.real("D", D)
    checks.real(*scale)
    if B.ndim != 2:
        raise ValueError(f"B has shape {B.shape}, expected (P, H); vmap over further axes")
    checks.shape("Lambda", Lambda, B.shape[:1])
    checks.shape("C", C, B.shape[::-1])
    checks.shape("D", D, B.shape[1:])
    checks.shape(*scale, B.shape[:1])
    checks.stable(Lambda)


def _product(subscripts: str, left: Array, right: Array) -> Array:
    return jnp.einsum(subscripts, left, right, precision=lax.Precision.HIGHEST)


def _output(constants: Constants, states: pairs.Pair, u: Array) -> Array:
    D = constants.D.reshape((1,) * (u.ndim - 1) + (-1,))
    return pairs.real_einsum("...p,hp->...h", states, constants.C) + D * u
