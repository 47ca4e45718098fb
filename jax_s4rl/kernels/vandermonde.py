"""The kernel of a diagonal system, `K_l = 2 Re sum_n v_n A_bar_n^l`, in two levels of real matrix products.

With `l = q M + b` the power splits into `A_bar^{qM} A_bar^b`, so a kernel of L steps needs 2 sqrt(L) exponentials a
pair instead of L, and the sum over pairs is a matrix product; memory is O(sqrt(L)) a pair forward and backward. The
same two levels, transposed, sum a row of inputs into the state at its end.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jax_s4rl.kernels import checks, chunks, pairs
from jax_s4rl.kernels.discretization import Discrete

METHODS = ("auto", "block", "direct")

# Up to here one exponential for every step is as fast as two levels.
DIRECT_MAX_LENGTH = 32
EXACT = jax.lax.Precision.HIGHEST


def powers(discrete: Discrete, exponents: Num[Array, "M"]) -> pairs.Pair:
    """Powers `A_bar^m` for every exponent.

    Args:
        discrete: Transition of shape [..., Nh].
        exponents: The exponents; need not be whole.

    Returns:
        Pair of shape [..., M, Nh].
    """
    log_modulus, angle = discrete.log_modulus[..., None, :], discrete.angle[..., None, :]
    m = exponents.astype(log_modulus.dtype).reshape((1,) * (log_modulus.ndim - 2) + (-1, 1))
    return pairs.exp(pairs.Pair(m * log_modulus, m * angle))


def kernel(discrete: Discrete, v: pairs.Complexlike, L: int, *, method: str = "auto") -> Float[Array, "*batch H L"]:
    """Impulse response `K_l = 2 Re sum_n v_n A_bar_n^l` for l = 0 .. L-1.

    Args:
        discrete: Transition of shape [H, Nh], one of each conjugate pair.
        v: Weights, [*batch, H, Nh]; `C B_bar` for the kernel of a system.
        L: Number of steps, at least 1; static.
        method: `"block"` (two levels), `"direct"` (one exponential a pair and a step), or `"auto"` by length.

    Returns:
        The kernel, [*batch, H, L].

    Raises:
        ValueError: L below 1, unknown method, or shapes that do not match.

    Source:
        Gu et al. 2022 (S4D), equation (7).

    Example:
        >>> halving = Discrete(jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1)), pairs.zeros((1, 1)))
        >>> kernel(halving, jnp.full((1, 1), 0.5), 4)
        Array([[1.   , 0.5  , 0.25 , 0.125]], dtype=float32)
    """
    v = pairs.as_pair(v)
    checks.length(L)
    checks.choice("method", method, METHODS)
    checks.shape("v (its last two axes)", jnp.zeros(v.shape[-2:]), discrete.angle.shape)
    if method == "direct" or (method == "auto" and L <= DIRECT_MAX_LENGTH):
        return 2 * pairs.real_einsum("...hn,hln->...hl", v, powers(discrete, jnp.arange(L)))
    inner = chunks.power_of_two(L, lambda T: T * T)
    fine = powers(discrete, jnp.arange(inner))
    coarse = powers(discrete, inner * jnp.arange(-(-L // inner)))
    weighted = pairs.multiply(pairs.Pair(v.re[..., None, :], v.im[..., None, :]), pairs.with_ndim(coarse, v.ndim + 1))
    blocks = 2 * jnp.einsum("...hqn,hbn->...hqb", _signed_parts(weighted), pairs.stack_parts(fine), precision=EXACT)
    return blocks.reshape(*blocks.shape[:-2], -1)[..., :L]


def final_state(discrete: Discrete, u: Float[Array, "*batch L H"]) -> pairs.Pair:
    """Sum a row of inputs into the state at its end, `x = sum_k A_bar^{L-1-k} u_k`: the transpose of `kernel`.

    Args:
        discrete: Transition of shape [H, Nh].
        u: Inputs; multiply the result by `B_bar`.

    Returns:
        Pair of shape [*batch, H, Nh].

    Example:
        >>> halving = Discrete(jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1)), pairs.zeros((1, 1)))
        >>> final_state(halving, jnp.ones((3, 1))).re
        Array([[1.75]], dtype=float32)
    """
    L, H = u.shape[-2:]
    checks.length(L)
    inner = chunks.power_of_two(L, lambda T: T * T)
    outer = -(-L // inner)
    # Zeros in front: they add nothing to the state, and the last step stays the last.
    u = jnp.pad(u, [(0, 0)] * (u.ndim - 2) + [(outer * inner - L, 0), (0, 0)]).reshape(*u.shape[:-2], outer, inner, H)
    fine = pairs.stack_parts(powers(discrete, jnp.arange(inner - 1, -1, -1)))
    coarse = powers(discrete, inner * jnp.arange(outer - 1, -1, -1))
    blocks = pairs.split_parts(jnp.einsum("...qbh,hbs->...hqs", u, fine, precision=EXACT))
    total = pairs.multiply(blocks, pairs.with_ndim(coarse, blocks.ndim))
    return pairs.Pair(total.re.sum(-2), total.im.sum(-2))


def state_response(
    discrete: Discrete, C: pairs.Complexlike, state: pairs.Complexlike, L: int
) -> Float[Array, "*batch L H"]:
    """What a state before the row adds to its outputs: `y_l = 2 Re sum_n C_n A_bar_n^{l+1} x_n`.

    Args:
        discrete: Transition of shape [H, Nh].
        C: Output weights, [H, Nh].
        state: State before the first step, [*batch, H, Nh].
        L: Number of steps.

    Returns:
        The response, [*batch, L, H].
    """
    state = pairs.as_pair(state)
    v = pairs.multiply(pairs.with_ndim(C, state.ndim), advance(discrete, state, 1))
    return jnp.swapaxes(kernel(discrete, v, L), -1, -2)


def advance(discrete: Discrete, state: pairs.Complexlike, L: int) -> pairs.Pair:
    """The state L steps later when nothing comes in, `A_bar^L x`."""
    state = pairs.as_pair(state)
    power = pairs.exp(pairs.Pair(L * discrete.log_modulus, L * discrete.angle))
    return pairs.multiply(pairs.with_ndim(power, state.ndim), state)


def _signed_parts(x: pairs.Pair) -> Float[Array, "..."]:
    return jnp.concatenate([x.re, -x.im], axis=-1)
