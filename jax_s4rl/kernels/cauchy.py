"""The kernel of a diagonal-plus-low-rank system from its truncated generating function, in real arithmetic.

S4 evaluates `sum_{l<L} K_l z^l = C (I - z^L A_bar^L) (I - z A_bar)^{-1} B_bar` at the roots of unity, where weakly
damped poles come as close to the nodes as float32 can tell, and `I - A_bar^L` is nearly singular for a short row.
Here the nodes lie on a slightly smaller circle, `z = exp(-(sigma + i theta))` with `z^L = e^{-sigma L} = wrap`: the
factor to train becomes `C (I - wrap A_bar^L)`, whose condition number is at most a few, no pole meets a node (lambda
= 0 included), and the price is that rounding errors grow by 1/wrap towards the end of the kernel. At wrap = 1/2 the
largest error over measures, lengths and steps fell from 9e-4 to 2e-6 of the largest entry, and the largest condition
number from 1e6 to 3 (N = 64, rows of 2 to 4,096 steps).

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

from jax_s4rl.kernels import checks, pairs

EXACT = jax.lax.Precision.HIGHEST
MAX_RANK = 2

# Features at a time on CPU: what they need then stays in the cache, forward and backward. H = 256, N = 64, L = 1,024,
# two cores: 7 ms and 58 ms with the gradient in 6 MiB, against 27 and 162 ms in 146 MiB all at once (4: 14, 95; 16:
# 9, 81).
GROUP = 8

# See the table of errors in the module's docstring; 0.25 and 0.9 are each up to two times worse.
WRAP = 0.5


def nodes(L: int, wrap: float = WRAP) -> tuple[np.ndarray, np.ndarray]:
    """Hyperbolic sine and cosine of the half exponents `(sigma + 2 pi i k / L) / 2`, k = 0 .. L // 2, in complex128.

    Example:
        >>> sine, cosine = nodes(2, wrap=1.0)
        >>> np.round(sine.imag, 6), np.round(cosine.real, 6)
        (array([0., 1.]), array([1., 0.]))
    """
    half = (-np.log(wrap) + 2j * np.pi * np.arange(L // 2 + 1)) / (2 * L)
    return np.sinh(half), np.cosh(half)


def kernel(
    Lambda: pairs.Complexlike,
    P: pairs.Complexlike,
    B: pairs.Complexlike,
    C: pairs.Complexlike,
    *,
    step: Float[Array, "H"],
    L: int,
    wrap: float = WRAP,
) -> Float[Array, "H L"]:
    """Impulse response of `x' = (diag(Lambda) - P P*) x + B u`, `y = 2 Re(C_true x)`, under the bilinear rule.

    Args:
        Lambda: Diagonal, [H, Nh], real part at most 0.
        P: Low-rank factor, [H, rank, Nh], rank 1 or 2.
        B: Input weights, [H, Nh].
        C: Truncated output weights `C_true (I - wrap A_bar^L)`, [H, Nh].
        step: Sample spacing, positive.
        L: Number of steps, static.
        wrap: Weight that the steps after the first L wrap around with, in (0, 1]; 1 is S4's own truncation.

    Returns:
        The kernel, [H, L].

    Raises:
        ValueError: L below 1, a rank above 2, shapes that do not match, wrap outside (0, 1], a known negative step, or
            a known Lambda with a positive real part.

    Source:
        Gu et al. 2022 (S4), algorithm 1 and appendix C.3.

    Example:
        >>> minus, one = (pairs.as_pair(jnp.full((1, 1), value)) for value in (-1.0, 0.5))
        >>> C = pairs.scale(one, 1 - WRAP / 3**4)
        >>> kernel(minus, pairs.zeros((1, 1, 1)), one, C, step=jnp.ones(1), L=4)[0, 1].round(4)
        Array(0.1111, dtype=float32)
    """
    Lambda, P, B, C = (pairs.as_pair(x) for x in (Lambda, P, B, C))
    L = checks.length(L)
    _check(Lambda, P, B, C, wrap)
    H = P.shape[0]
    checks.shape("step", step, (H,))
    checks.spacing("step", step)
    group = H if jax.default_backend() != "cpu" else GROUP
    if group >= H:
        return _kernel(L, wrap, (Lambda, P, B, C, step))
    grouped = jax.tree.map(lambda x: _grouped(x, group), (Lambda, P, B, C, step))
    return jax.lax.map(jax.checkpoint(partial(_kernel, L, wrap)), grouped).reshape(-1, L)[:H]


def _grouped(x: Array, group: int) -> Array:
    """Split the features into groups; the last feature fills the last group, so that no value is out of range."""
    x = jnp.pad(x, [(0, -x.shape[0] % group)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    return x.reshape(-1, group, *x.shape[1:])


def _kernel(L: int, wrap: float, system: tuple[pairs.Pair, pairs.Pair, pairs.Pair, pairs.Pair, Array]) -> Array:
    Lambda, P, B, C, step = system
    rank, dtype = P.shape[1], Lambda.dtype
    sinh, cosh = nodes(L, wrap)
    sums = _sums(pairs.scale(Lambda, step[:, None]), _products(P, B, C), sinh, cosh)
    direct, right, left, inner = _split(pairs.scale(sums, step[:, None, None]), rank)
    low_rank = _woodbury(right, left, inner, _constant(cosh, dtype, 2))
    answer = pairs.subtract(direct, pairs.multiply(low_rank, _constant(cosh, dtype, 2)))
    spectrum = pairs.multiply(_constant(sinh + cosh, dtype, 2), answer)
    undamped = jnp.asarray(wrap ** (-np.arange(L) / L), dtype)
    return jnp.fft.irfft(pairs.to_complex(spectrum), L).astype(dtype) * undamped[None]


def _products(P: pairs.Pair, B: pairs.Pair, C: pairs.Pair) -> pairs.Pair:
    """Numerators of all sums, [H, (1 + rank)^2, Nh]: C B, C P, P* B, P* P."""
    first, second = pairs.Pair(C.re[:, None], C.im[:, None]), pairs.Pair(B.re[:, None], B.im[:, None])
    rows = jax.tree.map(lambda x, y: jnp.concatenate([x, y], 1)[:, :, None], first, pairs.conjugate(P))
    columns = jax.tree.map(lambda x, y: jnp.concatenate([x, y], 1)[:, None], second, P)
    table = pairs.multiply(rows, columns)
    return jax.tree.map(lambda x: x.reshape(x.shape[0], -1, x.shape[-1]), table)


def _split(sums: pairs.Pair, rank: int) -> tuple[pairs.Pair, pairs.Pair, pairs.Pair, pairs.Pair]:
    """Take [H, (1 + rank)^2, K] apart: C B [H, K], C P [H, rank, K], P* B [H, rank, K], P* P [H, rank, rank, K]."""
    table = jax.tree.map(lambda x: x.reshape(x.shape[0], 1 + rank, 1 + rank, -1), sums)
    parts = [(0, 0), (0, slice(1, None)), (slice(1, None), 0), (slice(1, None), slice(1, None))]
    direct, right, left, inner = (pairs.Pair(*(x[:, i, j] for x in table)) for i, j in parts)
    return direct, right, left, inner


def _woodbury(right: pairs.Pair, left: pairs.Pair, inner: pairs.Pair, c: pairs.Pair) -> pairs.Pair:
    """`right (I + c inner)^{-1} left` for each feature and node."""

    def at(x, *index):
        return pairs.Pair(x.re[:, *index], x.im[:, *index])

    def entry(i, j):
        scaled = pairs.multiply(at(inner, i, j), c)
        return pairs.Pair(scaled.re + 1, scaled.im) if i == j else scaled

    if inner.shape[1] == 1:
        return pairs.divide(pairs.multiply(at(right, 0), at(left, 0)), entry(0, 0))
    (a, b), (d, e) = [[entry(i, j) for j in range(2)] for i in range(2)]
    x, y = at(left, 0), at(left, 1)
    first = pairs.multiply(at(right, 0), pairs.subtract(pairs.multiply(e, x), pairs.multiply(b, y)))
    second = pairs.multiply(at(right, 1), pairs.subtract(pairs.multiply(a, y), pairs.multiply(d, x)))
    return pairs.divide(pairs.add(first, second), pairs.subtract(pairs.multiply(a, e), pairs.multiply(b, d)))


def _sums(d: pairs.Pair, v: pairs.Pair, sinh: np.ndarray, cosh: np.ndarray) -> pairs.Pair:
    """Cauchy sums `sum_n v_n / (2 S - d_n C)` over both halves of every pair: d [H, Nh], v [H, R, Nh] -> [H, R, K].

    A pair folds into `2 (2 S Re v - C Re(v d*)) / (|d|^2 C^2 - 4 Re(d) S C + 4 S^2)`.
    """
    dtype = d.dtype
    cc, sc, ss = (_constant(x, dtype, 3) for x in (cosh * cosh, -4 * sinh * cosh, 4 * sinh * sinh))
    fractions = _fractions(pairs.squared_modulus(d), d.re, cc, sc, ss)
    weights = 2 * jnp.concatenate([2 * v.re, v.re * d.re[:, None] + v.im * d.im[:, None]], axis=1)
    re, im = (jnp.einsum("hrn,hnk->hrk", weights, x, precision=EXACT) for x in fractions)
    R = v.shape[1]
    by_sinh, by_cosh = pairs.Pair(re[:, :R], im[:, :R]), pairs.Pair(re[:, R:], im[:, R:])
    return pairs.subtract(
        pairs.multiply(_constant(sinh, dtype, 3), by_sinh), pairs.multiply(_constant(cosh, dtype, 3), by_cosh)
    )


@jax.custom_jvp
def _fractions(square: Array, real: Array, cc: pairs.Pair, sc: pairs.Pair, ss: pairs.Pair) -> pairs.Pair:
    """`1 / (square cc + real sc + ss)` for each pair and node, [H, Nh, K]."""
    return pairs.reciprocal(pairs.add(_mixed(square, real, cc, sc), ss))


@_fractions.defjvp
def _fractions_jvp(primals, tangents):
    """`df = -f (f dD)`: in this order nothing but f itself is kept for the way back."""
    f = _fractions(*primals)
    change = _mixed(tangents[0], tangents[1], primals[2], primals[3])
    return f, pairs.scale(pairs.multiply(f, pairs.multiply(f, change)), -1.0)


def _mixed(square: Array, real: Array, cc: pairs.Pair, sc: pairs.Pair) -> pairs.Pair:
    return pairs.add(pairs.scale(cc, square[..., None]), pairs.scale(sc, real[..., None]))


def _constant(x: np.ndarray, dtype: Any, ndim: int) -> pairs.Pair:
    return pairs.with_ndim(pairs.Pair(jnp.asarray(np.real(x), dtype), jnp.asarray(np.imag(x), dtype)), ndim)


def _check(Lambda: pairs.Pair, P: pairs.Pair, B: pairs.Pair, C: pairs.Pair, wrap: float) -> None:
    if P.ndim != 3 or not 1 <= P.shape[1] <= MAX_RANK:
        got = tuple(P.shape)
        raise ValueError(f"P has shape {got}, expected (H, rank, Nh) with a rank of 1 or 2; add an axis or factors")
    for name, x in (("Lambda", Lambda), ("B", B), ("C", C)):
        checks.shape(name, x, (P.shape[0], P.shape[2]))
    checks.stable(Lambda)
    if not 0 < wrap <= 1:
        raise ValueError(f"wrap must lie in (0, 1], got {wrap}; 1 is the plain truncation")
