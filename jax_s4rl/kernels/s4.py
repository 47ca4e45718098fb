"""S4: one diagonal-plus-low-rank state space model per feature, for sequences and single steps.

`x' = (diag(Lambda) - P P*) x + B u`, `y = 2 Re(C x) + D u`, with one of each conjugate pair of
states kept. C is either the output matrix itself (`length=None`), good for any length, or, as S4
trains it, truncated for one `length`: then the kernel is a Cauchy sum without powers of a matrix,
the faster of the two. `truncate` and `restore` convert one into the other.
`jax_s4rl.kernels` describes the arguments that all families share.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import (
    _casting,
    _checks,
    _dplr,
    _s4_forms,
    _s4_parameters,
    _sharding,
    _siso,
    _truncation,
)
from jax_s4rl.kernels import (
    complex_pair as cplx,
)

METHODS, CHUNK = _siso.METHODS, _siso.CHUNK
Rate = _siso.Rate
Parameters = _s4_parameters.Parameters
truncate, restore = _truncation.truncate, _truncation.restore


class Constants(NamedTuple):
    """The discretised system in O(N) or dense form, `C` (doubled, Pair [H, Nh]) and `D` [H].

    `C` is the output matrix itself, also for parameters with a truncated one.
    """

    system: _dplr.Steps | _dplr.Dense
    C: cplx.Pair
    D: Float[Array, "H"]


def apply(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
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
            step by step; `"auto"` is `"chunked"` with a state or resets, else the faster
            convolution for the sizes (in a program for TPU, `"chunked"` in place of `"fft"`).
        discretization: Rule, `"bilinear"`, or `"zoh"` (with `length=None` only).
        rate: Factor on the step; other than 1 with `length=None` only.
        length: Length for which C is truncated, at least L; None if C is the output matrix itself.
        chunk: Length of the longest chunk of `"chunked"`.
        precision: Precision of matrix products with the data.
        mask: False at padding.
        intervals: Factor on the step of each sample; needs `"scan"`, or `"auto"`, which then is
            `"scan"`.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, [*batch, H, Nh].

    Raises:
        ValueError: Arguments outside the rules of `jax_s4rl.kernels`, resets or intervals with a
            method that does not take them, or a truncated C with zoh, another rate or a longer row.

    Source:
        Gu et al. 2022 (S4), equations (3) to (5) and section 3.

    Example:
        >>> Lambda, B, C = (cplx.as_pair(jnp.full((1, 1), value)) for value in (-1.0, 1.0, 0.5))
        >>> P, D, spacing = cplx.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, spacing)
        >>> y, state = apply(leaky, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1., 1., 1.], dtype=float32)
    """
    _check(discretization, rate, length)
    u, form = _casting.floating("u", u), (discretization, length)
    options = {
        "state": state,
        "resets": resets,
        "mask": mask,
        "intervals": intervals,
        "method": method,
    }
    parameters, scaled, row = _s4_forms.ready(parameters, u, rate=rate, **options)
    in_parts = (
        _checks.length(chunk, "chunk"),
        _checks.choice("precision", precision, _casting.PRECISIONS),
    )
    if intervals is not None:
        y, final = _s4_forms.by_intervals(*form, scaled, row)
    elif method == "scan":
        y, final = _siso.by_steps(step, _prepare(parameters, rate, *form), row)
    # With a state before the row, a convolution would need a second pass, in chunks.
    elif method == "chunked" or resets is not None or (method == "auto" and state is not None):
        y, final = _s4_forms.by_chunks(*form, *in_parts, scaled, row)
    # The platform is known only when the program is lowered, so both branches are traced.
    elif method == "auto" and _s4_forms.with_transforms(u.shape, length):
        y, final = _s4_forms.by_platform(*form, *in_parts, scaled, row)
    else:
        y, final = _s4_forms.by_convolution(*form, method, precision, scaled, row)
    return _siso.finished(y, final, row, u.dtype)


