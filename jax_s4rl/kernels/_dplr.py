"""Discretises diagonal-plus-low-rank systems: `x_k = A_bar x_{k-1} + B_bar u_k` in O(N), or dense.

The bilinear rule keeps the form: `A_bar = diag(A_d) - F Q`, where a row of Q acts on a half state
as `2 Re(Q x)`. With `D = 1/(2/step - Lambda)` and the small real matrix `W = I + 2 Re(P* D P)`:
`A_d = (2/step + Lambda) D`, `F = D P`, `Q = (4/step) W^-1 P* D` and
`B_bar = 2 D B - F W^-1 2 Re(P* 2 D B)` (Woodbury, with `1 + A_d = (4/step) D`). A half state of Nh
complex numbers is a real vector `[re, im]` of N numbers. On that vector the system is an ordinary
real matrix, from which powers and zero-order hold are computed.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl.kernels import _solving, discretization
from jax_s4rl.kernels import complex_pair as cplx

METHODS = ("bilinear", "zoh")
EXACT = jax.lax.Precision.HIGHEST


class Steps(NamedTuple):
    """O(N) form of a discrete system: Pairs `A_d` [H, Nh], `F`, `Q` [H, rank, Nh], `B_bar` [H, Nh].

    `change` is `A_d - 1` with all of its digits (see `discretization.change`).
    """

    A_d: cplx.Pair
    F: cplx.Pair
    Q: cplx.Pair
    B_bar: cplx.Pair
    change: cplx.Pair


class Dense(NamedTuple):
    """Dense form of a discrete system, on real vectors `[re, im]`.

    `change` is `A_bar - I` [H, N, N] with all of its digits; `B_bar` is [H, N].
    """

    change: Float[Array, "H N N"]
    B_bar: Float[Array, "H N"]

    @property
    def A_bar(self) -> Any:
        """Transition matrix, which rounds off digits of `change`; a NumPy array if `change` is."""
        return self.change + np.eye(self.change.shape[-1], dtype=self.change.dtype)[None]


def discretize(
    Lambda: cplx.Pair,
    P: cplx.Pair,
    B: cplx.Pair,
    step: Float[Array, "H"],
    method: str,
    zero: bool = False,
) -> Steps | Dense:
    """Discretises by `"bilinear"` into the O(N) form, or by `"zoh"` into the dense form; traced.

    `zero` has the same meaning as in `bilinear`.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda, P = cplx.zeros((1, 1)), cplx.zeros((1, 1, 1))
        >>> still = discretize(Lambda, P, one, jnp.ones(1), "bilinear")
        >>> still.A_d.re, still.B_bar.re
        (Array([[1.]], dtype=float32), Array([[1.]], dtype=float32))
    """
    return bilinear(Lambda, P, B, step, zero) if method == "bilinear" else zoh(Lambda, P, B, step)


def discretize_on_host(
    Lambda: cplx.Pair, P: cplx.Pair, B: cplx.Pair, step: Any, method: str, rate: Any = 1.0
) -> Any:
    """Discretises in float64 NumPy, whatever the dtype of the arguments.

    `rate` is a factor on the step.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> Lambda, P = cplx.zeros((1, 1)), cplx.zeros((1, 1, 1))
        >>> discretize_on_host(Lambda, P, one, jnp.ones(1), "zoh", 2.0).B_bar
        array([[2., 0.]])
    """
    Lambda, P, B = jax.tree.map(lambda x: np.asarray(x, np.float64), (Lambda, P, B))
    step = np.asarray(step, np.float64) * np.asarray(rate, np.float64)
    if method == "zoh":
        return zoh(Lambda, P, B, step, xp=np)
    return bilinear_on_host(Lambda.re + 1j * Lambda.im, P.re + 1j * P.im, B.re + 1j * B.im, step)


def bilinear(
    Lambda: cplx.Pair, P: cplx.Pair, B: cplx.Pair, step: Float[Array, "H"], zero: bool = False
) -> Steps:
    """Discretises by the bilinear rule into the O(N) form; traced, in the dtype of the arguments.

    Args:
        Lambda: Diagonal, [H, Nh].
        P: Low-rank factor, [H, rank, Nh]; a rank of 1 or 2 is the fastest.
        B: Input weights, [H, Nh].
        step: Sample spacing, positive.
        zero: Whether steps of zero occur; the derivative then exists there too.

    Returns:
        The O(N) form.

    Source:
        Gu et al. 2022 (S4), appendix C.2.

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> bilinear(cplx.zeros((1, 1)), cplx.zeros((1, 1, 1)), one, jnp.full(1, 0.5)).B_bar.re
        Array([[0.5]], dtype=float32)
    """
    half = discretization.discretize(Lambda, step[:, None], "bilinear")
    # The gain is `step / (1 - step Lambda / 2) = 2 D`, in a form that is finite for a step of zero.
    D = cplx.scale(half.gain, 0.5)
    F = cplx.multiply(cplx.Pair(D.re[:, None], D.im[:, None]), P)
    W = jnp.eye(P.shape[1], dtype=P.dtype)[None] + 2 * cplx.real_einsum(
        "hrn,hsn->hrs", cplx.conjugate(P), F
    )
    inverse = _inverse(W)
    slope = cplx.reciprocal(
        cplx.Pair(1 - Lambda.re * step[:, None] / 2, -Lambda.im * step[:, None] / 2)
    )
    # `(4/step) D = 2 / (1 - step Lambda / 2)`: the right side does not divide by a step of zero.
    projected = _conjugate_times(P, slope if zero else D)
    Q = cplx.Pair(*(jnp.einsum("hrs,hsn->hrn", inverse, x, precision=EXACT) for x in projected))
    Q = cplx.scale(Q, 2.0 if zero else (4 / step)[:, None, None])
    direct = cplx.multiply(half.gain, B)
    low_rank_input = 2 * cplx.real_einsum("hrn,hn->hr", cplx.conjugate(P), direct)
    low_rank_input = jnp.einsum("hrs,hs->hr", inverse, low_rank_input, precision=EXACT)
    correction = cplx.Pair(*((x * low_rank_input[..., None]).sum(1) for x in F))
    A_d, change = (
        cplx.exp(cplx.Pair(half.log_modulus, half.angle)),
        cplx.multiply(Lambda, half.gain),
    )
    return Steps(A_d, F, Q, cplx.subtract(direct, correction), change)


def bilinear_on_host(Lambda: Any, P: Any, B: Any, step: Any) -> Steps:
    """Discretises by the bilinear rule in float64 NumPy.

    Takes complex128 arrays and returns Pairs of float64 NumPy arrays.

    Example:
        >>> one = np.ones((1, 1), complex)
        >>> bilinear_on_host(0 * one, 0 * one[None], one, np.full(1, 0.5)).B_bar.re
        array([[0.5]])
    """
    D = 1 / (2 / step[:, None] - Lambda)
    F = D[:, None] * P
    W = np.eye(P.shape[1])[None] + 2 * np.einsum("hrn,hsn->hrs", P.conj(), F).real
    Q = (4 / step[:, None, None]) * np.linalg.solve(W + 0j, P.conj() * D[:, None])
    low_rank_input = 2 * np.einsum("hrn,hn->hr", P.conj(), 2 * D * B).real
    B_bar = 2 * D * B - np.einsum(
        "hrn,hr->hn", F, np.linalg.solve(W, low_rank_input[..., None])[..., 0]
    )
    parts = ((2 / step[:, None] + Lambda) * D, F, Q, B_bar, 2 * Lambda * D)
    return Steps(*(cplx.Pair(x.real, x.imag) for x in parts))


def moved(steps: Steps, x: cplx.Pair) -> cplx.Pair:
    """Computes the change of a half state in one step without input, `A_bar x - x`.

    The half state x is [*batch, H, Nh].

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> none, half = cplx.zeros((1, 1, 1)), cplx.scale(one, 0.5)
        >>> moved(Steps(half, none, none, one, change=cplx.scale(half, -1.0)), one).re
        Array([[-0.5]], dtype=float32)
    """
    parts = ((steps.change, 0), (steps.F, 1), (steps.Q, 1))
    change, F, Q = (cplx.with_ndim(part, x.ndim + extra) for part, extra in parts)
    read = 2 * (Q.re * x.re[..., None, :] - Q.im * x.im[..., None, :]).sum(-1, keepdims=True)
    return cplx.subtract(
        cplx.multiply(change, x), cplx.Pair((F.re * read).sum(-2), (F.im * read).sum(-2))
    )


def next_state(system: Steps | Dense, x: cplx.Pair, u: Float[Array, "*batch H"]) -> cplx.Pair:
    """Takes one step with input, `A_bar x + B_bar u`, in either form.

    The half state x is [*batch, H, Nh].

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> none, half = cplx.zeros((1, 1, 1)), cplx.scale(one, 0.5)
        >>> system = Steps(half, none, none, one, change=cplx.scale(half, -1.0))
        >>> next_state(system, one, jnp.full(1, 3.0)).re
        Array([[3.5]], dtype=float32)
    """
    if isinstance(system, Steps):
        change, B_bar = moved(system, x), system.B_bar
    else:
        change = jnp.einsum("hij,...hj->...hi", system.change, cplx.stack_parts(x), precision=EXACT)
        change, B_bar = cplx.split_parts(change), cplx.split_parts(system.B_bar)
    # The two small terms are added first, so that only one addition rounds at the size of the
    # state.
    return cplx.add(x, cplx.add(change, cplx.scale(cplx.with_ndim(B_bar, x.ndim), u[..., None])))


def dense(steps: Steps, xp: Any = jnp) -> Dense:
    """Writes the O(N) form out as real matrices (with `xp=np` on the host).

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> none, half = cplx.zeros((1, 1, 1)), cplx.scale(one, 0.5)
        >>> dense(Steps(half, none, none, one, change=cplx.scale(half, -1.0))).A_bar[0].tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    # On a real state [re, im], the row [Re Q, -Im Q] gives `Re(Q x)`; the factor 2 below is that of
    # `2 Re(Q x)`.
    f = xp.concatenate([steps.F.re, steps.F.im], -1)
    q = xp.concatenate([steps.Q.re, -steps.Q.im], -1)
    change = rotation(steps.change, xp) - 2 * (f[:, :, :, None] * q[:, :, None, :]).sum(1)
    return Dense(change, xp.concatenate([steps.B_bar.re, steps.B_bar.im], -1))


