"""S4D: one diagonal state space model a feature, in every form: whole sequence, chunk after chunk, scan, step.

`x_k = A_bar x_{k-1} + B_bar u_k`, `y_k = 2 Re(C x_k) + D u_k`, with one of each conjugate pair of states kept.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import checks, chunks, convolution, discretization, pairs, vandermonde

METHODS = ("auto", "fft", "toeplitz", "chunked", "scan")
CHUNK = 64

Rate = float | int | Float[Array, ""]


class Parameters(NamedTuple):
    """A continuous diagonal system for each of H features, Nh conjugate pairs each.

    `Lambda`, `B` (Pair [H, Nh], or [Nh] where all features share them) and `C` (Pair [H, Nh]), or complex arrays;
    `D` [H]; `step` [H], positive, in the time unit of Lambda, whose real part must be negative.
    """

    Lambda: pairs.Pair
    B: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]
    step: Float[Array, "H"]


class Constants(NamedTuple):
    """The discretised system: `A_bar`, `B_bar`, `C` (doubled for the other half of each pair) [H, Nh], `D` [H]."""

    A_bar: pairs.Pair
    B_bar: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]


def apply(
    parameters: Parameters,
    u: Float[Array, "*batch L H"],
    state: pairs.Complexlike | None = None,
    resets: Bool[Array, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "zoh",
    rate: Rate = 1.0,
    chunk: int = CHUNK,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """Run over a sequence; hand the state returned to the next call to go on where this one ended.

    Args:
        parameters: The system; computed in float32, or in float64 where parameters or input are.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, H, Nh]; zero where not given.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"fft"` and `"toeplitz"` convolve with the kernel (no resets); `"chunked"` takes matrix products and a
            carried state, no complex number and no FFT; `"scan"` goes step by step; `"auto"` is `"chunked"` with
            resets, else the faster convolution for the length.
        discretization: `"zoh"` or `"bilinear"`; the latter hardly damps modes faster than the samples, whose rounding
            then adds up: from the LegS start, steps differ from a convolution by 1.3e-5 after 1,000 (zoh: 3e-6).
        rate: Factor on the step: 2 runs a model on data sampled half as often.
        chunk: Longest chunk of `"chunked"`.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, H, Nh].

    Raises:
        ValueError: Unknown method, resets with a convolution, shapes that do not match, an integer input, L < 1, or a
            known Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4D), equations (2), (6) and (7).

    Example:
        >>> ones = jnp.ones((1, 1))
        >>> Lambda, B, C = (pairs.as_pair(value * ones) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = apply(integrator, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    parameters, work = _prepared(parameters, u)
    state = _state(parameters, work, state)
    _check_resets(work, resets, checks.choice("method", method, METHODS))
    system = _discrete(parameters, discretization, rate)
    if method == "scan":
        y, state = _by_steps(_constants(parameters, system), work, state, resets)
    elif method == "chunked" or resets is not None:
        y, state = _by_chunks(parameters, system, work, state, resets, checks.length(chunk, "chunk"))
    else:
        y, state = _by_convolution(parameters, system, work, state, method)
    return y.astype(u.dtype), state


def apply_both_ways(
    forward: Parameters,
    backward: Parameters,
    u: Float[Array, "*batch L H"],
    *,
    discretization: str = "zoh",
    rate: Rate = 1.0,
) -> Float[Array, "*batch L H"]:
    """Run one system over the past and present and another over the future, with one transform of the input.

    Args:
        forward: The system over the past and the present, with its D.
        backward: The system over the future, from the next step on; its D is not used.
        u: Input; whole rows only, as nothing can be carried on from either end.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        Output in the shape and dtype of `u`.

    Example:
        >>> Lambda, B, C = (pairs.as_pair(jnp.full((1, 1), value)) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> bool(jnp.allclose(apply_both_ways(integrator, integrator, jnp.ones((3, 1))), 3.0))
        True
    """
    parameters, work = _prepared(forward, u)
    ahead, behind = (kernel(x, u.shape[-2], discretization=discretization, rate=rate) for x in (parameters, backward))
    y = convolution.bidirectional(work, ahead, behind) + _lead(parameters.D, u.ndim) * work
    return y.astype(u.dtype)


def kernel(parameters: Parameters, L: int, *, discretization: str = "zoh", rate: Rate = 1.0) -> Float[Array, "H L"]:
    """Impulse response of L steps (D not included), to convolve with: `K_l = 2 Re(C A_bar^l B_bar)`.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> kernel(integrator, 3)
        Array([[1., 1., 1.]], dtype=float32)
    """
    parameters = _full(parameters)
    system = _discrete(parameters, discretization, rate)
    return vandermonde.kernel(system, pairs.multiply(parameters.C, system.gain), L)


def prepare(parameters: Parameters, *, discretization: str = "zoh", rate: Rate = 1.0) -> Constants:
    """Discretise once, for many calls of `step`.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> constants = prepare(integrator, rate=2.0)
        >>> constants.A_bar.re, constants.B_bar.re
        (Array([[1.]], dtype=float32), Array([[2.]], dtype=float32))
    """
    parameters = _full(parameters)
    return _constants(parameters, _discrete(parameters, discretization, rate))


def step(
    constants: Constants,
    u: Float[Array, "*batch H"],
    state: pairs.Complexlike,
    reset: Bool[Array, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], pairs.Pair]:
    """Take one step.

    Args:
        constants: From `prepare`.
        u: Input of this step.
        state: State before it, Pair [*batch, H, Nh].
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, an input that is not floating, or a reset that is not bool.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = step(prepare(integrator), jnp.ones(1), jnp.full((1, 1), 4.0))
        >>> float(y[0]), float(state.re[0, 0])
        (5.0, 5.0)
    """
    state = pairs.as_pair(state)
    checks.one_step(u, state, reset, system=constants.C.shape, features=constants.C.shape[0])
    A_bar, B_bar, C = (pairs.with_ndim(x, state.ndim) for x in constants[:3])
    if reset is not None:
        state = pairs.where(reset[..., None, None], pairs.zeros((1,) * state.ndim, state.dtype), state)
    work = u.astype(state.dtype)
    state = pairs.add(pairs.multiply(A_bar, state), pairs.scale(B_bar, work[..., None]))
    y = (C.re * state.re - C.im * state.im).sum(-1) + constants.D.reshape((1,) * (u.ndim - 1) + (-1,)) * work
    return y.astype(u.dtype), state


def init_state(parameters: Parameters, batch_shape: tuple[int, ...] = ()) -> pairs.Pair:
    """State of zeros, Pair [*batch_shape, H, Nh], before the first step.

    Example:
        >>> integrator = Parameters(*[jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5)], jnp.zeros(1), step=jnp.ones(1))
        >>> init_state(integrator, (2,)).shape
        (2, 1, 1)
    """
    return pairs.zeros((*batch_shape, *parameters.C.shape), checks.compute_dtype(parameters))


def _by_convolution(
    parameters: Parameters, system: discretization.Discrete, u: Array, state: pairs.Pair | None, method: str
):
    L = u.shape[-2]
    response = vandermonde.kernel(system, pairs.multiply(parameters.C, system.gain), L)
    y = convolution.causal(u, response, method=method) + _lead(parameters.D, u.ndim) * u
    final = pairs.multiply(vandermonde.final_state(system, u), pairs.with_ndim(system.gain, u.ndim))
    if state is None:
        return y, final
    y = y + vandermonde.state_response(system, parameters.C, state, L)
    return y, pairs.add(final, vandermonde.advance(system, state, L))


def _by_chunks(parameters: Parameters, system: discretization.Discrete, u: Array, state, resets, chunk: int):
    *batch, L, H = u.shape
    flat = u.reshape(-1, L, H)
    start = jnp.zeros((flat.shape[0], H, 2 * system.angle.shape[-1]), u.dtype)
    if state is not None:
        start = pairs.stack_parts(state).reshape(start.shape)
    y, final = chunks.run(
        _chunk(parameters, system, L, chunk), flat, start, None if resets is None else resets.reshape(-1, L)
    )
    final = pairs.split_parts(final.reshape(*batch, H, -1))
    return y.reshape(u.shape) + _lead(parameters.D, u.ndim) * u, final


def _chunk(parameters: Parameters, system: discretization.Discrete, L: int, chunk: int) -> chunks.Chunk:
    T, rest = chunks.sizes(L, chunk)
    inputs, outputs = (pairs.Pair(x.re[:, None], x.im[:, None]) for x in (system.gain, parameters.C))
    read = pairs.multiply(outputs, vandermonde.powers(system, jnp.arange(1, T + 1)))
    write = pairs.multiply(inputs, vandermonde.powers(system, jnp.arange(T - 1, -1, -1)))
    ends = vandermonde.powers(system, jnp.asarray([T, rest]))
    return chunks.Chunk(
        kernel=vandermonde.kernel(system, pairs.multiply(parameters.C, system.gain), T),
        read=2 * jnp.concatenate([read.re, -read.im], axis=-1),
        write=pairs.stack_parts(write),
        carry=pairs.stack_parts(pairs.Pair(ends.re[:, 0], ends.im[:, 0])),
        last_carry=pairs.stack_parts(pairs.Pair(ends.re[:, 1], ends.im[:, 1])),
    )


def _by_steps(constants: Constants, u: Array, state: pairs.Pair | None, resets: Array | None):
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


def _discrete(parameters: Parameters, method: str, rate: Rate) -> discretization.Discrete:
    """The transition, and the gain with B already in it."""
    checks.rate(rate)
    system = discretization.discretize(parameters.Lambda, (parameters.step * rate)[:, None], method)
    return system._replace(gain=pairs.multiply(system.gain, parameters.B))


def _constants(parameters: Parameters, system: discretization.Discrete) -> Constants:
    A_bar = pairs.exp(pairs.Pair(system.log_modulus, system.angle))
    return Constants(A_bar, system.gain, pairs.scale(parameters.C, 2.0), parameters.D)


def _prepared(parameters: Parameters, u: Array) -> tuple[Parameters, Array]:
    dtype = checks.compute_dtype(parameters, u)
    checks.real("u", u)
    parameters = _full(parameters)
    if u.ndim < 2 or u.shape[-2] < 1 or u.shape[-1] != parameters.C.shape[0]:
        H = parameters.C.shape[0]
        raise ValueError(f"u has shape {u.shape}, expected (*batch, L, {H}) with L >= 1, as C has {H} features")
    return jax.tree.map(lambda x: x.astype(dtype), parameters), u.astype(dtype)


def _full(parameters: Parameters) -> Parameters:
    """Check the shapes, spread what all features share, and compute in one dtype."""
    dtype = checks.compute_dtype(parameters)
    checks.real("D", parameters.D)
    checks.real("step", parameters.step)
    parameters = pairs.in_fields(parameters, "Lambda", "B", "C")
    parameters = jax.tree.map(lambda x: jnp.asarray(x).astype(dtype), parameters)
    Lambda, B, C, D, sample = parameters
    checks.stable(Lambda)
    if C.ndim != 2:
        raise ValueError(f"C has shape {C.shape}, expected (H, Nh); vmap over further axes")
    wide = []
    for name, x in (("Lambda", Lambda), ("B", B)):
        checks.shape(name, x, C.shape if x.ndim == 2 else C.shape[1:])
        wide.append(pairs.Pair(*(jnp.broadcast_to(part.reshape(-1, C.shape[1]), C.shape) for part in x)))
    checks.shape("D", D, C.shape[:1])
    checks.shape("step", sample, C.shape[:1])
    return Parameters(wide[0], wide[1], C, D, sample)


def _state(parameters: Parameters, u: Array, state: pairs.Complexlike | None) -> pairs.Pair | None:
    if state is None:
        return None
    checks.shape("state", state, (*u.shape[:-2], *parameters.C.shape))
    return pairs.astype(state, u.dtype)


def _check_resets(u: Array, resets: Array | None, method: str) -> None:
    checks.flags("resets", resets, u.shape[:-1])
    if resets is not None and method in ("fft", "toeplitz"):
        raise ValueError(f"method {method!r} cannot reset the state inside a row; use 'chunked', 'scan' or 'auto'")


def _lead(x: Float[Array, "H"], ndim: int) -> Array:
    return x.reshape((1,) * (ndim - 1) + (-1,))
