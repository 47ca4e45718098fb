"""Kernel of a DPLR system from its truncated generating function, in real arithmetic.

S4 evaluates `sum_{l<L} K_l z^l = C (I - z^L A_bar^L) (I - z A_bar)^{-1} B_bar` at the roots of
unity. There, weakly damped poles come as close to the nodes as float32 can resolve, and
`I - A_bar^L` is nearly singular for a short row. Here the nodes lie on a slightly smaller circle,
`z = exp(-(sigma + i theta))` with `z^L = e^{-sigma L} = wrap`. The factor to train becomes
`C (I - wrap A_bar^L)`, whose condition number is at most `(1 + wrap) / (1 - wrap)`, as A_bar is a
contraction, and no pole meets a node (lambda = 0 included). The price is that rounding errors grow
by 1/wrap towards the end of the kernel. `tests/kernels/test_cauchy.py` states the errors in
float32.

With half exponents `h = (sigma + i theta)/2`, `S = sinh h`, `C = cosh h` and `d = step Lambda`,
every term is a Cauchy sum `step sum_n v_n / (2 S - d_n C)` without a singular node at Nyquist. A
conjugate pair folds into one term with real coefficients, and the four sums of rank one (nine of
rank two) are real matrix products. S and C are computed in float64: float32 powers of a root of
unity drift by a third of a node spacing at L = 16,384.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks, _solving
from jax_s4rl.kernels import complex_pair as cplx

EXACT = jax.lax.Precision.HIGHEST

# Number of features computed at a time on CPU: their intermediate results then stay in the cache,
# forward and backward. Half and twice as many are slower, and all at once are several times slower.
GROUP = 8

# Up to this length the sum over nodes is a real matrix product: as fast as a Fourier transform, and
# without complex numbers.
DIRECT_MAX_LENGTH = 128

System = tuple[cplx.Pair, cplx.Pair, cplx.Pair, cplx.Pair, Array]  # Lambda, P, B, C, step

# A compromise: with a larger value, poles come closer to the nodes; with a smaller one, rounding
# errors grow more towards the end of the kernel.
WRAP = 0.5


def nodes(L: int, wrap: float = WRAP) -> tuple[np.ndarray, np.ndarray]:
    """Returns sinh and cosh of the half exponents `(sigma + 2 pi i k / L) / 2`, k = 0 .. L // 2.

    Args:
        L: Number of steps, at least 1.
        wrap: Value of `exp(-sigma L)`, in (0, 1], as for `kernel`.

    Returns:
        Hyperbolic sines and cosines in complex128, each [L // 2 + 1], on the host.

    Source:
        Gu et al. 2022 (S4), appendix C.3, at half the angle and on a smaller circle.

    Example:
        >>> sine, cosine = nodes(2, wrap=1.0)
        >>> np.round(sine.imag, 6), np.round(cosine.real, 6)
        (array([0., 1.]), array([1., 0.]))
    """
    half = (-np.log(wrap) + 2j * np.pi * np.arange(L // 2 + 1)) / (2 * L)
    return np.sinh(half), np.cosh(half)


def kernel(
    Lambda: cplx.Complexlike,
    P: cplx.Complexlike,
    B: cplx.Complexlike,
    C: cplx.Complexlike,
    *,
    step: Float[Array, "H"],
    L: int,
    wrap: float = WRAP,
) -> Float[Array, "H L"]:
    """Computes the impulse response of a DPLR system from truncated output weights.

    The system is discretised by the bilinear rule. The continuous one is
    `x' = (diag(Lambda) - P P*) x + B u`, `y = 2 Re(C_true x)`.

    Args:
        Lambda: Diagonal, [H, Nh], real part at most 0.
        P: Low-rank factor, [H, rank, Nh]; a rank of 1 or 2 is the fastest.
        B: Input weights, [H, Nh].
        C: Truncated output weights `C_true (I - wrap A_bar^L)`, [H, Nh].
        step: Sample spacing, positive.
        L: Number of steps, static.
        wrap: Weight with which the steps after the first L wrap around, in (0, 1]; 1 is S4's own
            truncation.

    Returns:
        The kernel, [H, L].

    Raises:
        ValueError: If L is below 1, shapes do not match, wrap is outside (0, 1], a known step is
            negative, or a known Lambda has a positive real part.

    Source:
        Gu et al. 2022 (S4), algorithm 1 and appendix C.3.

    Example:
        >>> minus, one = (cplx.as_pair(jnp.full((1, 1), value)) for value in (-1.0, 0.5))
        >>> C = cplx.scale(one, 1 - WRAP / 3**4)
        >>> kernel(minus, cplx.zeros((1, 1, 1)), one, C, step=jnp.ones(1), L=4)[0, 1].round(4)
        Array(0.1111, dtype=float32)
    """
    Lambda, P, B, C = (cplx.as_pair(x) for x in (Lambda, P, B, C))
    L = _checks.length(L)
    _check(Lambda, P, B, C, wrap)
    H = P.shape[0]
    _checks.shape("step", step, (H,))
    _checks.spacing("step", step)
    system = (Lambda, P, B, C, step)
    return _kernel(L, wrap, system) if H <= GROUP else _on_platform(L, wrap, system)


# `jax.jit`, because outside of it a choice by platform would be compiled again in every call.
@partial(jax.jit, static_argnums=(0, 1), inline=True)
def _on_platform(L: int, wrap: float, system: System) -> Array:
    return jax.lax.platform_dependent(
        system, cpu=partial(_in_groups, L, wrap), default=partial(_kernel, L, wrap)
    )


def _in_groups(L: int, wrap: float, system: System) -> Array:
    grouped = jax.tree.map(lambda x: _grouped(x, GROUP), system)
    # `checkpoint`: the derivative of a group computes its intermediate results again, so that those
    # of one group at a time exist.
    kernels = jax.lax.map(jax.checkpoint(partial(_kernel, L, wrap)), grouped)
    return kernels.reshape(-1, L)[: system[-1].shape[0]]


def _grouped(x: Array, group: int) -> Array:
    """Splits the features into groups; copies of the last feature fill the last group.

    The copies keep all values in range.
    """
    x = jnp.pad(x, [(0, -x.shape[0] % group)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    return x.reshape(-1, group, *x.shape[1:])


def _kernel(L: int, wrap: float, system: System) -> Array:
    Lambda, P, B, C, step = system
    rows = _stacked(C, cplx.conjugate(P))
    columns = cplx.scale(_stacked(B, P), step[:, None, None])
    answer = _transfer(L, wrap, rows, columns, cplx.scale(Lambda, step[:, None]))
    sinh, cosh = nodes(L, wrap)
    # `sinh h + cosh h = e^h`.
    spectrum = cplx.multiply(_constant(sinh + cosh, Lambda.dtype, 2), answer)
    # On the smaller circle step l is damped by `e^{-sigma l} = wrap^{l / L}`, which is undone here.
    undamped = jnp.asarray(wrap ** (-np.arange(L) / L), Lambda.dtype)
    return _over_nodes(spectrum, L) * undamped[None]


def _over_nodes(spectrum: cplx.Pair, L: int) -> Array:
    """Returns the real row of L numbers with this spectrum, [H, L // 2 + 1] -> [H, L]."""
    dtype = spectrum.dtype
    if L > DIRECT_MAX_LENGTH:
        return jax.lax.fft(cplx.to_complex(spectrum), jax.lax.FftType.IRFFT, (L,)).astype(dtype)
    k, step = np.arange(L // 2 + 1)[:, None], np.arange(L)
    # All nodes stand for their conjugates too, except the real ones at zero and at Nyquist. The
    # integer product is reduced modulo L, so that no digits of the angle are lost.
    waves = np.where((k == 0) | (2 * k == L), 1, 2) / L * np.exp(2j * np.pi * (k * step % L) / L)
    re, im = (jnp.asarray(x, dtype) for x in (waves.real, waves.imag))
    return jnp.matmul(spectrum.re, re, precision=EXACT) - jnp.matmul(
        spectrum.im, im, precision=EXACT
    )


def _stacked(first: cplx.Pair, others: cplx.Pair) -> cplx.Pair:
    """Puts [H, Nh] on top of [H, rank, Nh]."""
    re, im = (jnp.concatenate([x[:, None], y], axis=1) for x, y in zip(first, others, strict=True))
    return cplx.Pair(re, im)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _transfer(L: int, wrap: float, rows: cplx.Pair, columns: cplx.Pair, d: cplx.Pair) -> cplx.Pair:
    """Computes the transfer function at all nodes, [H, K].

    The rows are (C, P*) and the columns (B, P), each [H, 1 + rank, Nh]. With the Cauchy sums
    `[direct right; left inner]` of all rows and columns, the function is
    `direct - C right (I + C inner)^-1 left` (Woodbury). With `rho = -C right (I + C inner)^-1` this
    is `direct + rho left`.
    """
    _, direct, left, _, rho = _closed_loop(L, wrap, rows, columns, d)
    return cplx.add(direct, _dot(rho, left))


@_transfer.defjvp
def _transfer_jvp(L, wrap, primals, tangents):
    """Differentiates the transfer function, without cancellation near the poles of its summands.

    With `lam = -C (I + C inner)^-1 left`, a change of the sums contributes
    `[1 rho] change [1 lam]`. A change of d_n therefore has the factor `X Y C / (2 S - d_n C)^2`
    with `X = C_n + rho P*_n` and `Y = B_n + lam P_n`. Each summand has poles that the total does
    not have; X and Y vanish there together with the denominator. So X and Y are divided by it
    first, and the quotients are small. If the four products C B, rho P* B and so on were added
    instead, their rounding errors would remain, amplified by the squared denominator.
    """
    (rows, columns, d), (to_rows, to_columns, to_d) = primals, tangents
    fractions, direct, left, inner, rho = _closed_loop(L, wrap, rows, columns, d)
    sinh, cosh = nodes(L, wrap)
    c = _constant(cosh, d.dtype, 2)
    lam = _feedback(left, jax.tree.map(lambda x: jnp.swapaxes(x, 1, 2), inner), c)
    half, other_half = (
        _squared_response(
            map_half(rows), map_half(columns), map_half(d), rho, lam, fractions, sinh, cosh
        )
        for map_half in (cplx.as_pair, cplx.conjugate)
    )
    # A pair holds d and its conjugate: the derivative by Re d adds their responses, the one by Im d
    # subtracts them and multiplies by i.
    both, odd = cplx.add(half, other_half), cplx.subtract(half, other_half)
    from_d = cplx.Pair(
        _over_states(to_d.re, both.re) - _over_states(to_d.im, odd.im),
        _over_states(to_d.re, both.im) + _over_states(to_d.im, odd.re),
    )
    products = cplx.add(_products(to_rows, columns), _products(rows, to_columns))
    sums = _sums(fractions, d, products, sinh, cosh)
    from_sums = _dot(_products(_with_one(rho), _with_one(lam)), sums)
    return cplx.add(direct, _dot(rho, left)), cplx.add(cplx.multiply(from_d, c), from_sums)


def _closed_loop(
    L: int, wrap: float, rows: cplx.Pair, columns: cplx.Pair, d: cplx.Pair
) -> tuple[cplx.Pair, cplx.Pair, cplx.Pair, cplx.Pair, cplx.Pair]:
    """Returns fractions, Cauchy sums and feedback of the closed loop.

    They are fractions [H, Nh, K], direct [H, K], left [H, rank, K], inner [H, rank, rank, K] and
    rho [H, rank, K].
    """
    sinh, cosh = nodes(L, wrap)
    fractions, size = _fractions(d, sinh, cosh), rows.shape[1]
    sums = _sums(fractions, d, _products(rows, columns), sinh, cosh)
    table = jax.tree.map(lambda x: x.reshape(x.shape[0], size, size, -1), sums)
    parts = [(0, 0), (0, slice(1, None)), (slice(1, None), 0), (slice(1, None), slice(1, None))]
    direct, right, left, inner = (cplx.Pair(*(x[:, i, j] for x in table)) for i, j in parts)
    return fractions, direct, left, inner, _feedback(right, inner, _constant(cosh, d.dtype, 2))


def _products(rows: cplx.Pair, columns: cplx.Pair) -> cplx.Pair:
    """Returns all products of a row and a column, [H, (1 + rank)^2, ...]: C B, C P, P* B, P* P."""
    table = cplx.multiply(
        *(
            jax.tree.map(lambda x, i=i: jnp.expand_dims(x, i), y)
            for i, y in ((2, rows), (1, columns))
        )
    )
    return jax.tree.map(lambda x: x.reshape(x.shape[0], -1, x.shape[-1]), table)


def _fractions(d: cplx.Pair, sinh: np.ndarray, cosh: np.ndarray) -> cplx.Pair:
    """Returns `1 / ((2 S - d C)(2 S - d* C))` for each pair and node, [H, Nh, K]."""
    # Expanded, the denominator is `|d|^2 C^2 - 4 Re(d) S C + 4 S^2`, whose coefficients are real
    # for each pair.
    cc, sc, ss = (
        _constant(x, d.dtype, 3) for x in (cosh * cosh, -4 * sinh * cosh, 4 * sinh * sinh)
    )
    by_square = cplx.scale(cc, cplx.squared_modulus(d)[..., None])
    return cplx.reciprocal(cplx.add(cplx.add(by_square, cplx.scale(sc, d.re[..., None])), ss))


def _sums(
    fractions: cplx.Pair, d: cplx.Pair, v: cplx.Pair, sinh: np.ndarray, cosh: np.ndarray
) -> cplx.Pair:
    """Computes the Cauchy sums `sum_n v_n / (2 S - d_n C)` over both halves of every pair.

    v is [H, R, Nh], and the result [H, R, K]. A pair folds into `2 (2 S Re v - C Re(v d*))` times
    its fraction.
    """
    weights = 2 * jnp.concatenate([2 * v.re, v.re * d.re[:, None] + v.im * d.im[:, None]], axis=1)
    re, im = (jnp.einsum("hrn,hnk->hrk", weights, x, precision=EXACT) for x in fractions)
    R = v.shape[1]
    by_sinh, by_cosh = cplx.Pair(re[:, :R], im[:, :R]), cplx.Pair(re[:, R:], im[:, R:])
    return cplx.subtract(
        cplx.multiply(_constant(sinh, d.dtype, 3), by_sinh),
        cplx.multiply(_constant(cosh, d.dtype, 3), by_cosh),
    )


def _feedback(row: cplx.Pair, inner: cplx.Pair, c: cplx.Pair) -> cplx.Pair:
    """Computes `-C row (I + C inner)^{-1}` for each feature and node, row [H, rank, K]."""

    def at(x, *index):
        return cplx.Pair(x.re[:, *index], x.im[:, *index])

    def entry(i, j):
        scaled = cplx.multiply(at(inner, i, j), c)
        return cplx.Pair(scaled.re + 1, scaled.im) if i == j else scaled

    row = cplx.multiply(row, cplx.Pair(-c.re[:, None], -c.im[:, None]))
    if inner.shape[1] == 1:
        quotient = cplx.divide(at(row, 0), entry(0, 0))
        return cplx.Pair(quotient.re[:, None], quotient.im[:, None])
    if inner.shape[1] > 2:
        ranks = range(inner.shape[1])
        # `eliminate` solves for a column, so the system is transposed. Ranks 1 and 2 have closed
        # forms.
        transposed = [[entry(j, i) for j in ranks] for i in ranks]
        answer = _solving.eliminate(
            transposed, [at(row, i) for i in ranks], cplx.multiply, cplx.subtract, cplx.divide
        )
        return cplx.Pair(*(jnp.stack(parts, axis=1) for parts in zip(*answer, strict=True)))
    (a, b), (d, e) = [[entry(i, j) for j in range(2)] for i in range(2)]
    x, y = at(row, 0), at(row, 1)
    determinant = cplx.subtract(cplx.multiply(a, e), cplx.multiply(b, d))
    first = cplx.divide(cplx.subtract(cplx.multiply(x, e), cplx.multiply(y, d)), determinant)
    second = cplx.divide(cplx.subtract(cplx.multiply(y, a), cplx.multiply(x, b)), determinant)
    return cplx.Pair(*(jnp.stack(both, axis=1) for both in zip(first, second, strict=True)))


def _squared_response(rows, columns, d, rho, lam, fractions, sinh, cosh) -> cplx.Pair:
    """Computes `X Y / (2 S - d C)^2` for one half of every pair, [H, Nh, K]."""
    conjugate = cplx.Pair(d.re[..., None], -d.im[..., None])
    c, twice = _constant(cosh, d.dtype, 3), _constant(2 * sinh, d.dtype, 3)
    # `1 / (2 S - d C)` is the fraction times `2 S - d* C`.
    inverse = cplx.multiply(fractions, cplx.subtract(twice, cplx.multiply(conjugate, c)))
    X, Y = _mixed(rows, rho), _mixed(columns, lam)
    # Each factor is divided before the product: see `_transfer_jvp`.
    return cplx.multiply(cplx.multiply(X, inverse), cplx.multiply(Y, inverse))


def _mixed(x: cplx.Pair, weights: cplx.Pair) -> cplx.Pair:
    """Computes `x_0 + sum_r weights_r x_r`, [H, Nh, K].

    x is [H, 1 + rank, Nh], and the weights are [H, rank, K].
    """
    x, weights = (
        jax.tree.map(lambda part, i=i: jnp.expand_dims(part, i), y)
        for i, y in ((3, x), (2, weights))
    )
    total = cplx.Pair(x.re[:, 0], x.im[:, 0])
    for r in range(weights.shape[1]):
        factor = cplx.Pair(weights.re[:, r], weights.im[:, r])
        total = cplx.add(total, cplx.multiply(cplx.Pair(x.re[:, r + 1], x.im[:, r + 1]), factor))
    return total


def _over_states(change: Array, response: Array) -> Array:
    return jnp.einsum("hn,hnk->hk", change, response, precision=EXACT)


def _dot(x: cplx.Pair, y: cplx.Pair) -> cplx.Pair:
    """Sums the products of two arrays over their second axis."""
    product = cplx.multiply(x, y)
    return cplx.Pair(product.re.sum(1), product.im.sum(1))


def _with_one(x: cplx.Pair) -> cplx.Pair:
    """Puts a one (with no imaginary part) before the other entries of the second axis."""
    first = jnp.ones_like(x.re[:, :1])
    return cplx.Pair(jnp.concatenate([first, x.re], 1), jnp.concatenate([0 * first, x.im], 1))


def _constant(x: np.ndarray, dtype: Any, ndim: int) -> cplx.Pair:
    return cplx.with_ndim(
        cplx.Pair(jnp.asarray(np.real(x), dtype), jnp.asarray(np.imag(x), dtype)), ndim
    )


def _check(Lambda: cplx.Pair, P: cplx.Pair, B: cplx.Pair, C: cplx.Pair, wrap: float) -> None:
    if P.ndim != 3 or P.shape[1] < 1:
        got = tuple(P.shape)
        raise ValueError(
            f"P has shape {got}, expected (H, rank, Nh) with a rank of at least 1; "
            "add an axis or factors"
        )
    for name, x in (("Lambda", Lambda), ("B", B), ("C", C)):
        _checks.shape(name, x, (P.shape[0], P.shape[2]))
    _checks.stable(Lambda)
    if not 0 < wrap <= 1:
        raise ValueError(f"wrap must lie in (0, 1], got {wrap}; 1 is the plain truncation")
