"""S5: one diagonal state space model with all features as inputs and outputs.

``x[k] = A_bar x[k-1] + B_bar u[k]``, ``y[k] = 2 Re(C x[k]) + D u[k]``, with one of each conjugate
pair of states kept. Resets do not change the form of the recurrence, so S5 is the first choice if
episodes are packed into rows. `jax_s4rl.kernels` describes the arguments that all families share.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _intervals, _mimo, discretization, recurrence
from jax_s4rl.kernels import complex_pair as cplx

METHODS = tuple(_mimo.METHODS)

Rate = _mimo.Rate


class Parameters(NamedTuple):
    """A continuous system of P conjugate pairs with H inputs and outputs.

    `Lambda` (Pair [P], real part negative), `B` (Pair [P, H]), `C` (Pair [H, P]), or complex
    arrays; `D` [H]; `step` [P], positive, in the time unit of Lambda. `D` and `step` may be one
    number for all. NumPy arrays are accepted.
    """

    Lambda: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"] | float
    step: Float[Array, "P"] | float


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "zoh",
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
        discretization: Rule, `"zoh"` or `"bilinear"`.
        rate: Factor on the step.
        chunk: Length of the longest chunk of `"chunked"`.
        precision: Precision of matrix products with the data.
        mask: False at padding.
        intervals: Factor on the step of each sample: sample k is discretised with
            ``step rate intervals[k]``.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, [*batch, P].

    Raises:
        ValueError: Arguments outside the rules of `jax_s4rl.kernels`.

    Source:
        Smith et al. 2023 (S5), equations (2), (6) and section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda, D = cplx.as_pair(jnp.zeros(1)), jnp.zeros(1)
        >>> integrator = Parameters(Lambda, one, one, D, step=jnp.ones(1))
        >>> y, state = apply(integrator, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([2., 4., 6.], dtype=float32)
        >>> apply(integrator, jnp.ones((3, 1)), intervals=jnp.array([1.0, 0.5, 2.0]))[0][:, 0]
        Array([2., 3., 7.], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, discretization, rate, intervals)
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
    discretization: str = "zoh",
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
        >>> import jax.numpy as jnp
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda, D = cplx.as_pair(jnp.zeros(1)), jnp.zeros(1)
        >>> integrator = Parameters(Lambda, one, one, D, step=jnp.ones(1))
        >>> states(integrator, jnp.ones((3, 1))).re[:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, discretization, rate, intervals)
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


def apply_both_ways(
    forward: Parameters,
    backward: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    *,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    method: str = "auto",
    discretization: str = "zoh",
    rate: Rate = 1.0,
    chunk: int = recurrence.CHUNK,
    precision: str = "highest",
) -> Float[Array, "*batch L H"]:
    """Runs one system over the past and the present and another over the future.

    Args:
        forward: System over the past and the present.
        backward: System over the future, from the next step on.
        u: Input, in whole rows.
        resets: True where an episode starts; nothing passes between episodes in either direction.
        mask: False at padding.
        method: Method as in `apply`.
        discretization: Rule, `"zoh"` or `"bilinear"`.
        rate: Factor on the step.
        chunk: Length of the longest chunk of `"chunked"`.
        precision: Precision of matrix products with the data.

    Returns:
        Output in the shape and dtype of `u`.

    Raises:
        ValueError: As in `apply`.

    Source:
        Smith et al. 2023 (S5), appendix on the bidirectional model for text; Goel et al. 2022
        (SaShiMi), section 4.2.

    Example:
        >>> import jax.numpy as jnp
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda, D = cplx.as_pair(jnp.zeros(1)), jnp.zeros(1)
        >>> integrator = Parameters(Lambda, one, one, D, step=jnp.ones(1))
        >>> apply_both_ways(integrator, integrator, jnp.array([[1.0], [2.0], [4.0]]))[:, 0]
        Array([14., 14., 14.], dtype=float32)
    """
    ahead, behind = (
        prepare(x, discretization=discretization, rate=rate) for x in (forward, backward)
    )
    return _mimo.run_both_ways(
        ahead, behind, u, resets, method=method, chunk=chunk, precision=precision, mask=mask
    )


def prepare(
    parameters: Parameters, *, discretization: str = "zoh", rate: Rate = 1.0
) -> _mimo.Constants:
    """Discretises once, for many calls of `step`.

    Args:
        parameters: System.
        discretization: Rule, `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        Constants in the dtype of the parameters, with `C` doubled for the other half of each pair.

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> import jax.numpy as jnp
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> prepare(integrator, rate=2.0).B_bar.re
        Array([[2.]], dtype=float32)
    """
    Lambda, B, C, D, spacing = _mimo.settle(parameters, "step")
    _checks.rate(rate)
    system = _discretize(Lambda, spacing * jnp.asarray(rate).astype(spacing.dtype), discretization)
    B_bar = cplx.multiply(cplx.Pair(system.gain.re[:, None], system.gain.im[:, None]), B)
    return _mimo.Constants(
        _transition(system), B_bar, cplx.scale(C, 2.0), D, change=_change(system)
    )


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
        >>> import jax.numpy as jnp
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = step(prepare(integrator), jnp.full(1, 3.0), init_state(integrator))
        >>> float(y[0]), float(state.re[0])
        (6.0, 3.0)
    """
    return _mimo.step(constants, u, state, reset)


def init_state(parameters: Parameters, batch_shape: cplx.Shape = ()) -> cplx.Pair:
    """Returns the state of zeros before the first step, Pair [*batch_shape, P].

    Example:
        >>> import jax.numpy as jnp
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> init_state(integrator, (2,)).shape
        (2, 1)
    """
    return cplx.zeros((*batch_shape, *parameters.Lambda.shape), _casting.compute_dtype(parameters))


def _constants(
    parameters: Parameters,
    u: _mimo.Inputs,
    resets: _mimo.Flags | None,
    mask: _mimo.Flags | None,
    discretization: str,
    rate: Rate,
    intervals: Float[Array | np.ndarray, "*batch L"] | None,
) -> tuple[_mimo.Constants, Bool[Array, "*batch L"] | None]:
    """Returns the constants of a sequence, and flags of samples with a non-finite interval."""
    if intervals is None:
        return prepare(parameters, discretization=discretization, rate=rate), None
    factors, bad = _intervals.ready(intervals, jnp.shape(u)[:-1], resets, mask)
    factors = factors[..., None]  # An axis for the states.
    Lambda, B, C, D, spacing = _mimo.settle(parameters, "step")
    _checks.rate(rate)
    dtype = _casting.compute_dtype(spacing, factors)
    spacing = (spacing * jnp.asarray(rate).astype(spacing.dtype)).astype(dtype)
    # Leading axes are written out, since JAX may be set to refuse implicit ones.
    spacing = spacing.reshape((1,) * (factors.ndim - 1) + (-1,)) * factors.astype(dtype)
    Lambda = cplx.with_ndim(cplx.astype(Lambda, dtype), factors.ndim)
    system = _discretize(Lambda, spacing, discretization)
    # The gain of each sample multiplies B u: a B_bar for each sample would be H times as large.
    # `change` is left out: `recurrence.scan` takes it only for factors that are constant in time.
    return _mimo.Constants(_transition(system), B, cplx.scale(C, 2.0), D, system.gain), bad


def _transition(system: discretization.Discrete) -> cplx.Pair:
    # The correction of the angle is left out: it is about as small as the rounding of A_bar.
    return cplx.exp(cplx.Pair(system.log_modulus, system.angle))


# The argument `discretization` hides the module of the same name inside the functions above.
_discretize, _change = discretization.discretize, discretization.change
