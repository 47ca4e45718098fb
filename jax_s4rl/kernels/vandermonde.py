"""Kernel of a diagonal system, `K_l = 2 Re sum_n v_n A_bar_n^l`, as two levels of real products.

With `l = q M + b` the power splits into `A_bar^{qM} A_bar^b`, so a kernel of L steps needs 2
sqrt(L) exponentials per pair instead of L, and the sum over pairs is a real matrix product. Memory
is O(sqrt(L)) per pair, forward and backward. The same two levels, transposed, sum a row of inputs
into the state at its end.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jax_s4rl.kernels import _checks, _chunks, _trigonometry, discretization
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("auto", "block", "direct")

# Up to this length, one exponential for every step is as fast as two levels.
DIRECT_MAX_LENGTH = 32
EXACT = jax.lax.Precision.HIGHEST


def powers(discrete: discretization.Discrete, exponents: Num[Array, "M"]) -> cplx.Pair:
    """Computes the powers `A_bar^m` for all exponents.

    Args:
        discrete: Transition of shape [..., Nh].
        exponents: Whole numbers; with more than twelve significant bits the last ones round.

    Returns:
        Pair of shape [..., M, Nh].

    Example:
        >>> log_half, zero = jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1))
        >>> halving = discretization.Discrete(log_half, zero, cplx.zeros((1, 1)))
        >>> powers(halving, jnp.arange(3)).re[0, :, 0]
        Array([1.  , 0.5 , 0.25], dtype=float32)
    """
    log_modulus, angle = discrete.log_modulus[..., None, :], discrete.angle[..., None, :]
    correction = (
        jnp.zeros_like(angle) if discrete.correction is None else discrete.correction[..., None, :]
    )
    m = exponents.astype(log_modulus.dtype).reshape((1,) * (log_modulus.ndim - 2) + (-1, 1))
    # Each power comes from the logarithm and not from the power before, so roundings do not add up.
    size, (cosine, sine) = jnp.exp(m * log_modulus), _trigonometry.multiples(m, angle, correction)
    return cplx.Pair(size * cosine, size * sine)


def kernel(
    discrete: discretization.Discrete, v: cplx.Complexlike, L: int, *, method: str = "auto"
) -> Float[Array, "*batch H L"]:
    """Computes the impulse response `K_l = 2 Re sum_n v_n A_bar_n^l` for l = 0 .. L-1.

    Args:
        discrete: Transition of shape [H, Nh], one of each conjugate pair.
        v: Weights, [*batch, H, Nh]; `C B_bar` for the kernel of a system.
        L: Number of steps, at least 1; static.
        method: `"block"` (two levels), `"direct"` (one exponential per pair and step), or `"auto"`
            by length.

    Returns:
        The kernel, [*batch, H, L].

    Raises:
        ValueError: If L is below 1, the method is unknown, or shapes do not match.

    Source:
        Gu et al. 2022 (S4D), equation (7).

    Example:
        >>> log_half, zero = jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1))
        >>> halving = discretization.Discrete(log_half, zero, cplx.zeros((1, 1)))
        >>> kernel(halving, jnp.full((1, 1), 0.5), 4)
        Array([[1.   , 0.5  , 0.25 , 0.125]], dtype=float32)
    """
    v, L = cplx.as_pair(v), _checks.length(L)
    _checks.choice("method", method, METHODS)
    if v.shape[-2:] != discrete.angle.shape:
        raise ValueError(
            f"v has shape {v.shape}, expected (*batch, H, Nh) with the (H, Nh) = "
            f"{discrete.angle.shape} of A_bar"
        )
    if method == "direct" or (method == "auto" and L <= DIRECT_MAX_LENGTH):
        return 2 * cplx.real_einsum("...hn,hln->...hl", v, powers(discrete, jnp.arange(L)))
    # The kernel does not depend on the gain, so `_block` gets a placeholder in its place.
    return _block(L, discrete._replace(gain=cplx.as_pair(discrete.angle)), v)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _block(L: int, discrete: discretization.Discrete, v: cplx.Pair) -> Float[Array, "*batch H L"]:
    fine, coarse, _ = _levels(L, discrete)
    return _product(L, _weighted(v, coarse), fine)


@_block.defjvp
def _block_jvp(L, primals, tangents):
    """Differentiates the kernel: `dK_l = 2 Re sum (dv + l v dz) A_bar^l`.

    Here z = log_modulus + i angle. The transpose of this rule needs no exponential.
    """
    (discrete, v), (change, dv) = primals, tangents
    dz = cplx.Pair(change.log_modulus[..., None, :], change.angle[..., None, :])
    fine, coarse, inner = _levels(L, discrete)
    weighted = _weighted(v, coarse)
    dtype = v.dtype
    start = (
        (inner * jnp.arange(coarse.shape[-2]))
        .astype(dtype)
        .reshape((1,) * (weighted.ndim - 2) + (-1, 1))
    )
    # The factor l splits like the power: `q M` goes to the outer level, and b to the inner one.
    weighted_slope = cplx.multiply(cplx.with_ndim(dz, weighted.ndim), weighted)
    outer = cplx.add(_weighted(dv, coarse), cplx.scale(weighted_slope, start))
    sloped = cplx.scale(fine, jnp.arange(inner).astype(dtype)[None, :, None])
    return _product(L, weighted, fine), _product(L, outer, fine) + _product(
        L, weighted_slope, sloped
    )


def _levels(L: int, discrete: discretization.Discrete) -> tuple[cplx.Pair, cplx.Pair, int]:
    """Returns the powers of both levels and the inner length M.

    They are the powers below M [H, M, Nh], and the powers q M that reach L [H, Q, Nh].
    """
    inner = _chunks.power_of_two(L, lambda T: T * T)
    return (
        powers(discrete, jnp.arange(inner)),
        powers(discrete, inner * jnp.arange(-(-L // inner))),
        inner,
    )


def _weighted(v: cplx.Pair, coarse: cplx.Pair) -> cplx.Pair:
    # The weights go to the coarse level: it has no more powers than the fine one, and the fine one
    # then needs no batch axes.
    return cplx.multiply(
        cplx.Pair(v.re[..., None, :], v.im[..., None, :]), cplx.with_ndim(coarse, v.ndim + 1)
    )


def _product(L: int, outer: cplx.Pair, fine: cplx.Pair) -> Float[Array, "*batch H L"]:
    blocks = 2 * cplx.real_einsum("...hqn,hbn->...hqb", outer, fine)
    # The last block may reach beyond L.
    return blocks.reshape(*blocks.shape[:-2], -1)[..., :L]


def final_state(
    discrete: discretization.Discrete,
    u: Float[Array, "*batch L H"],
    precision: _chunks.Precision = EXACT,
) -> cplx.Pair:
    """Sums a row of inputs into the state at its end, `x = sum_k A_bar^{L-1-k} u_k`.

    This is the transpose of `kernel`.

    Args:
        discrete: Transition of shape [H, Nh].
        u: Inputs; multiply the result by `B_bar`.
        precision: Precision of the matrix products.

    Returns:
        Pair of shape [*batch, H, Nh].

    Raises:
        ValueError: If the input is not floating or has other features, or L is below 1.

    Example:
        >>> log_half, zero = jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1))
        >>> halving = discretization.Discrete(log_half, zero, cplx.zeros((1, 1)))
        >>> final_state(halving, jnp.ones((3, 1))).re
        Array([[1.75]], dtype=float32)
    """
    _checks.real("u", u)
    H = discrete.angle.shape[0]
    if u.ndim < 2 or u.shape[-1] != H:
        raise ValueError(
            f"u has shape {u.shape}, expected (*batch, L, {H}), as A_bar has {H} features"
        )
    L = _checks.length(u.shape[-2])
    inner = _chunks.power_of_two(L, lambda T: T * T)
    outer = -(-L // inner)
    # The zeros come first: they add nothing to the state, and the last step stays the last.
    u = jnp.pad(u, [(0, 0)] * (u.ndim - 2) + [(outer * inner - L, 0), (0, 0)]).reshape(
        *u.shape[:-2], outer, inner, H
    )
    # Exponents fall along time: the first input passes through the most steps.
    fine = powers(discrete, jnp.arange(inner - 1, -1, -1))
    coarse = powers(discrete, inner * jnp.arange(outer - 1, -1, -1))
    re, im = (jnp.einsum("...qbh,hbn->...hqn", u, x, precision=precision) for x in fine)
    blocks = cplx.Pair(re, im)
    total = cplx.multiply(blocks, cplx.with_ndim(coarse, blocks.ndim))
    return cplx.Pair(total.re.sum(-2), total.im.sum(-2))


def state_response(
    discrete: discretization.Discrete, C: cplx.Complexlike, state: cplx.Complexlike, L: int
) -> Float[Array, "*batch L H"]:
    """Computes the part of the outputs that comes from a state before the row.

    It is `y_l = 2 Re sum_n C_n A_bar_n^{l+1} x_n`.

    Args:
        discrete: Transition of shape [H, Nh].
        C: Output weights, [H, Nh].
        state: State before the first step, [*batch, H, Nh].
        L: Number of steps.

    Returns:
        The response, [*batch, L, H].

    Raises:
        ValueError: If L is below 1, or shapes do not match.

    Example:
        >>> log_half, zero = jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1))
        >>> halving = discretization.Discrete(log_half, zero, cplx.zeros((1, 1)))
        >>> state_response(halving, jnp.full((1, 1), 0.5), jnp.ones((1, 1)), 2)[:, 0]
        Array([0.5 , 0.25], dtype=float32)
    """
    C, state = cplx.as_pair(C), cplx.as_pair(state)
    _checks.shape("C", C, discrete.angle.shape)
    # The first output is read after one step, while the powers of a kernel begin at 0.
    v = cplx.multiply(cplx.with_ndim(C, state.ndim), advance(discrete, state, 1))
    return jnp.swapaxes(kernel(discrete, v, L), -1, -2)


def advance(discrete: discretization.Discrete, state: cplx.Complexlike, L: int) -> cplx.Pair:
    """Computes the state L steps later without input, `A_bar^L x`.

    Args:
        discrete: Transition of shape [H, Nh].
        state: State now, [*batch, H, Nh].
        L: Number of steps, at least 0; static.

    Returns:
        Pair of shape [*batch, H, Nh].

    Raises:
        ValueError: If L is below 0, or shapes do not match.

    Example:
        >>> log_half, zero = jnp.log(jnp.full((1, 1), 0.5)), jnp.zeros((1, 1))
        >>> halving = discretization.Discrete(log_half, zero, cplx.zeros((1, 1)))
        >>> advance(halving, jnp.ones((1, 1)), 2).re
        Array([[0.25]], dtype=float32)
    """
    state, L = cplx.as_pair(state), _checks.length(L, least=0)
    _checks.shape("state", state, (*state.shape[:-2], *discrete.angle.shape))
    re, im = (x[..., 0, :] for x in powers(discrete, jnp.asarray([L])))
    return cplx.multiply(cplx.with_ndim(cplx.Pair(re, im), state.ndim), state)
