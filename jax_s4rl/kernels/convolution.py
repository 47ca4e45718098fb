"""Causal and bidirectional convolution of a sequence with one kernel per feature.

Two methods with the same result. `"fft"` multiplies spectra of the next even 5-smooth length, keeps them for its own
derivative rule, and costs O(L log L). `"toeplitz"` multiplies by the Toeplitz matrix of the kernel, costs O(L^2), and
never mixes a later input into an earlier output, not even by rounding. `"auto"` takes `"toeplitz"` up to
`TOEPLITZ_MAX_LENGTH` steps, and to `TOEPLITZ_MAX_LENGTH_MANY` in a batch of `MANY_ROWS`.

The third form, in chunks of real matrix products with a carried state, needs the system that a kernel comes from, as a
kernel alone has no state to carry: `s4.apply` and `s4d.apply` take `method="chunked"`, by the machinery of `chunks`.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from jax_s4rl.kernels import checks, fences

METHODS = ("auto", "fft", "toeplitz")

# The matrix is built and differentiated once for all rows, so it stays the faster one up to a greater length where rows
# are many; on CPU, forward and backward, the two meet about here.
TOEPLITZ_MAX_LENGTH = 32
TOEPLITZ_MAX_LENGTH_MANY, MANY_ROWS = 128, 64

# XLA's transforms run on one thread on CPU, but independent ones side by side: in parts, large ones take less time.
CPU_PARTS, LARGE = 4, 2**17


def causal(
    u: Float[Array, "*batch L H"], kernel: Float[Array, "H L"], *, method: str = "auto"
) -> Float[Array, "*batch L H"]:
    """Convolve every feature with its own kernel: ``y[l] = sum_{j <= l} kernel[l - j] u[j]``.

    Computed in float32, or float64 where an input is float64; the result has the dtype of `u`. With `"fft"` a rounding
    error of about ``1e-7 |u| |kernel|`` reaches all steps, earlier ones too, and one NaN spoils its whole row.
    Differentiable any number of times in reverse mode; ``jax.jacfwd`` is not defined for `"fft"`.

    Args:
        u: Input, time on the second axis from the right.
        kernel: Impulse response of every feature, as long as `u`.
        method: `"fft"`, `"toeplitz"`, or `"auto"`.

    Returns:
        The output, in the shape and dtype of `u`.

    Raises:
        ValueError: For an unknown method, shapes that do not match, a length below 1, or an input that is not floating.

    Source:
        Gu et al. 2022 (S4), equation (5).

    Example:
        >>> u = jnp.array([[1.0], [2.0], [3.0]])
        >>> causal(u, jnp.array([[1.0, 0.5, 0.25]]), method="toeplitz")[:, 0]
        Array([1.  , 2.5 , 4.25], dtype=float32)
    """
    checks.choice("convolution method", method, METHODS)
    work, work_kernel = _prepare(u, kernel)
    longest = TOEPLITZ_MAX_LENGTH_MANY if math.prod(u.shape[:-2]) >= MANY_ROWS else TOEPLITZ_MAX_LENGTH
    if method == "toeplitz" or (method == "auto" and u.shape[-2] <= longest):
        return _toeplitz(work, work_kernel).astype(u.dtype)
    return _by_fft(work, work_kernel).astype(u.dtype)


def bidirectional(
    u: Float[Array, "*batch L H"], forward: Float[Array, "H L"], backward: Float[Array, "H L"]
) -> Float[Array, "*batch L H"]:
    """Convolve with one kernel over the past and present and another over the future, with one transform of `u`.

    ``y[l] = sum_{j <= l} forward[l - j] u[j] + sum_{j > l} backward[j - l - 1] u[j]``.

    Args:
        u: Input.
        forward: Kernel over the present and the past.
        backward: Kernel over the future; its last entry is never reached.

    Returns:
        The output, in the shape and dtype of `u`.

    Raises:
        ValueError: As `causal`.

    Example:
        >>> u = jnp.array([[1.0], [2.0], [3.0]])
        >>> y = bidirectional(u, jnp.array([[1.0, 0.0, 0.0]]), jnp.array([[10.0, 0.0, 0.0]]))
        >>> [round(float(value), 3) for value in y[:, 0]]
        [21.0, 32.0, 3.0]
    """
    length = u.shape[-2] if u.ndim > 1 else 0
    work, ahead, behind = _prepare(u, forward, backward)
    gap = jnp.zeros((forward.shape[0], fft_length(length) - 2 * length + 1), ahead.dtype)
    circular = jnp.concatenate([ahead, gap, jnp.flip(behind[:, : length - 1], -1)], axis=-1)
    return _by_fft(work, circular).astype(u.dtype)


def fft_length(length: int) -> int:
    """The shortest even length with no prime factor above 5 that keeps a convolution of two `length`-step rows apart.

    Args:
        length: Number of steps, at least 1.

    Returns:
        The smallest even ``n >= 2 length - 1`` of the form ``2^a 3^b 5^c``.

    Raises:
        ValueError: A length below 1.

    Example:
        >>> fft_length(100), fft_length(341), fft_length(1024)
        (200, 720, 2048)
    """
    length = checks.length(length, "length")
    candidate = max(2, 2 * length - 1 + (2 * length - 1) % 2)
    while not _is_smooth(candidate):
        candidate += 2
    return candidate


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def _prepare(u: Array, *kernels: Array) -> tuple[Array, ...]:
    """Check what can be known before the values are, and cast everything to the dtype to compute in."""
    dtype = checks.compute_dtype(u, *kernels)
    for name, array in (("u", u), *(("the kernel", kernel) for kernel in kernels)):
        checks.real(name, array)
    if u.ndim < 2 or u.shape[-2] < 1:
        raise ValueError(f"u has shape {u.shape}, expected (*batch, L, H) with L of at least 1; add the missing axis")
    for kernel in kernels:
        checks.shape("the kernel", kernel, (u.shape[-1], u.shape[-2]))
    return tuple(array.astype(dtype) for array in (u, *kernels))


def _toeplitz(u: Float[Array, "*batch L H"], kernel: Float[Array, "H L"]) -> Float[Array, "*batch L H"]:
    matrix = _toeplitz_matrix(kernel)
    # One transpose in and one out: left to an einsum, more of them are made around the product.
    rows = _turn((2, 0, 1), u.reshape(-1, *u.shape[-2:]))
    y = jnp.einsum("hij,hbj->hbi", matrix, rows, precision=lax.Precision.HIGHEST)
    return jnp.asarray(_turn((1, 2, 0), y)).reshape(u.shape)


@jax.custom_vjp
def _toeplitz_matrix(kernel: Float[Array, "H L"]) -> Float[Array, "H L L"]:
    """``kernel[i - j]`` at row i and column j, 0 above the diagonal, without a gather, which is slow.

    Copies of one row of 2 L numbers, read on in rows of 2 L - 1, move one place to the right from row to row.
    """
    features, length = kernel.shape
    zeros = jnp.zeros((features, length), kernel.dtype)
    row = jnp.concatenate([kernel[:, :1], zeros, jnp.flip(kernel[:, 1:], -1)], axis=-1)
    copies = jnp.broadcast_to(row[:, None], (features, length, 2 * length)).reshape(features, -1)
    shifted = copies[:, : length * (2 * length - 1)].reshape(features, length, 2 * length - 1)
    return shifted[..., :length]


def _sum_diagonals(matrix: Float[Array, "H L L"]) -> Float[Array, "H L"]:
    """The transpose of `_toeplitz_matrix`, with half of the numbers that JAX's own would add up.

    Rows of L numbers, read on in rows of L + 1, move one place to the left from row to row: diagonals stand upright.
    """
    features, length, _ = matrix.shape
    lower = jnp.where(jnp.tri(length, dtype=bool)[None], matrix, jnp.zeros((), matrix.dtype))
    flat = jnp.pad(lower.reshape(features, -1), ((0, 0), (0, length)))
    # Without the fence, the sum works out anew where each number comes from.
    sums = fences.fence(flat).reshape(features, length, length + 1).sum(1)
    return jnp.concatenate([sums[:, :1], jnp.flip(sums[:, 2:], -1)], axis=-1)


_toeplitz_matrix.defvjp(lambda kernel: (_toeplitz_matrix(kernel), None), lambda _, matrix: (_sum_diagonals(matrix),))


def _by_fft(u: Float[Array, "*batch L H"], kernel: Float[Array, "H M"]) -> Float[Array, "*batch L H"]:
    """Circular convolution over `fft_length(L)` steps; transforms are fastest along the last axis."""
    sizes, features = (fft_length(u.shape[-2]), kernel.shape[-1]), u.shape[-1]
    parts = CPU_PARTS if jax.default_backend() == "cpu" and u.size >= LARGE else 1
    ends = [features * part // parts for part in range(1, parts + 1)]
    pieces = [
        jnp.swapaxes(_circular(sizes, jnp.swapaxes(u[..., begin:end], -1, -2), kernel[begin:end]), -1, -2)
        for begin, end in zip([0, *ends], ends, strict=False)
        if begin < end
    ]
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces, axis=-1)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _turn(axes: tuple[int, ...], x: Array) -> Array:
    """The transpose, computed by itself, and so is its derivative."""
    return fences.fence(jnp.transpose(fences.fence(x), axes))


def _turn_forward(axes: tuple[int, ...], x: Array) -> tuple[Array, None]:
    return _turn(axes, x), None


def _turn_backward(axes: tuple[int, ...], _: None, cotangent: Array) -> tuple[Array]:
    return (_turn(tuple(axes.index(axis) for axis in range(len(axes))), cotangent),)


_turn.defvjp(_turn_forward, _turn_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _circular(
    sizes: tuple[int, int], u: Float[Array, "*batch H L"], kernel: Float[Array, "H M"]
) -> Float[Array, "*batch H L"]:
    return _circular_forward(sizes, u, kernel)[0]


def _circular_forward(sizes: tuple[int, int], u: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    spectrum, transfer = jnp.fft.rfft(u, sizes[0]), jnp.fft.rfft(kernel, sizes[0])
    y = jnp.fft.irfft(spectrum * _to_rank(transfer, u.ndim), sizes[0])[..., : u.shape[-1]]
    return y, (spectrum, transfer)


def _circular_backward(sizes: tuple[int, int], saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    n, kernel_length = sizes
    spectrum, transfer = saved
    arriving = jnp.fft.rfft(cotangent, n)
    to_u = jnp.fft.irfft(arriving * _to_rank(transfer.conj(), arriving.ndim), n)[..., : cotangent.shape[-1]]
    shared = (spectrum.conj() * arriving).reshape(-1, *transfer.shape).sum(0)
    return to_u, jnp.fft.irfft(shared, n)[..., :kernel_length]


_circular.defvjp(_circular_forward, _circular_backward)


def _to_rank(transfer: Complex[Array, "H F"], rank: int) -> Complex[Array, "... H F"]:
    return transfer.reshape((1,) * (rank - 2) + transfer.shape)