def apply_both_ways(
    forward: Parameters,
    backward: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    *,
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
) -> Float[Array, "*batch L H"]:
    """Runs one system over past and present and one over the future, with one input transform.

    Args:
        forward: System over the past and the present.
        backward: System over the future, from the next step on.
        u: Input, in whole rows.
        discretization: Rule as in `apply`.
        rate: Factor on the step as in `apply`.
        length: Length as in `apply`, for both systems.
        mask: False at padding.

    Returns:
        Output in the shape and dtype of `u`.

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> Lambda, B, C = (cplx.as_pair(jnp.full((1, 1), value)) for value in (0.0, 1.0, 0.5))
        >>> P, D, spacing = cplx.zeros((1, 1, 1)), jnp.zeros(1), jnp.ones(1)
        >>> integrator = Parameters(Lambda, P, B, C, D, spacing)
        >>> bool(jnp.allclose(apply_both_ways(integrator, integrator, jnp.ones((3, 1))), 3.0))
        True
    """
    _check(discretization, rate, length)
    u, dtype = _casting.floating("u", u), _casting.compute_dtype(forward, backward, u)
    # `ready` sees the forward system alone; the cast of u makes it compute in the dtype of both.
    _, ahead, row = _s4_forms.ready(forward, u.astype(dtype), rate=rate, mask=mask)
    behind = _s4_forms.scaled(_s4_parameters.full(backward, dtype), rate)
    _checks.shape("C of the system over the future", behind.C, ahead.C.shape)
    # Under `shard_map`, own derivative rules need arrays that vary over the same mesh axes.
    ahead, behind, row = _sharding.vary_alike(ahead, behind, row)
    return _s4_forms.both_ways(discretization, length, ahead, behind, row).astype(u.dtype)


def states(
    parameters: Parameters,
    u: Float[Array | np.ndarray, "*batch L H"],
    state: cplx.Complexlike | None = None,
    resets: Bool[Array | np.ndarray, "*batch L"] | None = None,
    *,
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
    mask: Bool[Array | np.ndarray, "*batch L"] | None = None,
    intervals: Float[Array | np.ndarray, "*batch L"] | None = None,
) -> cplx.Pair:
    """Returns the state after every step, by a scan; arguments as in `apply`.

    Returns:
        States, Pair [*batch, L, H, Nh].

    Raises:
        ValueError: As in `apply`.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (0.0, 1.0, 0.5))
        >>> P, D, spacing = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.ones(1)
        >>> integrator = Parameters(Lambda, P, B, C, D, spacing)
        >>> states(integrator, jnp.ones((3, 1))).re[:, 0, 0]
        Array([1., 2., 3.], dtype=float32)
    """
    _check(discretization, rate, length)
    options = {
        "state": state,
        "resets": resets,
        "mask": mask,
        "intervals": intervals,
        "method": "scan",
    }
    parameters, scaled, row = _s4_forms.ready(parameters, u, rate=rate, **options)
    if intervals is not None:
        every_state, _ = _s4_forms.by_intervals(
            discretization, length, scaled, row, every_state=True
        )
        return _siso.marked(every_state, row)
    system = _prepare(parameters, rate, discretization, length).system

    def move(x: cplx.Pair, u: Array, reset: Array | None, _: Any) -> tuple[cplx.Pair, cplx.Pair]:
        x = _dplr.next_state(system, _siso.cleared(x, reset), u)
        return x, x

    return _siso.marked(_siso.over_time(move, row, parameters.C.shape)[0], row)


def kernel(
    parameters: Parameters,
    L: int,
    *,
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
) -> Float[Array, "H L"]:
    """Returns the impulse response of L steps, `K_l = 2 Re(C A_bar^l B_bar)`; D is not included.

    With `length` it is a Cauchy sum over `length // 2 + 1` nodes, cut to L; without it, it comes
    from two levels of matrix powers.

    Args:
        parameters: System.
        L: Number of steps, at least 1; static.
        discretization: Rule, `"bilinear"`, or `"zoh"` (with `length=None` only).
        rate: Factor on the step; other than 1 with `length=None` only.
        length: Length for which C is truncated, at least L; None if C is the output matrix itself.

    Returns:
        The kernel to convolve with, [H, L], in the dtype of the parameters (float32 or float64).

    Raises:
        ValueError: Shapes that do not match, L below 1, a known Lambda with a positive real part,
            or a truncated C with zoh, another rate or a longer row.

    Source:
        Gu et al. 2022 (S4), equation (5) and algorithm 1.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> P, D, spacing = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, spacing)
        >>> bool(jnp.allclose(kernel(leaky, 3), jnp.array([[1.0, 0.0, 0.0]])))
        True
    """
    _check(discretization, rate, length)
    parameters = _s4_parameters.full(parameters, _casting.compute_dtype(parameters))
    return _s4_forms.kernel(_s4_forms.scaled(parameters, rate), L, discretization, length)


