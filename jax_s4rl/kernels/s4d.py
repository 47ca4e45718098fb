"""S4D: one diagonal state space model per feature, for sequences, chunks and single steps.

`x_k = A_bar x_{k-1} + B_bar u_k`, `y_k = 2 Re(C x_k) + D u_k`, with one of each conjugate pair of
states kept. `jax_s4rl.kernels` describes the arguments that all families share.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import (
    _casting,
    _checks,
    _s4d_forms,
    _s4d_parameters,
    _sharding,
    _siso,
    convolution,
    discretization,
)
from jax_s4rl.kernels import (
    complex_pair as cplx,
)

METHODS, CHUNK = _siso.METHODS, _siso.CHUNK
Rate = _siso.Rate
Parameters = _s4d_parameters.Parameters


class Constants(NamedTuple):
    """The discretised system: `A_bar`, `B_bar` and `C` [H, Nh], `D` [H].

    `C` is doubled for the other half of each pair. `change` is `A_bar - 1` with all of its digits,
    which a step needs for long memories.
    """

    A_bar: cplx.Pair
    B_bar: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    change: cplx.Pair


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "zoh",
    rate: Rate = 1.0,
    chunk: int = CHUNK,
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
        method: `"fft"` and `"toeplitz"` convolve with the kernel and take no resets; `"chunked"`
            uses matrix products and a carried state, no complex number and no FFT; `"scan"` goes
            step by step; `"auto"` is `"chunked"` with resets, else the faster convolution for the
            sizes (in a program for TPU, `"chunked"` in place of `"fft"`).
        discretization: Rule, `"zoh"` or `"bilinear"`. Bilinear hardly damps modes faster than the
            samples, whose rounding then adds up: over long rows its methods differ more from each
            other than those of zoh.
        rate: Factor on the step.
        chunk: Length of the longest chunk of `"chunked"`.
        precision: Precision of matrix products with the data.
        mask: False at padding.
        intervals: Factor on the step of each sample; needs `"scan"`, or `"auto"`, which then runs a
            faster algorithm that keeps the states of all steps.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, [*batch, H, Nh].

    Raises:
        ValueError: Arguments outside the rules of `jax_s4rl.kernels`, or resets or intervals with a
            method that does not take them.

    Source:
        Gu et al. 2022 (S4D), equations (2), (6) and (7).

    Example:
        >>> import jax.numpy as jnp
        >>> ones = jnp.ones((1, 1))
        >>> Lambda, B, C = (cplx.as_pair(value * ones) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = apply(integrator, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    u = _casting.floating("u", u)
    options = {
        "state": state,
        "resets": resets,
        "mask": mask,
        "intervals": intervals,
        "method": method,
    }
    parameters, row = _prepared(parameters, u, rate, **options)
    in_parts = (
        _checks.length(chunk, "chunk"),
        _checks.choice("precision", precision, _casting.PRECISIONS),
    )
    system = _s4d_parameters.discrete(parameters, discretization)
    if intervals is not None:
        y, final = _s4d_forms.by_intervals(parameters, row, method, discretization)
    elif method == "scan":
        y, final = _siso.by_steps(step, _constants(parameters, system), row)
    elif method == "chunked" or resets is not None:
        y, final = _s4d_forms.by_chunks(*in_parts, parameters, system, row)
    # The platform is known only when the program is lowered, so both branches are traced.
    elif method == "auto" and convolution.fastest(u.shape) == "fft":
        y, final = _s4d_forms.by_platform(*in_parts, parameters, system, row)
    else:
        y, final = _s4d_forms.by_convolution(method, precision, parameters, system, row)
    return _siso.finished(y, final, row, u.dtype)


def apply_both_ways(
    forward: Parameters,
    backward: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    *,
    discretization: str = "zoh",
    rate: Rate = 1.0,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Float[Array, "*batch L H"]:
    """Runs one system over past and present and one over the future, with one input transform.

    Args:
        forward: System over the past and the present.
        backward: System over the future, from the next step on.
        u: Input, in whole rows.
        discretization: Rule, `"zoh"` or `"bilinear"`.
        rate: Factor on the step.
        mask: False at padding.

    Returns:
        Output in the shape and dtype of `u`.

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> import jax.numpy as jnp
        >>> Lambda, B, C = (cplx.as_pair(jnp.full((1, 1), value)) for value in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> bool(jnp.allclose(apply_both_ways(integrator, integrator, jnp.ones((3, 1))), 3.0))
        True
    """
    u, dtype = _casting.floating("u", u), _casting.compute_dtype(forward, backward, u)
    # `_prepared` gets the forward system alone; the cast of u gives it the dtype of both.
    ahead, row = _prepared(forward, u.astype(dtype), rate, mask=mask)
    behind = _s4d_parameters.scaled(_s4d_parameters.full(backward, dtype), rate)
    _checks.shape("C of the system over the future", behind.C, ahead.C.shape)
    # Under `shard_map`, own derivative rules need arrays that vary over the same mesh axes.
    ahead, behind, row = _sharding.vary_alike(ahead, behind, row)
    return _s4d_forms.both_ways(discretization, ahead, behind, row).astype(u.dtype)


def states(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    discretization: str = "zoh",
    rate: Rate = 1.0,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    intervals: Float[Array | np.ndarray, "*batch L"] | None = None,
) -> cplx.Pair:
    """Returns the state after every step, by `recurrence.scan`; arguments as in `apply`.

    Returns:
        States, Pair [*batch, L, H, Nh].

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> import jax.numpy as jnp
        >>> Lambda, B, C = (jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> states(integrator, jnp.ones((3, 1))).re[:, 0, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    options = {"state": state, "resets": resets, "mask": mask, "intervals": intervals}
    parameters, row = _prepared(parameters, u, rate, **options)
    return _siso.marked(_s4d_forms.states(parameters, row, discretization), row)


def kernel(
    parameters: Parameters, L: int, *, discretization: str = "zoh", rate: Rate = 1.0
) -> Float[Array, "H L"]:
    """Returns the impulse response of L steps, `K_l = 2 Re(C A_bar^l B_bar)`; D is not included.

    Args:
        parameters: System.
        L: Number of steps, at least 1; static.
        discretization: Rule, `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        The kernel to convolve with, [H, L], in the dtype of the parameters (float32 or float64).

    Raises:
        ValueError: Unknown discretization, shapes that do not match, L below 1, a rate that is not
            positive, or a known Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4D), equations (6) and (7).

    Example:
        >>> import jax.numpy as jnp
        >>> Lambda, B, C = (jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> kernel(integrator, 3)
        Array([[1., 1., 1.]], dtype=float32)
    """
    dtype = _casting.compute_dtype(parameters)
    parameters = _s4d_parameters.scaled(_s4d_parameters.full(parameters, dtype), rate)
    return _s4d_forms.kernel(parameters, L, discretization)


def prepare(parameters: Parameters, *, discretization: str = "zoh", rate: Rate = 1.0) -> Constants:
    """Discretises once, for many calls of `step`.

    Args:
        parameters: System.
        discretization: Rule, `"zoh"` or `"bilinear"`.
        rate: Factor on the step.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: As in `kernel`.

    Source:
        Gu et al. 2022 (S4D), section 2.2.

    Example:
        >>> import jax.numpy as jnp
        >>> Lambda, B, C = (jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> constants = prepare(integrator, rate=2.0)
        >>> constants.A_bar.re, constants.B_bar.re
        (Array([[1.]], dtype=float32), Array([[2.]], dtype=float32))
    """
    dtype = _casting.compute_dtype(parameters)
    parameters = _s4d_parameters.scaled(_s4d_parameters.full(parameters, dtype), rate)
    return _constants(parameters, _s4d_parameters.discrete(parameters, discretization))


def step(
    constants: Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Takes one step.

    Args:
        constants: Constants from `prepare`.
        u: Input of this step.
        state: State before the step, Pair [*batch, H, Nh].
        reset: True where an episode starts at this step.

    Returns:
        Output in the dtype of `u`, and the state after the step.

    Raises:
        ValueError: Shapes that do not match, an input that is not floating, or a reset that is not
            bool.

    Example:
        >>> import jax.numpy as jnp
        >>> Lambda, B, C = (jnp.full((1, 1), x) for x in (0.0, 1.0, 0.5))
        >>> integrator = Parameters(Lambda, B, C, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = step(prepare(integrator), jnp.ones(1), jnp.full((1, 1), 4.0))
        >>> float(y[0]), float(state.re[0, 0])
        (5.0, 5.0)
    """
    work, state, dtype = _siso.one_step(u, state, reset, constants)
    state = _s4d_forms.next_state(constants.change, constants.B_bar, state, work)
    return _siso.read(constants.C, constants.D, work, state).astype(dtype), state


def init_state(parameters: Parameters, batch_shape: cplx.Shape = ()) -> cplx.Pair:
    """Returns the state of zeros before the first step, Pair [*batch_shape, H, Nh].

    Example:
        >>> import jax.numpy as jnp
        >>> init_state(Parameters(*[jnp.ones((1, 1))] * 3, D=0.0, step=1.0), (2,)).shape
        (2, 1, 1)
    """
    return cplx.zeros(
        (*batch_shape, *cplx.as_pair(parameters.C).shape), _casting.compute_dtype(parameters)
    )


def _constants(parameters: Parameters, system: discretization.Discrete) -> Constants:
    # Log modulus and angle; the correction of the angle is about as small as the rounding of A_bar.
    A_bar = cplx.exp(cplx.Pair(*system[:2]))
    return Constants(
        A_bar,
        system.gain,
        cplx.scale(parameters.C, 2.0),
        parameters.D,
        discretization.change(system),
    )


def _prepared(
    parameters: Parameters, u: Any, rate: Rate, **options: Any
) -> tuple[Parameters, _siso.Row]:
    """Returns full parameters with the rate in their step, and the row, checked and cast."""
    dtype = _casting.compute_dtype(parameters, u)
    parameters = _s4d_parameters.full(parameters, dtype)
    row = _siso.ready(u, system=parameters.C.shape, dtype=dtype, **options)
    # Under `shard_map`, own derivative rules need arrays that vary over the same mesh axes.
    parameters, row = _sharding.vary_alike(parameters, row)
    return _s4d_parameters.scaled(parameters, rate), row
