"""S5: one diagonal state space model that takes in and gives out all features, in every form.

``x[k] = A_bar x[k-1] + B_bar u[k]``, ``y[k] = 2 Re(C x[k]) + D u[k]``, one of each conjugate pair of states kept. The
recurrence carries resets at no cost in form, so it is the first choice where episodes are packed into rows.
"""

from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import checks, discretization, mimo, pairs, recurrence

METHODS = tuple(mimo.METHODS)

Rate = float | int | Float[Array, ""]


class Parameters(NamedTuple):
    """A continuous system of P conjugate pairs with H inputs and outputs.

    `Lambda` (Pair [P], real part negative), `B` (Pair [P, H]), `C` (Pair [H, P]), or complex arrays; `D` [H]; `step`
    [P], positive, in the time unit of Lambda.
    """

    Lambda: pairs.Pair
    B: pairs.Pair
    C: pairs.Pair
    D: Float[Array, "H"]
    step: Float[Array, "P"]


def apply(
    parameters: Parameters,
    u: Float[Array, "*batch L H"],
    state: pairs.Complexlike | None = None,
    resets: Bool[Array, "*batch L"] | None = None,
    *,
    method: str = "auto",
    discretization: str = "zoh",
    rate: Rate = 1.0,
    chunk: int = recurrence.CHUNK,
) -> tuple[Float[Array, "*batch L H"], pairs.Pair]:
    """Run over a sequence; hand the state returned to the next call to go on where this one ended.

    Args:
        parameters: The system; computed in float32, or in float64 where parameters or input are.
        u: Input, any floating dtype.
        state: State before the first step, Pair [*batch, P]; zero where not given.
        resets: True where an episode starts: the state is cleared before that input.
        method: `"scan"` (step by step), `"associative"`, `"chunked"`, or `"auto"`, which is `"chunked"`.
        discretization: `"zoh"` or `"bilinear"`.
        rate: Factor on the step: 2 runs a model on data sampled half as often.
        chunk: Longest chunk of `"chunked"`.

    Returns:
        Output in the shape and dtype of `u`, and the state after the last step, Pair [*batch, P].

    Raises:
        ValueError: Unknown method, shapes that do not match, an integer input, L < 1, or a known Lambda with a positive
            real part.

    Source:
        Smith et al. 2023 (S5), equations (2), (6) and section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> one = pairs.as_pair(jnp.ones((1, 1)))
        >>> integrator = Parameters(pairs.as_pair(jnp.zeros(1)), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = apply(integrator, jnp.ones((3, 1)))
        >>> y[:, 0]
        Array([2., 4., 6.], dtype=float32)
    """
    constants = prepare(parameters, discretization=discretization, rate=rate)
    return mimo.run(constants, u, state, resets, method=method, chunk=chunk)


def prepare(parameters: Parameters, *, discretization: str = "zoh", rate: Rate = 1.0) -> mimo.Constants:
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
    dtype = checks.compute_dtype(parameters)
    parameters = pairs.in_fields(parameters, "Lambda", "B", "C")
    checks.rate(rate)
    mimo.check(*parameters[:4], ("step", parameters.step))
    Lambda, B, C, D, spacing = jax.tree.map(lambda x: x.astype(dtype), parameters)
    system = _discretize(Lambda, spacing * rate, discretization)
    A_bar = pairs.exp(pairs.Pair(system.log_modulus, system.angle))
    gain = pairs.Pair(system.gain.re[:, None], system.gain.im[:, None])
    return mimo.Constants(A_bar, pairs.multiply(gain, B), pairs.scale(C, 2.0), D)


def step(
    constants: mimo.Constants,
    u: Float[Array, "*batch H"],
    state: pairs.Complexlike,
    reset: Bool[Array, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch H"], pairs.Pair]:
    """Take one step: `mimo.step`.

    Example:
        >>> import jax.numpy as jnp
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> y, state = step(prepare(integrator), jnp.full(1, 3.0), init_state(integrator))
        >>> float(y[0]), float(state.re[0])
        (6.0, 3.0)
    """
    return mimo.step(constants, u, state, reset)


def init_state(parameters: Parameters, batch_shape: tuple[int, ...] = ()) -> pairs.Pair:
    """State of zeros, Pair [*batch_shape, P], before the first step.

    Example:
        >>> import jax.numpy as jnp
        >>> one = jnp.ones((1, 1))
        >>> integrator = Parameters(jnp.zeros(1), one, one, D=jnp.zeros(1), step=jnp.ones(1))
        >>> init_state(integrator, (2,)).shape
        (2, 1)
    """
    return pairs.zeros((*batch_shape, *parameters.Lambda.shape), checks.compute_dtype(parameters))


# The argument `discretization` hides the module of that name inside the functions above.
_discretize = discretization.discretize