def prepare(
    parameters: Parameters,
    *,
    discretization: str = "bilinear",
    rate: Rate = 1.0,
    length: int | None = None,
) -> Constants:
    """Discretises once, for many calls of `step`: in float64 on the host if values are known.

    Args:
        parameters: System.
        discretization: Rule, `"bilinear"` (O(N) per step) or `"zoh"` (O(N^2) per step).
        rate: Factor on the step.
        length: Length for which C is truncated; None if C is the output matrix itself.

    Returns:
        Constants in the dtype of the parameters.

    Raises:
        ValueError: Unknown discretization, shapes that do not match, a rate that is not positive, a
            known Lambda with a positive real part, or a truncated C with zoh or another rate.

    Source:
        Gu et al. 2022 (S4), equation (3) and appendix C.2.

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> P, D, spacing = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, spacing)
        >>> constants = prepare(leaky)
        >>> constants.system.A_d.re, constants.system.B_bar.re
        (Array([[0.]], dtype=float32), Array([[1.]], dtype=float32))
    """
    _check(discretization, rate, length)
    parameters = _s4_parameters.full(parameters, _casting.compute_dtype(parameters))
    return _prepare(parameters, rate, discretization, length)


def step(
    constants: Constants,
    u: Float[Array | np.ndarray, "*batch H"],
    state: cplx.Complexlike,
    reset: Bool[Array | np.ndarray, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], cplx.Pair]:
    """Takes one step, in O(N) per feature.

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
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> P, D, spacing = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, spacing)
        >>> y, state = step(prepare(leaky), jnp.full(1, 3.0), init_state(leaky))
        >>> float(y[0]), float(state.re[0, 0])
        (3.0, 3.0)
    """
    work, state, dtype = _siso.one_step(u, state, reset, constants)
    state = _dplr.next_state(constants.system, state, work)
    return _siso.read(constants.C, constants.D, work, state).astype(dtype), state


def init_state(parameters: Parameters, batch_shape: cplx.Shape = ()) -> cplx.Pair:
    """Returns the state of zeros before the first step, Pair [*batch_shape, H, Nh].

    Example:
        >>> Lambda, B, C = (jnp.full((1, 1), value) for value in (-1.0, 1.0, 0.5))
        >>> P, D, spacing = jnp.zeros((1, 1, 1)), jnp.zeros(1), jnp.full(1, 2.0)
        >>> leaky = Parameters(Lambda, P, B, C, D, spacing)
        >>> init_state(leaky, (2,)).shape
        (2, 1, 1)
    """
    return cplx.zeros(
        (*batch_shape, *cplx.as_pair(parameters.C).shape), _casting.compute_dtype(parameters)
    )


def _check(discretization: str, rate: Rate, length: int | None) -> None:
    _checks.choice("discretization", discretization, _dplr.METHODS)
    _checks.rate(rate)
    if length is not None:
        _checks.length(length, "length")
        _truncation.check(discretization, rate)


def _prepare(
    parameters: Parameters, rate: Rate, discretization: str, length: int | None
) -> Constants:
    if length is not None:
        parameters = restore(parameters, length)
    Lambda, P, B, C, D, sample = parameters
    # Many steps repeat the rounding of one system, so it is made in float64 where possible.
    if _checks.is_concrete(parameters, rate):
        system = _dplr.discretize_on_host(Lambda, P, B, sample, discretization, rate)
    else:
        system = _dplr.discretize(
            Lambda, P, B, _s4_forms.scaled(parameters, rate).step, discretization
        )
    # A system from the host is rounded here, once. Factor 2: the other half of each conjugate pair.
    return Constants(jax.tree.map(lambda x: jnp.asarray(x, D.dtype), system), cplx.scale(C, 2.0), D)
