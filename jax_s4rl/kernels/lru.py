"""The linear recurrent unit: a discrete diagonal system with its eigenvalues inside the unit circle, in every form.

``x[k] = exp(Lambda) x[k-1] + gain (B u[k])``, ``y[k] = Re(C x[k]) + D u[k]``.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _mimo, recurrence
from jax_s4rl.kernels import complex_pair as cplx

METHODS = tuple(_mimo.METHODS)

Rate = _mimo.Rate


class Parameters(NamedTuple):
    """A system of P states with H inputs and outputs.

    `Lambda` (Pair [P]): logarithm of the eigenvalues, so minus the decay per step, ``-exp(log_decay)``, and the angle;
    `B` (Pair [P, H]), `C` (Pair [H, P]), or complex arrays; `D` [H]; and `gain` [P], which starts as `normalizer` and
    may be trained. `D` and `gain` may be one number for all. Arrays may be those of NumPy.
    """

    Lambda: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"] | float
    gain: Float[Array, "P"] | float


def normalizer(Lambda: cplx.Complexlike) -> Float[Array, "P"]:
    """The gain that keeps states driven by white noise at the variance of their input.

    ``sqrt(1 - |exp(Lambda)|^2)``, made as ``sqrt(-expm1(2 Re Lambda))``: no cancellation near the unit circle.

    Args:
        Lambda: Logarithm of the eigenvalues, real part negative (at 0 the derivative is infinite).

    Returns:
        The gains, between 0 and 1.

    Source:
        Orvieto et al. 2023 (LRU), equation (7).

    Example:
        >>> normalizer(cplx.Pair(jnp.log(jnp.array([0.6])), jnp.ones(1)))
        Array([0.8], dtype=float32)
    """
    return jnp.sqrt(-jnp.expm1(2 * cplx.as_pair(Lambda).re))


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    rate: Rate = 1.0,
    chunk: int = recurrence.CHUNK,
    precision: str = "highest",
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    intervals: Float[Array | np.ndarray, "*batch L"] | None = None,
) -> tuple[Float[Array, "*batch L H"], cplx.Pair]:
    """Run over a sequence; hand the state returned to the next call to go on where this one ended.

    A NaN or infinity in an input or in the start state reaches the outputs up to the next reset, as NaN, and neither
    later outputs nor the gradient of a loss on them. Without resets it spoils the rest of its row and the gradient of
    all parameters; padding that may hold one is kept out by `mask`.

    Args:
        parameters: The system; computed in float32, or in float64 if parameters or input are.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, P]; zero if not given.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"scan"` (step by step), `"associative"`, `"chunked"`, or `"auto"`: `"chunked"` in a program for CPU,
            `"associative"` in one for GPU or TPU, wherever it is traced.
        rate: Factor on the step: 2 runs a model on data sampled half as often.
        chunk: Longest chunk of `"chunked"`.
        precision: Of the matrix products with inputs and states: `"default"`, `"high"` or `"highest"`, as of
            `jax.lax.Precision`; on CPU all are one.
        mask: False at padding, whose input enters as zero (time goes on there: the state decays and turns as usual).
        intervals: Factor on the step of each sample, if time between samples varies: sample k turns and damps the state
            by ``exp(Lambda rate intervals[k])``; the gain stays. Counts as 1 at padding.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, P].

    Raises:
        ValueError: Unknown method or precision, shapes that do not match, an integer input, L < 1, a known negative
            interval, or a known Lambda with a positive real part.

    Source:
        Orvieto et al. 2023 (LRU), equations (3) and (7).

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> halving = Parameters(cplx.as_pair(jnp.log(jnp.array([0.5]))), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> y, state = apply(halving, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, rate, intervals)
    return _mimo.run(constants, u, state, resets, method=method, chunk=chunk, precision=precision, mask=mask, bad=bad)


def states(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    rate: Rate = 1.0,
    chunk: int = recurrence.CHUNK,
    precision: str = "highest",
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    intervals: Float[Array | np.ndarray, "*batch L"] | None = None,
) -> cplx.Pair:
    """The state after every step, Pair [*batch, L, P].

    Args, errors and the treatment of NaN are those of `apply`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> halving = Parameters(cplx.as_pair(jnp.log(jnp.array([0.5]))), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> states(halving, jnp.ones((3, 1))).re[:, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, rate, intervals)
    return _mimo.states(
        constants, u, state, resets, method=method, chunk=chunk, precision=precision, mask=mask, bad=bad
    )


def prepare(parameters: Parameters, *, rate: Rate = 1.0) -> _mimo.Constants:
    """The eigenvalues and the scaled inputs, once for many calls of `step`.

    Args:
        parameters: The system.
        rate: Factor on the step: the eigenvalues become ``exp(rate Lambda)``; the gain stays.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: As `apply`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> prepare(Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.full(1, 0.5))).B_bar.re
        Array([[0.5]], dtype=float32)
    """
    return _system(parameters, rate, None)


def step(
    constants: _mimo.Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Take one step: `mimo.step`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> counter = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> y, state = step(prepare(counter), jnp.ones(1), jnp.full(1, 4.0))
        >>> float(y[0]), float(state.re[0])
        (5.0, 5.0)
    """
    return _mimo.step(constants, u, state, reset)


def init_state(parameters: Parameters, batch_shape: cplx.Shape = ()) -> cplx.Pair:
    """State of zeros, Pair [*batch_shape, P], before the first step.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> init_state(Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.ones(1)), (2,)).shape
        (2, 1)
    """
    return cplx.zeros((*batch_shape, *parameters.Lambda.shape), _casting.compute_dtype(parameters))


def _constants(
    parameters: Parameters,
    u: _mimo.Inputs,
    resets: _mimo.Flags | None,
    mask: _mimo.Flags | None,
    rate: Rate,
    intervals: Float[Array | np.ndarray, "*batch L"] | None,
) -> tuple[_mimo.Constants, Bool[Array, "*batch L"] | None]:
    """The constants of a sequence, and the samples whose interval is not finite."""
    factors, bad = (None, None) if intervals is None else _mimo.intervals(intervals, u, resets, mask)
    return _system(parameters, rate, factors), bad


def _system(parameters: Parameters, rate: Rate, factors: Float[Array, "*batch L 1"] | None) -> _mimo.Constants:
    Lambda, B, C, D, gain = _mimo.settle(parameters, "gain")
    _checks.rate(rate)
    Lambda = cplx.scale(Lambda, jnp.asarray(rate).astype(gain.dtype))
    if factors is not None:
        dtype = _casting.compute_dtype(gain, factors)
        Lambda = cplx.with_ndim(cplx.astype(Lambda, dtype), factors.ndim)
        Lambda = cplx.scale(Lambda, factors.astype(dtype))
    change = cplx.expm1(Lambda) if factors is None else None
    return _mimo.Constants(cplx.exp(Lambda), cplx.scale(B, gain[:, None]), C, D, change=change)
