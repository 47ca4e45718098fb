"""S4: one diagonal-plus-low-rank state space model a feature: whole sequence, chunk after chunk, scan and step.

`x' = (diag(Lambda) - P P*) x + B u`, `y = 2 Re(C x) + D u`, with one of each conjugate pair of states kept. C is
either the output matrix itself (`length=None`), good for any length, or, as S4 trains it, truncated for one `length`:
then the kernel is a Cauchy sum without powers of a matrix, the faster of the two. `truncate` and `restore` lead from
one to the other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import cauchy, checks, chunks, convolution, dplr, krylov, pairs, siso, solving

METHODS, CHUNK = siso.METHODS, siso.CHUNK
Rate = siso.Rate


class Parameters(NamedTuple):
    """A continuous DPLR system for each of H features, Nh conjugate pairs and low rank R (1 or 2) each.

    `Lambda`, `B` (Pair [H, Nh], or [Nh] where all features share them), `P` (Pair [H, R, Nh] or [R, Nh]), `C` (Pair
    [H, Nh]), or complex arrays; `D` [H]; `step` [H], positive, in the time unit of Lambda, whose real part must be
    negative.
    """

    Lambda: pairs.Pair
    P: pairs.Pair
    B: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]
    step: Float[Array, "H"]


class Constants(NamedTuple):
    """The discretised system: O(N) or dense form, true output weights `C` (doubled, Pair [H, Nh]) and `D` [H]."""

    system: dplr.Steps | dplr.Dense
    C: pairs.Pair
    D: Float[Array, "H"]


def apply(
    parameters: Parameters,
    u: Float[Array, "*batch L H"],
    state: pairs.Complexlike | None = None,
    resets: Bool[Array, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
    chunk: int = CHUNK,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """Run over a sequence; hand the state returned to the next call to go on where this one ended.

    Args:
        parameters: The system; computed in float32, or in float64 where parameters or input are.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, H, Nh]; zero where not given.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"fft"` and `"toeplitz"` convolve with the kernel (no resets); `"chunked"` takes matrix products and a
            carried state, no complex number and no FFT; `"scan"` goes step by step; `"auto"` is `"chunked"` with a
            state or resets, else the faster convolution for the length.
        discretization: `"bilinear"`, or `"zoh"` (with `length=None` only).
        rate: Factor on the step: 2 runs a model on data sampled half as often (with `length=None` only).
        length: Length for which C is truncated, at least L; None where it is the output matrix itself.
        chunk: Longest chunk of `"chunked"`.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, H, Nh].

    Raises:
        ValueError: Unknown method, resets with a convolution, shapes that do not match, an integer input, L < 1, a
            known Lambda with a positive real part, or a truncated C with zoh, another rate or a longer row.

    Source:
        Gu et al. 2022 (S4), equations (3) to (5) and section 3.

    Example:
        >>> Lambda, B, C = (pairs.as_pair(jnp.full((1, 1), value)) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, pairs.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> y, state = apply(leaky, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1., 1., 1.], dtype=float32)
    """
    dtype = checks.compute_dtype(parameters, u)
    checks.real("u", u)
    parameters, work = _full(parameters, dtype), u.astype(dtype)
    H, Nh = parameters.C.shape
    siso.check_input(u, state, resets, method=method, system=(H, Nh))
    state = None if state is None else pairs.astype(state, dtype)
    options = {"discretization": discretization, "rate": rate, "length": length}
    if method == "scan":
        y, state = siso.by_steps(step, prepare(parameters, **options), work, state, resets)
    elif method == "chunked" or resets is not None or (method == "auto" and state is not None):
        true, system = _dense(parameters, **options)
        constants = krylov.chunk(system, _weights(true.C), u.shape[-2], checks.length(chunk, "chunk"))
        y, state = siso.by_chunks(constants, work, state, resets)
        y = y + siso.skip(parameters.D, work)
    else:
        y, state = _by_convolution(parameters, work, state, method, options)
    return y.astype(u.dtype), state


def kernel(
    parameters: Parameters,
    L: int,
    *,
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
) -> Float[Array, "H L"]:
    """Impulse response of L steps (D not included), to convolve with: `K_l = 2 Re(C A_bar^l B_bar)`.

    With `length` a Cauchy sum over `length // 2 + 1` nodes, cut to L; without it two levels of matrix powers.

    Args:
        parameters: The system.
        L: Number of steps, at least 1; static.
        discretization: `"bilinear"`, or `"zoh"` (with `length=None` only).
        rate: Factor on the step (with `length=None` only).
        length: Length for which C is truncated, at least L; None where it is the output matrix itself.

    Returns:
        The kernel, [H, L], in the dtype of the parameters (float32 or float64).

    Raises:
        ValueError: Shapes that do not match, L below 1, a known Lambda with a positive real part, or a truncated C with
            zoh, another rate or a longer row.

    Source:
        Gu et al. 2022 (S4), equation (5) and algorithm 1.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> bool(jnp.allclose(kernel(leaky, 3), jnp.array([[1.0, 0.0, 0.0]])))
        True
    """
    parameters = _full(parameters, checks.compute_dtype(parameters))
    checks.length(L)
    if length is None:
        parameters, system = _dense(parameters, discretization, rate)
        return krylov.kernel(system, _weights(parameters.C), L)
    _check_truncated(discretization, rate)
    if checks.length(length, "length") < L:
        raise ValueError(f"C is truncated for {length} steps, got {L}; call s4.restore first, then leave out length")
    Lambda, P, B, C, _, sample = parameters
    return cauchy.kernel(Lambda, P, B, C, step=sample, L=length)[:, :L]


def truncate(parameters: Parameters, length: int, wrap: float = cauchy.WRAP) -> Parameters:
    """Replace C by `C (I - wrap A_bar^length)`, for calls with that `length`; in float64 on the host where possible.

    Calls of this module take C truncated with the default `wrap`; 1 is the truncation of the S4 paper.

    Args:
        parameters: The system, with the output matrix itself as C.
        length: Number of steps to truncate for, at least 1; static.
        wrap: Weight that the steps after these wrap around with, in (0, 1].

    Returns:
        The same system with the truncated C.

    Raises:
        ValueError: Shapes that do not match, a length below 1, or a known Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4), appendix C.3.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> truncate(leaky._replace(step=jnp.full(1, 2 / 3)), 1, wrap=0.5).C.re
        Array([[0.375]], dtype=float32)
    """
    return _convert(parameters, length, wrap, lambda C, rest, xp: (C[:, None] @ rest)[:, 0])


def restore(parameters: Parameters, length: int, wrap: float = cauchy.WRAP) -> Parameters:
    """Inverse of `truncate`: the true C of parameters trained with `length`, in float64 on the host where possible.

    With `wrap=1` (weights trained by the paper's own code) the matrix to invert is nearly singular where `length`
    steps are a short time; with the default its condition number is at most a few.

    Args:
        parameters: The system, with a truncated C.
        length: Number of steps that C is truncated for, at least 1; static.
        wrap: As `truncate` was given.

    Returns:
        The same system with the output matrix itself as C.

    Raises:
        ValueError: As `truncate`.

    Source:
        Gu et al. 2022 (S4), appendix C.3.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> restore(truncate(leaky, 16), 16).C.re
        Array([[0.5]], dtype=float32)
    """

    def solve(C, rest, xp):
        turned = xp.swapaxes(rest, -1, -2)
        return np.linalg.solve(turned, C[..., None])[..., 0] if xp is np else solving.solve(turned, C)

    return _convert(parameters, length, wrap, solve)


def prepare(
    parameters: Parameters, *, discretization: str = "bilinear", rate: Rate = 1.0, length: int | None = None
) -> Constants:
    """Discretise once, for many calls of `step`: in float64 on the host where the values are known.

    Args:
        parameters: The system.
        discretization: `"bilinear"` (O(N) a step) or `"zoh"` (O(N^2)).
        rate: Factor on the step.
        length: Length for which C is truncated, None where it is the output matrix itself.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: Unknown discretization, shapes that do not match, a rate that is not positive, a known Lambda with
            a positive real part, or a truncated C with zoh or another rate.

    Source:
        Gu et al. 2022 (S4), equation (3) and appendix C.2.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> constants = prepare(leaky)
        >>> constants.system.A_d.re, constants.system.B_bar.re
        (Array([[0.]], dtype=float32), Array([[1.]], dtype=float32))
    """
    dtype = checks.compute_dtype(parameters)
    parameters = _full(parameters, dtype)
    checks.choice("discretization", discretization, dplr.METHODS)
    checks.rate(rate)
    if length is not None:
        _check_truncated(discretization, rate)
        parameters = restore(parameters, length)
    Lambda, P, B, C, D, sample = parameters
    if checks.is_concrete(parameters, rate):
        system = dplr.discretize_on_host(Lambda, P, B, sample, discretization, rate)
    else:
        system = dplr.discretize(Lambda, P, B, sample * rate, discretization)
    return Constants(jax.tree.map(lambda x: jnp.asarray(x, dtype), system), pairs.scale(C, 2.0), D)


def step(
    constants: Constants,
    u: Float[Array, "*batch H"],
    state: pairs.Complexlike,
    reset: Bool[Array, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], pairs.Pair]:
    """Take one step, in O(N) a feature.

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
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> y, state = step(prepare(leaky), jnp.full(1, 3.0), init_state(leaky))
        >>> float(y[0]), float(state.re[0, 0])
        (3.0, 3.0)
    """
    state = pairs.as_pair(state)
    checks.one_step(u, state, reset, system=constants.C.shape, features=constants.C.shape[0])
    state = siso.cleared(state, reset)
    work, system = u.astype(state.dtype), constants.system
    if isinstance(system, dplr.Steps):
        moved, B_bar = dplr.moved(system, state), system.B_bar
    else:
        moved = jnp.einsum("hij,...hj->...hi", system.change, pairs.stack_parts(state), precision=chunks.EXACT)
        moved, B_bar = pairs.split_parts(moved), pairs.split_parts(system.B_bar)
    # The small terms first: what is added to the state is then rounded once.
    added = pairs.add(moved, pairs.scale(pairs.with_ndim(B_bar, state.ndim), work[..., None]))
    state = pairs.add(state, added)
    return siso.read(constants.C, constants.D, work, state).astype(u.dtype), state


def init_state(parameters: Parameters, batch_shape: tuple[int, ...] = ()) -> pairs.Pair:
    """State of zeros, Pair [*batch_shape, H, Nh], before the first step.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> leaky = Parameters(Lambda, jnp.zeros((1, 1, 1)), B, C, D=jnp.zeros(1), step=jnp.full(1, 2.0))
        >>> init_state(leaky, (2,)).shape
        (2, 1, 1)
    """
    return pairs.zeros((*batch_shape, *parameters.C.shape), checks.compute_dtype(parameters))


def _by_convolution(parameters: Parameters, u: Array, state: pairs.Pair | None, method: str, options: dict[str, Any]):
    L = u.shape[-2]
    y = convolution.causal(u, siso.with_skip(kernel(parameters, L, **options), parameters.D), method=method)
    if state is None:
        # The final state needs no output weights: without them nothing has to be restored.
        options = options | {"length": None}
    parameters, system = _dense(parameters, **options)
    constants = krylov.chunk(system, _weights(parameters.C), L, CHUNK)
    if state is not None:
        y = y + siso.by_chunks(constants, jnp.zeros_like(u), state, None)[0]
    final = siso.half_state(chunks.states(constants, *siso.rows(constants, u, state))[1], u.shape[:-2])
    return y, final


def _dense(
    parameters: Parameters, discretization: str = "bilinear", rate: Rate = 1.0, length: int | None = None
) -> tuple[Parameters, dplr.Dense]:
    """Parameters with their true C, and the discretised system as real matrices."""
    checks.choice("discretization", discretization, dplr.METHODS)
    checks.rate(rate)
    if length is not None:
        _check_truncated(discretization, rate)
        parameters = restore(parameters, length)
    Lambda, P, B, _, _, sample = parameters
    system = dplr.discretize(Lambda, P, B, sample * rate, discretization)
    return parameters, dplr.dense(system) if isinstance(system, dplr.Steps) else system


def _convert(parameters: Parameters, length: int, wrap: float, change: Callable[..., Any]) -> Parameters:
    """Apply `change(C, I - wrap A_bar^length)` to the real form of C."""
    dtype = checks.compute_dtype(parameters)
    parameters = _full(parameters, dtype)
    checks.length(length, "length")
    if checks.is_concrete(parameters):
        Lambda, P, B, _, _, sample = parameters
        xp, system = np, dplr.dense(dplr.discretize_on_host(Lambda, P, B, sample, "bilinear"), np)
        C = np.concatenate([parameters.C.re, -parameters.C.im], -1).astype(np.float64)
    else:
        xp, system = jnp, _dense(parameters)[1]
        C = jnp.concatenate([parameters.C.re, -parameters.C.im], -1)
    kept = (1 - wrap) * xp.eye(C.shape[-1], dtype=C.dtype)[None]
    rest = kept - wrap * dplr.power_change(system.change, length, xp)
    re, im = jnp.split(jnp.asarray(change(C, rest, xp), dtype), 2, axis=-1)
    return parameters._replace(C=pairs.Pair(re, -im))


def _full(parameters: Parameters, dtype: Any) -> Parameters:
    """Check the shapes, spread what all features share, and compute in one dtype."""
    Lambda, P, B, C, D, sample = pairs.in_fields(parameters, "Lambda", "P", "B", "C")
    checks.stable(Lambda)
    if C.ndim != 2:
        raise ValueError(f"C has shape {tuple(C.shape)}, expected (H, Nh); vmap over further axes")
    H, Nh = C.shape
    rank = P.shape[-2] if P.ndim > 1 else 1
    for name, x, shape in (("Lambda", Lambda, (H, Nh)), ("P", P, (H, rank, Nh)), ("B", B, (H, Nh))):
        checks.shape(name, x, shape if x.ndim == len(shape) else shape[1:])
    for name, x in (("D", D), ("step", sample)):
        checks.real(name, x)
        checks.shape(name, x, (H,))
    checks.spacing("step", sample)
    wide = Parameters(siso.spread(Lambda, H, 2), siso.spread(P, H, 3), siso.spread(B, H, 2), C, D, sample)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), wide)


def _check_truncated(discretization: str, rate: Rate) -> None:
    if discretization != "bilinear" or not isinstance(rate, float | int) or rate != 1:
        raise ValueError(
            f"a truncated C is bound to the bilinear rule at rate 1, got {discretization!r} at rate {rate}; "
            "call s4.restore first, then leave out length"
        )


def _weights(C: pairs.Pair) -> Float[Array, "H N"]:
    """Output weights on the real state: `2 Re(C x)`."""
    return 2 * jnp.concatenate([C.re, -C.im], -1)
