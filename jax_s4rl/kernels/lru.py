"""Linear recurrent unit (LRU): a discrete diagonal system, eigenvalues inside the unit circle.

``x[k] = exp(Lambda) x[k-1] + gain (B u[k])``, ``y[k] = Re(C x[k]) + D u[k]``. `jax_s4rl.kernels`
describes the arguments that all families share.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _intervals, _mimo, recurrence
from jax_s4rl.kernels import complex_pair as cplx

METHODS = tuple(_mimo.METHODS)

Rate = _mimo.Rate


class Parameters(NamedTuple):
    """A system of P states with H inputs and outputs.

    `Lambda` (Pair [P]): logarithm of the eigenvalues, so its real part is minus the decay per step,
    ``-exp(log_decay)``, and its imaginary part the angle; `B` (Pair [P, H]), `C` (Pair [H, P]), or
    complex arrays; `D` [H]; and `gain` [P], which starts as `normalizer` and may be trained. `D`
    and `gain` may be one number for all. NumPy arrays are accepted.
    """

    Lambda: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"] | float
    gain: Float[Array, "P"] | float


def normalizer(Lambda: cplx.Complexlike) -> Float[Array, "P"]:
    """Returns the gain that keeps states driven by white noise at the variance of their input.

    It is ``sqrt(1 - |exp(Lambda)|^2)``.

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
    # 1 - |exp(Lambda)|^2 by `expm1`, without cancellation near the unit circle.
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
    """Runs over a sequence; pass the state returned to the next call to continue from there.

    `jax_s4rl.kernels` describes the arguments in full, and the effect of NaN and infinity.

    Args:
        parameters: System.
        u: Input.
        state: State before the first step.
        resets: True where an episode starts.
        method: `"scan"` (step by step), `"associative"`, `"chunked"`, or `"auto"`: `"chunked"` in a
            program for CPU, `"associative"` in one for GPU or TPU, wherever it is traced.
        rate: Factor on the step.
        chunk: Length of the longest chunk of `"chunked"`.
        precision: Precision of matrix products with the data.
        mask: False at padding.
        intervals: Factor on the step of each sample: sample k turns and damps the state by
            ``exp(Lambda rate intervals[k])``; the gain stays.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, [*batch, P].

    Raises:
        ValueError: Arguments outside the rules of `jax_s4rl.kernels`.

    Source:
        Orvieto et al. 2023 (LRU), equations (3) and (7).

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda = cplx.as_pair(jnp.log(jnp.array([0.5])))
        >>> halving = Parameters(Lambda, one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> y, state = apply(halving, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, rate, intervals)
    return _mimo.run(
        constants,
        u,
        state,
        resets,
        method=method,
        chunk=chunk,
        precision=precision,
        mask=mask,
        bad=bad,
    )


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
    """Returns the state after every step; arguments and NaN as in `apply`.

    Returns:
        States, Pair [*batch, L, P].

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda = cplx.as_pair(jnp.log(jnp.array([0.5])))
        >>> halving = Parameters(Lambda, one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> states(halving, jnp.ones((3, 1))).re[:, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, rate, intervals)
    return _mimo.states(
        constants,
        u,
        state,
        resets,
        method=method,
        chunk=chunk,
        precision=precision,
        mask=mask,
        bad=bad,
    )


def prepare(parameters: Parameters, *, rate: Rate = 1.0) -> _mimo.Constants:
    """Computes the eigenvalues and the scaled input matrix once, for many calls of `step`.

    Args:
        parameters: System.
        rate: Factor on the step: the eigenvalues become ``exp(rate Lambda)``; the gain stays.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> halved = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.full(1, 0.5))
        >>> prepare(halved).B_bar.re
        Array([[0.5]], dtype=float32)
    """
    return _system(parameters, rate, None)


def step(
    constants: _mimo.Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Takes one step; what the state held before a reset, NaN included, has no effect.

    Args:
        constants: Constants from `prepare`.
        u: Input of this step.
        state: State before the step, Pair [*batch, P].
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, an input that is not floating, or a reset that is not
            bool.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> counter = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> y, state = step(prepare(counter), jnp.ones(1), jnp.full(1, 4.0))
        >>> float(y[0]), float(state.re[0])
        (5.0, 5.0)
    """
    return _mimo.step(constants, u, state, reset)


def init_state(parameters: Parameters, batch_shape: cplx.Shape = ()) -> cplx.Pair:
    """Returns the state of zeros before the first step, Pair [*batch_shape, P].

    Example:
        >>> one = jnp.ones((1, 1))
        >>> counter = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> init_state(counter, (2,)).shape
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
    """Returns the constants of a sequence, and flags of samples with a non-finite interval."""
    if intervals is None:
        return _system(parameters, rate, None), None
    factors, bad = _intervals.ready(intervals, jnp.shape(u)[:-1], resets, mask)
    return _system(parameters, rate, factors[..., None]), bad  # An axis for the states.


def _system(
    parameters: Parameters, rate: Rate, factors: Float[Array, "*batch L 1"] | None
) -> _mimo.Constants:
    Lambda, B, C, D, gain = _mimo.settle(parameters, "gain")
    _checks.rate(rate)
    # The rate is cast, because a rate of float64 would widen Lambda and all that follows.
    Lambda = cplx.scale(Lambda, jnp.asarray(rate).astype(gain.dtype))
    if factors is not None:
        dtype = _casting.compute_dtype(gain, factors)
        # Leading axes are written out, since JAX may be set to refuse implicit ones.
        Lambda = cplx.with_ndim(cplx.astype(Lambda, dtype), factors.ndim)
        Lambda = cplx.scale(Lambda, factors.astype(dtype))
    # `exp(Lambda) - 1` with all of its digits, which long memories depend on. `recurrence.scan`
    # takes it only for factors that are constant in time.
    change = cplx.expm1(Lambda) if factors is None else None
    return _mimo.Constants(cplx.exp(Lambda), cplx.scale(B, gain[:, None]), C, D, change=change)
