"""The linear recurrent unit: a discrete diagonal system with its eigenvalues inside the unit circle, in every form.

``x[k] = exp(Lambda) x[k-1] + gain (B u[k])``, ``y[k] = Re(C x[k]) + D u[k]``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import checks, mimo, pairs, recurrence

METHODS = tuple(mimo.METHODS)


class Parameters(NamedTuple):
    """A system of P states with H inputs and outputs.

    `Lambda` (Pair [P]): logarithm of the eigenvalues, so minus the decay per step, ``-exp(log_decay)``, and the angle;
    `B` (Pair [P, H]), `C` (Pair [H, P]), or complex arrays; `D` [H]; and `gain` [P], which starts as `normalizer` and
    may be trained.
    """

    Lambda: pairs.Pair
    B: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]
    gain: Float[Array, "P"]


def normalizer(Lambda: pairs.Complexlike) -> Float[Array, "P"]:
    """The gain that keeps states driven by white noise at the variance of their input.

    ``sqrt(1 - |exp(Lambda)|^2)``, made as ``sqrt(-expm1(2 Re Lambda))``: no cancellation near the unit circle.

    Args:
        Lambda: Logarithm of the eigenvalues, real part negative (at 0 the derivative is infinite).

    Returns:
        The gains, between 0 and 1.

    Source:
        Orvieto et al. 2023 (LRU), equation (7).

    Example:
        >>> normalizer(pairs.Pair(jnp.log(jnp.array([0.6])), jnp.ones(1)))
        Array([0.8], dtype=float32)
    """
    return jnp.sqrt(-jnp.expm1(2 * pairs.as_pair(Lambda).re))


def apply(
    parameters: Parameters,
    u: Float[Array, "*batch L H"],
    state: pairs.Complexlike | None = None,
    resets: Bool[Array, "*batch L"] | None = None,
    *,
    method: str = "auto",
    chunk: int = recurrence.CHUNK,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """Run over a sequence; hand the state returned to the next call to go on where this one ended.

    Args:
        parameters: The system; computed in float32, or in float64 where parameters or input are.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, P]; zero where not given.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"scan"` (step by step), `"associative"`, `"chunked"`, or `"auto"`, which is `"chunked"`.
        chunk: Longest chunk of `"chunked"`.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, P].

    Raises:
        ValueError: Unknown method, shapes that do not match, an integer input, L < 1, or a known Lambda with a positive
            real part.

    Source:
        Orvieto et al. 2023 (LRU), equations (3) and (7).

    Example:
        >>> one = pairs.as_pair(jnp.ones((1, 1)))
        >>> halving = Parameters(pairs.as_pair(jnp.log(jnp.array([0.5]))), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> y, state = apply(halving, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    return mimo.run(prepare(parameters), u, state, resets, method=method, chunk=chunk)


def prepare(parameters: Parameters) -> mimo.Constants:
    """The eigenvalues and the scaled inputs, once for many calls of `step`.

    Raises:
        ValueError: As `apply`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> prepare(Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.full(1, 0.5))).B_bar.re
        Array([[0.5]], dtype=float32)
    """
    dtype = checks.compute_dtype(parameters)
    parameters = pairs.in_fields(parameters, "Lambda", "B", "C")
    mimo.check(*parameters[:4], ("gain", parameters.gain))
    Lambda, B, C, D, gain = jax.tree.map(lambda x: x.astype(dtype), parameters)
    return mimo.Constants(pairs.exp(Lambda), pairs.scale(B, gain[:, None]), C, D)


def step(
    constants: mimo.Constants,
    u: Float[Array, "*batch H"],
    state: pairs.Complexlike,
    reset: Bool[Array, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], pairs.Pair]:
    """Take one step: `mimo.step`.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> counter = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.ones(1))
        >>> y, state = step(prepare(counter), jnp.ones(1), jnp.full(1, 4.0))
        >>> float(y[0]), float(state.re[0])
        (5.0, 5.0)
    """
    return mimo.step(constants, u, state, reset)


def init_state(parameters: Parameters, batch_shape: tuple[int, ...] = ()) -> pairs.Pair:
    """State of zeros, Pair [*batch_shape, P], before the first step.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> init_state(Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), gain=jnp.ones(1)), (2,)).shape
        (2, 1)
    """
    return pairs.zeros((*batch_shape, *parameters.Lambda.shape), checks.compute_dtype(parameters))