def rotation(x: cplx.Pair, xp: Any = jnp) -> Any:
    """Returns the real matrix of multiplication by `diag(x)`: [H, Nh] -> [H, N, N].

    Example:
        >>> rotation(cplx.as_pair(jnp.asarray([[1j]])))[0].tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    Nh = x.re.shape[-1]
    eye = xp.eye(Nh, dtype=x.re.dtype)[None]
    re, im = eye * x.re[:, None], eye * x.im[:, None]
    return xp.concatenate([xp.concatenate([re, -im], -1), xp.concatenate([im, re], -1)], -2)


def zoh(Lambda: Any, P: Any, B: Any, step: Any, xp: Any = jnp) -> Dense:
    """Discretises by zero-order hold into the dense form.

    `A_bar = e^{step A}`, and `B_bar` is its integral times B. Both come from one exponential, that
    of `step [[A, B], [0, 0]]`.

    Args:
        Lambda: Diagonal, Pair [H, Nh].
        P: Low-rank factor, Pair [H, rank, Nh].
        B: Input weights, Pair [H, Nh].
        step: Sample spacing, [H].
        xp: Array module: `jax.numpy`, or `numpy` for float64 on the host.

    Returns:
        The system as real matrices; the low-rank form is lost.

    Source:
        Van Loan 1978, equation (1.2).

    Example:
        >>> one = cplx.as_pair(jnp.ones((1, 1)))
        >>> zoh(cplx.zeros((1, 1)), cplx.zeros((1, 1, 1)), one, jnp.full(1, 0.5)).B_bar
        Array([[0.5, 0. ]], dtype=float32)
    """
    p = xp.concatenate([P.re, P.im], -1)
    A = rotation(Lambda, xp) - 2 * (p[:, :, :, None] * p[:, :, None, :]).sum(1)
    b = xp.concatenate([B.re, B.im], -1)
    whole = xp.concatenate([A, b[..., None]], -1)
    whole = xp.concatenate([whole, xp.zeros_like(whole[:, :1])], -2) * step[:, None, None]
    result = _exponential_change(whole, xp)
    return Dense(result[:, :-1, :-1], result[:, :-1, -1])


def power_change(change: Any, exponent: int, xp: Any = jnp) -> Any:
    """Computes `A^exponent - I` by squaring, from `A - I`, [H, N, N].

    With `A = I + E` a product is `I + (E + E' + E E')`, so a slow decay in E keeps its digits.

    Example:
        >>> float(power_change(jnp.full((1, 1, 1), 1.0), 5)[0, 0, 0])
        31.0
    """
    result = None
    while True:
        if exponent % 2:
            result = change if result is None else product_change(result, change, xp)
        exponent //= 2
        if not exponent:
            return xp.zeros_like(change) if result is None else result
        change = product_change(change, change, xp)


def product_change(x: Any, y: Any, xp: Any = jnp) -> Any:
    """Computes `(I + x) (I + y) - I`.

    Example:
        >>> float(product_change(jnp.full((1, 1, 1), 1.0), jnp.full((1, 1, 1), 2.0))[0, 0, 0])
        5.0
    """
    return x + y + matmul(x, y, xp)


def matmul(x: Any, y: Any, xp: Any = jnp) -> Any:
    """Multiplies matrices without the reduced precision of accelerators.

    Example:
        >>> float(matmul(jnp.full((1, 1), 2.0), jnp.full((1, 1), 3.0))[0, 0])
        6.0
    """
    return jnp.matmul(x, y, precision=EXACT) if xp is jnp else x @ y


# Scaling and squaring: a matrix is halved until its norm is at most 1/2, and its exponential is
# squared as often. Traced code does not know the norm, so it always runs this many squarings and
# keeps the results of those that the norm requires.
MAX_SQUARINGS = 24
TAYLOR_TERMS = 17


def _exponential_change(X: Any, xp: Any) -> Any:
    """Computes `e^X - I` by a Taylor series, scaling and squaring."""
    # Only matrix products: `jax.scipy.linalg.expm` solves a batch of linear systems, which can hang
    # on CPU (see `_solving`).
    norm = 2 * xp.abs(X).sum(-1).max(-1)
    squarings = xp.ceil(xp.log2(xp.maximum(norm, 1)))[:, None, None]
    result = term = X = X / 2**squarings
    for k in range(2, TAYLOR_TERMS + 1):
        term = matmul(term, X, xp) / k
        result = result + term
    if xp is np:
        for k in range(int(squarings.max())):
            result = np.where(k < squarings, product_change(result, result, np), result)
        return result

    def squared(k: Any, result: Any) -> Any:
        return jnp.where(k < squarings, product_change(result, result), result)

    result = jax.lax.fori_loop(0, MAX_SQUARINGS, squared, result)
    # A norm that needs more squarings gives NaN instead of a wrong result.
    return jnp.where(squarings > MAX_SQUARINGS, jnp.nan, result)


def _conjugate_times(P: cplx.Pair, D: cplx.Pair) -> cplx.Pair:
    return cplx.multiply(cplx.conjugate(P), cplx.Pair(D.re[:, None], D.im[:, None]))


def _inverse(W: Float[Array, "H R R"]) -> Float[Array, "H R R"]:
    """Inverts small real matrices, each the identity plus a positive definite matrix."""
    if W.shape[-1] == 1:
        return 1 / W
    if W.shape[-1] > 2:
        entries = [[W[:, i, j, None] for j in range(W.shape[-1])] for i in range(W.shape[-1])]
        # Right-hand sides are the rows of the identity. An entry [H, 1] broadcasts against a row
        # [H, R].
        unit = jnp.broadcast_to(jnp.eye(W.shape[-1], dtype=W.dtype)[None], W.shape)
        return jnp.stack(_solving.eliminate(entries, [unit[:, i] for i in range(W.shape[-1])]), 1)
    a, b, c, d = W[:, 0, 0], W[:, 0, 1], W[:, 1, 0], W[:, 1, 1]
    rows = jnp.stack([jnp.stack([d, -b], -1), jnp.stack([-c, a], -1)], -2)
    return rows / (a * d - b * c)[:, None, None]
