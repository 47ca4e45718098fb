"""The kernel of a diagonal-plus-low-rank system from its truncated generating function, in real arithmetic.

S4 evaluates `sum_{l<L} K_l z^l = C (I - z^L A_bar^L) (I - z A_bar)^{-1} B_bar` at the roots of unity, where weakly
damped poles come as close to the nodes as float32 can tell, and `I - A_bar^L` is nearly singular for a short row.
Here the nodes lie on a slightly smaller circle, `z = exp(-(sigma + i theta))` with `z^L = e^{-sigma L} = wrap`: the
factor to train becomes `C (I - wrap A_bar^L)`, whose condition number is at most `(1 + wrap) / (1 - wrap)` as A_bar
is a contraction, no pole meets a node (lambda = 0 included), and the price is that rounding errors grow by 1/wrap
towards the end of the kernel. `tests/kernels/test_cauchy.py` names the errors in float32.

With half exponents `h = (sigma + i theta)/2`, `S = sinh h`, `C = cosh h` and `d = step Lambda` every term is a Cauchy
sum `step sum_n v_n / (2 S - d_n C)` without a singular node at Nyquist; a conjugate pair folds into one term with
real coefficients, and the four sums of rank one (nine of rank two) are real matrix products. S and C are made in
float64: float32 powers of a root of unity drift by a third of a node spacing at L = 16,384.
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

# Features at a time on CPU: what they need then stays in the cache, forward and backward. Half and twice as many are
# slower, all at once several times.
GROUP = 8

# Up to here the sum over nodes is a real matrix product: as fast as a Fourier transform, and no complex number.
DIRECT_MAX_LENGTH = 128

System = tuple[cplx.Pair, cplx.Pair, cplx.Pair, cplx.Pair, Array]  # Lambda, P, B, C, step

# A compromise: with more, poles come closer to the nodes; with less, rounding errors grow more to the kernel's end.
WRAP = 0.5


def nodes(L: int, wrap: float = WRAP) -> tuple[np.ndarray, np.ndarray]:
    """Hyperbolic sine and cosine of the half exponents `(sigma + 2 pi i k / L) / 2`, k = 0 .. L // 2, in complex128.

    Args:
        L: Number of steps, at least 1.
        wrap: As for `kernel`: `exp(-sigma L)`, in (0, 1].

    Returns:
        Sines and cosines, each [L // 2 + 1], on the host.

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
    """Impulse response of `x' = (diag(Lambda) - P P*) x + B u`, `y = 2 Re(C_true x)`, under the bilinear rule.

    Args:
        Lambda: Diagonal, [H, Nh], real part at most 0.
        P: Low-rank factor, [H, rank, Nh]; a rank of 1 or 2 is the fastest.
        B: Input weights, [H, Nh].
        C: Truncated output weights `C_true (I - wrap A_bar^L)`, [H, Nh].
        step: Sample spacing, positive.
        L: Number of steps, static.
        wrap: Weight that the steps after the first L wrap around with, in (0, 1]; 1 is S4's own truncation.

    Returns:
        The kernel, [H, L].

    Raises:
        ValueError: L below 1, shapes that do not match, wrap outside (0, 1], a known negative step, or
            a known Lambda with a positive real part.

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


# Outside of `jax.jit` a choice by platform would be compiled anew in every call.
@partial(jax.jit, static_argnums=(0, 1), inline=True)
def _on_platform(L: int, wrap: float, system: System) -> Array:
    return jax.lax.platform_dependent(system, cpu=partial(_in_groups, L, wrap), default=partial(_kernel, L, wrap))


def _in_groups(L: int, wrap: float, system: System) -> Array:
    grouped = jax.tree.map(lambda x: _grouped(x, GROUP), system)
    kernels = jax.lax.map(jax.checkpoint(partial(_kernel, L, wrap)), grouped)
    return kernels.reshape(-1, L)[: system[-1].shape[0]]


def _grouped(x: Array, group: int) -> Array:
    """Split the features into groups; the last feature fills the last group, so that no value is out of range."""
    x = jnp.pad(x, [(0, -x.shape[0] % group)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    return x.reshape(-1, group, *x.shape[1:])


def _kernel(L: int, wrap: float, system: System) -> Array:
    Lambda, P, B, C, step = system
    rows = _stacked(C, cplx.conjugate(P))
    columns = cplx.scale(_stacked(B, P), step[:, None, None])
    answer = _transfer(L, wrap, rows, columns, cplx.scale(Lambda, step[:, None]))
    sinh, cosh = nodes(L, wrap)
    spectrum = cplx.multiply(_constant(sinh + cosh, Lambda.dtype, 2), answer)
    undamped = jnp.asarray(wrap ** (-np.arange(L) / L), Lambda.dtype)
    return _over_nodes(spectrum, L) * undamped[None]


def _over_nodes(spectrum: cplx.Pair, L: int) -> Array:
    """The real row of L numbers with this spectrum, [H, L // 2 + 1] -> [H, L]."""
    dtype = spectrum.dtype
    if L > DIRECT_MAX_LENGTH:
        return jax.lax.fft(cplx.to_complex(spectrum), jax.lax.FftType.IRFFT, (L,)).astype(dtype)
    k, step = np.arange(L // 2 + 1)[:, None], np.arange(L)
    # All nodes but the real ones, at zero and at Nyquist, stand for their conjugates too.
    waves = np.where((k == 0) | (2 * k == L), 1, 2) / L * np.exp(2j * np.pi * (k * step % L) / L)
    re, im = (jnp.asarray(x, dtype) for x in (waves.real, waves.imag))
    return jnp.matmul(spectrum.re, re, precision=EXACT) - jnp.matmul(spectrum.im, im, precision=EXACT)


def _stacked(first: cplx.Pair, others: cplx.Pair) -> cplx.Pair:
    """[H, Nh] on top of [H, rank, Nh]."""
    re, im = (jnp.concatenate([x[:, None], y], axis=1) for x, y in zip(first, others, strict=True))
    return cplx.Pair(re, im)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _transfer(L: int, wrap: float, rows: cplx.Pair, columns: cplx.Pair, d: cplx.Pair) -> cplx.Pair:
    """The transfer function at all nodes, [H, K], of rows (C, P*) and columns (B, P), each [H, 1 + rank, Nh].

    With the Cauchy sums `[direct right; left inner]` of all rows and columns it is `direct - C right (I + C inner)^-1
    left` (Woodbury), so with `rho = -C right (I + C inner)^-1` it is `direct + rho left`.
    """
    _, direct, left, _, rho = _closed_loop(L, wrap, rows, columns, d)
    return cplx.add(direct, _dot(rho, left))


@_transfer.defjvp
def _transfer_jvp(L, wrap, primals, tangents):
    """With `lam = -C (I + C inner)^-1 left` a change of the sums counts `[1 rho] change [1 lam]`, so that one of d_n

    counts `X Y C / (2 S - d_n C)^2` with `X = C_n + rho P*_n` and `Y = B_n + lam P_n`. The poles of a part are none of
    the whole: X and Y vanish there with the denominator. Their quotients by it are therefore made first, and are
    small; added up as four terms, C B, rho P* B and so on, rounding would stay that the square has blown up.
    """
    (rows, columns, d), (to_rows, to_columns, to_d) = primals, tangents
    fractions, direct, left, inner, rho = _closed_loop(L, wrap, rows, columns, d)
    sinh, cosh = nodes(L, wrap)
    c = _constant(cosh, d.dtype, 2)
    lam = _feedback(left, jax.tree.map(lambda x: jnp.swapaxes(x, 1, 2), inner), c)
    half, other_half = (
        _squared_response(turn(rows), turn(columns), turn(d), rho, lam, fractions, sinh, cosh)
        for turn in (cplx.as_pair, cplx.conjugate)
    )
    both, odd = cplx.add(half, other_half), cplx.subtract(half, other_half)
    moved = cplx.Pair(
        _over_states(to_d.re, both.re) - _over_states(to_d.im, odd.im),
        _over_states(to_d.re, both.im) + _over_states(to_d.im, odd.re),
    )
    products = cplx.add(_products(to_rows, columns), _products(rows, to_columns))
    sums = _sums(fractions, d, products, sinh, cosh)
    weighed = _dot(_products(_with_one(rho), _with_one(lam)), sums)
    return cplx.add(direct, _dot(rho, left)), cplx.add(cplx.multiply(moved, c), weighed)


def _closed_loop(
    L: int, wrap: float, rows: cplx.Pair, columns: cplx.Pair, d: cplx.Pair
) -> tuple[cplx.Pair, cplx.Pair, cplx.Pair, cplx.Pair, cplx.Pair]:
    """Fractions [H, Nh, K], direct [H, K], left [H, rank, K], inner [H, rank, rank, K] and rho [H, rank, K]."""
    sinh, cosh = nodes(L, wrap)
    fractions, size = _fractions(d, sinh, cosh), rows.shape[1]
    sums = _sums(fractions, d, _products(rows, columns), sinh, cosh)
    table = jax.tree.map(lambda x: x.reshape(x.shape[0], size, size, -1), sums)
    parts = [(0, 0), (0, slice(1, None)), (slice(1, None), 0), (slice(1, None), slice(1, None))]
    direct, right, left, inner = (cplx.Pair(*(x[:, i, j] for x in table)) for i, j in parts)
    return fractions, direct, left, inner, _feedback(right, inner, _constant(cosh, d.dtype, 2))


def _products(rows: cplx.Pair, columns: cplx.Pair) -> cplx.Pair:
    """All products of a row and a column, [H, (1 + rank)^2, ...]: of C B, C P, P* B, P* P in this order."""
    table = cplx.multiply(
        *(jax.tree.map(lambda x, i=i: jnp.expand_dims(x, i), y) for i, y in ((2, rows), (1, columns)))
    )
    return jax.tree.map(lambda x: x.reshape(x.shape[0], -1, x.shape[-1]), table)


def _fractions(d: cplx.Pair, sinh: np.ndarray, cosh: np.ndarray) -> cplx.Pair:
    """`1 / ((2 S - d C)(2 S - d* C))` for each pair and node, [H, Nh, K]."""
    cc, sc, ss = (_constant(x, d.dtype, 3) for x in (cosh * cosh, -4 * sinh * cosh, 4 * sinh * sinh))
    by_square = cplx.scale(cc, cplx.squared_modulus(d)[..., None])
    return cplx.reciprocal(cplx.add(cplx.add(by_square, cplx.scale(sc, d.re[..., None])), ss))


def _sums(fractions: cplx.Pair, d: cplx.Pair, v: cplx.Pair, sinh: np.ndarray, cosh: np.ndarray) -> cplx.Pair:
    """Cauchy sums `sum_n v_n / (2 S - d_n C)` over both halves of every pair: v [H, R, Nh] -> [H, R, K].

    A pair folds into `2 (2 S Re v - C Re(v d*))` times its fraction.
    """
    weights = 2 * jnp.concatenate([2 * v.re, v.re * d.re[:, None] + v.im * d.im[:, None]], axis=1)
    re, im = (jnp.einsum("hrn,hnk->hrk", weights, x, precision=EXACT) for x in fractions)
    R = v.shape[1]
    by_sinh, by_cosh = cplx.Pair(re[:, :R], im[:, :R]), cplx.Pair(re[:, R:], im[:, R:])
    return cplx.subtract(
        cplx.multiply(_constant(sinh, d.dtype, 3), by_sinh),
        cplx.multiply(_constant(cosh, d.dtype, 3), by_cosh),
    )


def _feedback(seen: cplx.Pair, inner: cplx.Pair, c: cplx.Pair) -> cplx.Pair:
    """`-C seen (I + C inner)^{-1}` for each feature and node, seen [H, rank, K]."""

    def at(x, *index):
        return cplx.Pair(x.re[:, *index], x.im[:, *index])

    def entry(i, j):
        scaled = cplx.multiply(at(inner, i, j), c)
        return cplx.Pair(scaled.re + 1, scaled.im) if i == j else scaled

    seen = cplx.multiply(seen, cplx.Pair(-c.re[:, None], -c.im[:, None]))
    if inner.shape[1] == 1:
        quotient = cplx.divide(at(seen, 0), entry(0, 0))
        return cplx.Pair(quotient.re[:, None], quotient.im[:, None])
    if inner.shape[1] > 2:
        ranks = range(inner.shape[1])
        turned = [[entry(j, i) for j in ranks] for i in ranks]
        answer = _solving.eliminate(turned, [at(seen, i) for i in ranks], cplx.multiply, cplx.subtract, cplx.divide)
        return cplx.Pair(*(jnp.stack(parts, axis=1) for parts in zip(*answer, strict=True)))
    (a, b), (d, e) = [[entry(i, j) for j in range(2)] for i in range(2)]
    x, y = at(seen, 0), at(seen, 1)
    determinant = cplx.subtract(cplx.multiply(a, e), cplx.multiply(b, d))
    first = cplx.divide(cplx.subtract(cplx.multiply(x, e), cplx.multiply(y, d)), determinant)
    second = cplx.divide(cplx.subtract(cplx.multiply(y, a), cplx.multiply(x, b)), determinant)
    return cplx.Pair(*(jnp.stack(both, axis=1) for both in zip(first, second, strict=True)))


def _squared_response(rows, columns, d, rho, lam, fractions, sinh, cosh) -> cplx.Pair:
    """`X Y / (2 S - d C)^2` for one half of every pair, [H, Nh, K]."""
    conjugate = cplx.Pair(d.re[..., None], -d.im[..., None])
    c, twice = _constant(cosh, d.dtype, 3), _constant(2 * sinh, d.dtype, 3)
    inverse = cplx.multiply(fractions, cplx.subtract(twice, cplx.multiply(conjugate, c)))
    X, Y = _mixed(rows, rho), _mixed(columns, lam)
    return cplx.multiply(cplx.multiply(X, inverse), cplx.multiply(Y, inverse))


def _mixed(x: cplx.Pair, weights: cplx.Pair) -> cplx.Pair:
    """`x_0 + sum_r weights_r x_r`: x [H, 1 + rank, Nh], weights [H, rank, K] -> [H, Nh, K]."""
    x, weights = (jax.tree.map(lambda part, i=i: jnp.expand_dims(part, i), y) for i, y in ((3, x), (2, weights)))
    total = cplx.Pair(x.re[:, 0], x.im[:, 0])
    for r in range(weights.shape[1]):
        factor = cplx.Pair(weights.re[:, r], weights.im[:, r])
        total = cplx.add(total, cplx.multiply(cplx.Pair(x.re[:, r + 1], x.im[:, r + 1]), factor))
    return total


def _over_states(change: Array, response: Array) -> Array:
    return jnp.einsum("hn,hnk->hk", change, response, precision=EXACT)


def _dot(x: cplx.Pair, y: cplx.Pair) -> cplx.Pair:
    """Sum of products over the second axis."""
    product = cplx.multiply(x, y)
    return cplx.Pair(product.re.sum(1), product.im.sum(1))


def _with_one(x: cplx.Pair) -> cplx.Pair:
    """A one (with no imaginary part) before the others of the second axis."""
    first = jnp.ones_like(x.re[:, :1])
    return cplx.Pair(jnp.concatenate([first, x.re], 1), jnp.concatenate([0 * first, x.im], 1))


def _constant(x: np.ndarray, dtype: Any, ndim: int) -> cplx.Pair:
    return cplx.with_ndim(cplx.Pair(jnp.asarray(np.real(x), dtype), jnp.asarray(np.imag(x), dtype)), ndim)


def _check(Lambda: cplx.Pair, P: cplx.Pair, B: cplx.Pair, C: cplx.Pair, wrap: float) -> None:
    if P.ndim != 3 or P.shape[1] < 1:
        got = tuple(P.shape)
        raise ValueError(f"P has shape {got}, expected (H, rank, Nh) with a rank of at least 1; add an axis or factors")
    for name, x in (("Lambda", Lambda), ("B", B), ("C", C)):
        _checks.shape(name, x, (P.shape[0], P.shape[2]))
    _checks.stable(Lambda)
    if not 0 < wrap <= 1:
        raise ValueError(f"wrap must lie in (0, 1], got {wrap}; 1 is the plain truncation")
