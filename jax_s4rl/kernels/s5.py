"""S5: one diagonal state space model that takes in and gives out all features, in every form.

``x[k] = A_bar x[k-1] + B_bar u[k]``, ``y[k] = 2 Re(C x[k]) + D u[k]``, one of each conjugate pair of states kept. The
recurrence carries resets at no cost in form, so it is the first choice where episodes are packed into rows.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, _mimo, discretization, recurrence
from jax_s4rl.kernels import complex_pair as cplx

METHODS = tuple(_mimo.METHODS)

Rate = _mimo.Rate


class Parameters(NamedTuple):
    """A continuous system of P conjugate pairs with H inputs and outputs.

    `Lambda` (Pair [P], real part negative), `B` (Pair [P, H]), `C` (Pair [H, P]), or complex arrays; `D` [H]; `step`
    [P], positive, in the time unit of Lambda. `D` and `step` may be one number for all. Arrays may be those of NumPy.
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
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step: 2 runs a model on data sampled half as often.
        chunk: Longest chunk of `"chunked"`.
        precision: Of the matrix products with inputs and states: `"default"`, `"high"` or `"highest"`, as of
            `jax.lax.Precision`; on CPU all are one.
        mask: False at padding, whose input enters as zero (time goes on there: the state decays and turns as usual).
        intervals: Factor on the step of each sample, if time between samples varies: sample k is discretised with
            ``step rate intervals[k]``. Counts as 1 at padding.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, P].

    Raises:
        ValueError: Unknown method, discretization or precision, shapes that do not match, an integer input, L < 1, a
            known negative interval, or a known Lambda with a positive real part.

    Source:
        Smith et al. 2023 (S5), equations (2), (6) and section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Parameters(cplx.as_pair(jnp.zeros(1)), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = apply(integrator, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([2., 4., 6.], dtype=float32)
        >>> apply(integrator, jnp.ones((3, 1)), intervals=jnp.array([1.0, 0.5, 2.0]))[0][:, 0]
        Array([2., 3., 7.], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, discretization, rate, intervals)
    return _mimo.run(constants, u, state, resets, method=method, chunk=chunk, precision=precision, mask=mask, bad=bad)


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
    """The state after every step, Pair [*batch, L, P].

    Args, errors and the treatment of NaN are those of `apply`.

    Example:
        >>> import jax.numpy as jnp
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Parameters(cplx.as_pair(jnp.zeros(1)), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> states(integrator, jnp.ones((3, 1))).re[:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    constants, bad = _constants(parameters, u, resets, mask, discretization, rate, intervals)
    return _mimo.states(
        constants, u, state, resets, method=method, chunk=chunk, precision=precision, mask=mask, bad=bad
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
    """Run one system over the past and the present and another over the future.

    Args:
        forward: The system over the past and the present, with its D.
        backward: The system over the future, from the next step on; its D is not used.
        u: Input; whole rows only, as nothing can be carried on from either end.
        resets: True where an episode starts: no step sees another episode, before or behind it.
        mask: False at padding, whose input enters as zero.
        method: As of `apply`.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step.
        chunk: Longest chunk of `"chunked"`.
        precision: As of `apply`.

    Returns:
        Output in the shape and dtype of `u`.

    Raises:
        ValueError: As `apply`.

    Source:
        Smith et al. 2023 (S5), appendix on the bidirectional model for text; Goel et al. 2022 (SaShiMi), section 4.2.

    Example:
        >>> import jax.numpy as jnp
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> integrator = Parameters(cplx.as_pair(jnp.zeros(1)), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> apply_both_ways(integrator, integrator, jnp.array([[1.0], [2.0], [4.0]]))[:, 0]
        Array([14., 14., 14.], dtype=float32)
    """
    ahead, behind = (prepare(x, discretization=discretization, rate=rate) for x in (forward, backward))
    return _mimo.run_both_ways(ahead, behind, u, resets, method=method, chunk=chunk, precision=precision, mask=mask)


def prepare(parameters: Parameters, *, discretization: str = "zoh", rate: Rate = 1.0) -> _mimo.Constants:
    """Discretise once, for many calls of `step`; the C kept is doubled for the other half of each pair.

    Raises:
        ValueError: As `apply`.

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
    return _mimo.Constants(_transition(system), B_bar, cplx.scale(C, 2.0), D, change=_change(system))


def step(
    constants: _mimo.Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Take one step: `mimo.step`.

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
    """State of zeros, Pair [*batch_shape, P], before the first step.

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
    """The constants of a sequence, and the samples whose interval is not finite."""
    if intervals is None:
        return prepare(parameters, discretization=discretization, rate=rate), None
    factors, bad = _mimo.intervals(intervals, u, resets, mask)
    Lambda, B, C, D, spacing = _mimo.settle(parameters, "step")
    _checks.rate(rate)
    dtype = _casting.compute_dtype(spacing, factors)
    spacing = (spacing * jnp.asarray(rate).astype(spacing.dtype)).astype(dtype)
    spacing = spacing.reshape((1,) * (factors.ndim - 1) + (-1,)) * factors.astype(dtype)
    Lambda = cplx.with_ndim(cplx.astype(Lambda, dtype), factors.ndim)
    system = _discretize(Lambda, spacing, discretization)
    return _mimo.Constants(_transition(system), B, cplx.scale(C, 2.0), D, system.gain), bad


def _transition(system: discretization.Discrete) -> cplx.Pair:
    return cplx.exp(cplx.Pair(system.log_modulus, system.angle))


# The argument `discretization` hides the module of that name inside the functions above.
_discretize, _change = discretization.discretize, discretization.change
