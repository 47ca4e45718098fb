"""S4D: one diagonal state space model a feature, in every form: whole sequence, chunk after chunk, scan, step.

`x_k = A_bar x_{k-1} + B_bar u_k`, `y_k = 2 Re(C x_k) + D u_k`, with one of each conjugate pair of states kept.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import checks, chunks, convolution, discretization, pairs, siso, vandermonde

METHODS, CHUNK = siso.METHODS, siso.CHUNK
Rate = siso.Rate


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
    """The discretised system: `A_bar`, `B_bar`, `C` (doubled for the other half of each pair) [H, Nh], `D` [H].

    `change` is `A_bar - 1` with all of its digits, which a step needs for long memories.
    """

    A_bar: pairs.Pair
    B_bar: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]
    change: pairs.Pair


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
            then adds up: over long rows its forms differ more from each other than those of zoh.
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
    parameters, work = _prepared(parameters, u, state, resets, method)
    state = None if state is None else pairs.astype(state, work.dtype)
    system = _discrete(parameters, discretization, rate)
    if method == "scan":
        y, state = siso.by_steps(step, _constants(parameters, system), work, state, resets)
    elif method == "chunked" or resets is not None:
        constants = _chunk(parameters, system, u.shape[-2], checks.length(chunk, "chunk"))
        y, state = siso.by_chunks(constants, work, state, resets)
        y = y + siso.skip(parameters.D, work)
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

    Raises:
        ValueError: As `apply`.

    Example:
        >>> Lambda, B, C = (pairs.as_pair(jnp.full((1, 1), value)) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> bool(jnp.allclose(apply_both_ways(integrator, integrator, jnp.ones((3, 1))), 3.0))
        True
    """
    parameters, work = _prepared(forward, u)
    ahead, behind = (kernel(x, u.shape[-2], discretization=discretization, rate=rate) for x in (parameters, backward))
    y = convolution.bidirectional(work, ahead, behind) + siso.skip(parameters.D, work)
    return y.astype(u.dtype)


def kernel(parameters: Parameters, L: int, *, discretization: str = "zoh", rate: Rate = 1.0) -> Float[Array, "H L"]:
    """Impulse response of L steps (D not included), to convolve with: `K_l = 2 Re(C A_bar^l B_bar)`.

    Args:
        parameters: The system.
        L: Number of steps, at least 1; static.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        The kernel, [H, L], in the dtype of the parameters (float32 or float64).

    Raises:
        ValueError: Unknown discretization, shapes that do not match, L below 1, a rate that is not positive, or a known
            Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4D), equations (6) and (7).

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

    Args:
        parameters: The system.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: As `kernel`.

    Source:
        Gu et al. 2022 (S4D), section 2.2.

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
    change, B_bar = (pairs.with_ndim(x, state.ndim) for x in (constants.change, constants.B_bar))
    work, state = u.astype(state.dtype), siso.cleared(state, reset)
    # The small terms first: what is added to the state is then rounded once.
    added = pairs.add(pairs.multiply(change, state), pairs.scale(B_bar, work[..., None]))
    state = pairs.add(state, added)
    return siso.read(constants.C, constants.D, work, state).astype(u.dtype), state


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
    y = convolution.causal(u, siso.with_skip(response, parameters.D), method=method)
    final = pairs.multiply(vandermonde.final_state(system, u), pairs.with_ndim(system.gain, u.ndim))
    if state is None:
        return y, final
    y = y + vandermonde.state_response(system, parameters.C, state, L)
    return y, pairs.add(final, vandermonde.advance(system, state, L))


def _chunk(parameters: Parameters, system: discretization.Discrete, L: int, chunk: int) -> chunks.Chunk:
    T, rest = chunks.sizes(L, chunk)
    inputs, outputs = (pairs.Pair(x.re[:, None], x.im[:, None]) for x in (system.gain, parameters.C))
    read = pairs.multiply(outputs, vandermonde.powers(system, jnp.arange(1, T + 1)))
    write = pairs.multiply(inputs, vandermonde.powers(system, jnp.arange(T - 1, -1, -1)))
    return chunks.Chunk(
        kernel=vandermonde.kernel(system, pairs.multiply(parameters.C, system.gain), T),
        read=2 * jnp.concatenate([read.re, -read.im], axis=-1),
        write=pairs.stack_parts(write),
        carry=pairs.stack_parts(discretization.change(system, T)),
        last_carry=pairs.stack_parts(discretization.change(system, rest)),
    )


def _discrete(parameters: Parameters, method: str, rate: Rate) -> discretization.Discrete:
    """The transition, and the gain with B already in it."""
    checks.rate(rate)
    system = discretization.discretize(parameters.Lambda, (parameters.step * rate)[:, None], method)
    return system._replace(gain=pairs.multiply(system.gain, parameters.B))


def _constants(parameters: Parameters, system: discretization.Discrete) -> Constants:
    A_bar = pairs.exp(pairs.Pair(system.log_modulus, system.angle))
    return Constants(A_bar, system.gain, pairs.scale(parameters.C, 2.0), parameters.D, discretization.change(system))


def _prepared(
    parameters: Parameters,
    u: Array,
    state: pairs.Complexlike | None = None,
    resets: Array | None = None,
    method: str = "auto",
) -> tuple[Parameters, Array]:
    """Check all that a sequence is run with, and cast parameters and input to the dtype to compute in."""
    dtype = checks.compute_dtype(parameters, u)
    checks.real("u", u)
    parameters = _full(parameters)
    H, Nh = parameters.C.shape
    siso.check_input(u, state, resets, method=method, system=(H, Nh))
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
    for name, x in (("Lambda", Lambda), ("B", B)):
        checks.shape(name, x, C.shape if x.ndim == 2 else C.shape[1:])
    checks.shape("D", D, C.shape[:1])
    checks.shape("step", sample, C.shape[:1])
    H = C.shape[0]
    return Parameters(siso.spread(Lambda, H, 2), siso.spread(B, H, 2), C, D, sample)
