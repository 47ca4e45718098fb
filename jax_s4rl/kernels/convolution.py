"""Causal and bidirectional convolution of a sequence with one kernel per feature.

Three methods give the same result. `"fft"` multiplies spectra and costs O(L log L). `"toeplitz"`
multiplies by the Toeplitz matrix of the kernel, costs O(L^2), and never mixes a later input into an
earlier output, not even by rounding. `"direct"` slides the kernel along: it also costs O(L^2), but
needs no memory for a matrix. `"auto"` takes `"toeplitz"` up to `TOEPLITZ_MAX_LENGTH` steps, and up
to `TOEPLITZ_MAX_LENGTH_MANY` in a batch of `MANY_ROWS` or of a size not yet known. For longer rows
it takes `"fft"`, or `"direct"` in a program for TPU, which avoids transforms and complex numbers
there.

A fourth method, in chunks of real matrix products with a carried state, needs the system that a
kernel comes from, as a kernel alone has no state to carry: `s4.apply` and `s4d.apply` take
`method="chunked"`, which `_chunks` implements.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jax_s4rl.kernels import _casting, _checks, _fourier, _fusion_barrier, _linear_maps, _sharding

METHODS = ("auto", "fft", "toeplitz", "direct")

# The matrix is built and differentiated once for all rows, so with many rows it stays the faster
# method up to a greater length. On CPU, forward and backward, the two are equally fast about here.
TOEPLITZ_MAX_LENGTH = 32
TOEPLITZ_MAX_LENGTH_MANY, MANY_ROWS = 128, 64

# Length of the transforms, for those who compare with them.
fft_length = _fourier.fft_length


def causal(
    u: Float[Array | np.ndarray, "*batch L H"],
    kernel: Float[Array | np.ndarray, "H L"],
    *,
    method: str = "auto",
    precision: str = "highest",
) -> Float[Array, "*batch L H"]:
    """Convolves every feature with its own kernel: ``y[l] = sum_{j <= l} kernel[l - j] u[j]``.

    Computes in float32, or in float64 if an input is float64; the result has the dtype of `u`. With
    `"fft"` a rounding error of about ``1e-7 |u| |kernel|`` reaches all steps, earlier ones too, and
    one NaN spoils its whole row. Differentiable any number of times, in forward and reverse mode.

    Args:
        u: Input, time on the second axis from the right.
        kernel: Impulse response of every feature, as long as `u`.
        method: `"fft"`, `"toeplitz"`, `"direct"` or `"auto"`.
        precision: Precision of the products of `"toeplitz"` and `"direct"`: `"default"`, `"high"`
            or `"highest"`, which are equal on CPU.

    Returns:
        The output, in the shape and dtype of `u`.

    Raises:
        ValueError: If the method or precision is unknown, shapes do not match, the length is below
            1, or an input is not floating.

    Source:
        Gu et al. 2022 (S4), equation (5).

    Example:
        >>> u = jnp.array([[1.0], [2.0], [3.0]])
        >>> causal(u, jnp.array([[1.0, 0.5, 0.25]]), method="toeplitz")[:, 0]
        Array([1.  , 2.5 , 4.25], dtype=float32)
    """
    _checks.choice("convolution method", method, METHODS)
    _checks.choice("precision", precision, _casting.PRECISIONS)
    dtype, work, work_kernel = _prepare(u, kernel)
    if (fastest(work.shape) if method == "auto" else method) == "toeplitz":
        y = _toeplitz(work, work_kernel, precision)
    elif method == "direct":
        y = _direct(precision, work, work_kernel)
    else:
        y = (
            _fourier.convolve(work, work_kernel)
            if method == "fft"
            else _by_device(precision, work, work_kernel)
        )
    return y.astype(dtype)


def fastest(shape: tuple[Any, ...]) -> str:
    """Returns the method that `"auto"` stands for on CPU and GPU; it depends on sizes alone.

    Args:
        shape: Shape of the input, [*batch, L, H].

    Returns:
        `"fft"` or `"toeplitz"`.

    Example:
        >>> fastest((100, 3)), fastest((64, 100, 3))
        ('fft', 'toeplitz')
    """
    many = _checks.reaches(math.prod(shape[:-2]), MANY_ROWS)
    return (
        "toeplitz"
        if shape[-2] <= (TOEPLITZ_MAX_LENGTH_MANY if many else TOEPLITZ_MAX_LENGTH)
        else "fft"
    )


def bidirectional(
    u: Float[Array | np.ndarray, "*batch L H"],
    forward: Float[Array | np.ndarray, "H L"],
    backward: Float[Array | np.ndarray, "H L"],
) -> Float[Array, "*batch L H"]:
    """Convolves with one kernel over past and present, and another over the future.

    One transform of `u` serves both:

    ``y[l] = sum_{j <= l} forward[l - j] u[j] + sum_{j > l} backward[j - l - 1] u[j]``.

    Args:
        u: Input.
        forward: Kernel over the present and the past.
        backward: Kernel over the future; its last entry is never reached.

    Returns:
        The output, in the shape and dtype of `u`.

    Raises:
        ValueError: As in `causal`.

    Example:
        >>> u = jnp.array([[1.0], [2.0], [3.0]])
        >>> y = bidirectional(u, jnp.array([[1.0, 0.0, 0.0]]), jnp.array([[10.0, 0.0, 0.0]]))
        >>> [round(float(value), 3) for value in y[:, 0]]
        [21.0, 32.0, 3.0]
    """
    dtype, work, ahead, behind = _prepare(u, forward, backward)
    length = work.shape[-2]
    # On the circle of the transforms, negative lags are the last entries, after a gap of zeros.
    gap = jnp.zeros((ahead.shape[0], _fourier.fft_length(length) - 2 * length + 1), ahead.dtype)
    circular = jnp.concatenate([ahead, gap, jnp.flip(behind[:, : length - 1], -1)], axis=-1)
    two_sided = jnp.concatenate([jnp.flip(behind[:, : length - 1], -1), ahead], axis=-1)
    return _both_by_device(work, circular, two_sided).astype(dtype)


def _prepare(u: Any, *kernels: Any) -> tuple[Any, ...]:
    """Checks u and the kernels, and casts them to the dtype to compute in.

    Returns:
        The dtype of u, the cast u, and the cast kernels.

    Raises:
        ValueError: If an input is not floating, or shapes do not match.
    """
    u = _casting.floating("u", u)
    kernels = tuple(_casting.floating("the kernel", x) for x in kernels)
    if u.ndim < 2 or u.shape[-2] < 1:
        raise ValueError(
            f"u has shape {u.shape}, expected (*batch, L, H) with L of at least 1; "
            "add the missing axis"
        )
    for kernel in kernels:
        _checks.shape("the kernel", kernel, (u.shape[-1], u.shape[-2]))
    dtype = _casting.compute_dtype(u, *kernels)
    return u.dtype, *_sharding.vary_alike(*(array.astype(dtype) for array in (u, *kernels)))


def _toeplitz(
    u: Float[Array, "*batch L H"], kernel: Float[Array, "H L"], precision: str
) -> Float[Array, "*batch L H"]:
    matrix = _toeplitz_matrix(kernel)
    length, features = u.shape[-2:]
    # One transpose in and one out: for an einsum over the original axes, more of them would be
    # made.
    rows = _turned(u.reshape(-1, features)).reshape(features, -1, length)
    y = jnp.einsum("hij,hbj->hbi", matrix, rows, precision=precision)
    return _turned(y.reshape(features, -1)).reshape(u.shape)


@jax.custom_jvp
def _toeplitz_matrix(kernel: Float[Array, "H L"]) -> Float[Array, "H L L"]:
    """Returns ``kernel[i - j]`` at row i and column j, 0 above the diagonal, without a slow gather.

    Copies of one row of `2 L` numbers, read in rows of `2 L - 1`, move one place to the right from
    row to row.
    """
    features, length = kernel.shape
    zeros = jnp.zeros((features, length), kernel.dtype)
    row = jnp.concatenate([kernel[:, :1], zeros, jnp.flip(kernel[:, 1:], -1)], axis=-1)
    copies = jnp.broadcast_to(row[:, None], (features, length, 2 * length)).reshape(features, -1)
    shifted = copies[:, : length * (2 * length - 1)].reshape(features, length, 2 * length - 1)
    return shifted[..., :length]


@_toeplitz_matrix.defjvp
def _toeplitz_matrix_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _toeplitz_matrix(*primals), _linear_maps.call(
        _toeplitz_matrix, _sum_diagonals, tangents[0]
    )


def _sum_diagonals(matrix: Float[Array, "H L L"]) -> Float[Array, "H L"]:
    """Sums each diagonal of the lower triangle: the transpose of `_toeplitz_matrix`.

    The transpose by JAX would add up twice as many numbers. Rows of L numbers, read in rows of
    `L + 1`, move one place to the left from row to row, so that diagonals become columns.
    """
    features, length, _ = matrix.shape
    lower = jnp.where(jnp.tri(length, dtype=bool)[None], matrix, jnp.zeros((), matrix.dtype))
    flat = jnp.pad(lower.reshape(features, -1), ((0, 0), (0, length)))
    # Without the barrier, the sum would compute again which entry each number comes from.
    sums = _fusion_barrier.fence(flat).reshape(features, length, length + 1).sum(1)
    return jnp.concatenate([sums[:, :1], jnp.flip(sums[:, 2:], -1)], axis=-1)


@jax.custom_jvp
def _turned(x: Float[Array, "rows columns"]) -> Float[Array, "columns rows"]:
    """Transposes a matrix between fusion barriers; so does the transpose of its derivative.

    XLA turns a matrix in two thirds of the time, or less, that it takes to move one of three axes.
    """
    return _fusion_barrier.fence(_fusion_barrier.fence(x).T)


@_turned.defjvp
def _turned_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _turned(*primals), _linear_maps.call(jnp.transpose, _turned, tangents[0])


# `jax.jit`, because outside of it a choice by platform would be compiled again in every call.
@partial(jax.jit, static_argnums=0)
def _by_device(
    precision: str, u: Float[Array, "*batch L H"], kernel: Float[Array, "H L"]
) -> Float[Array, "*batch L H"]:
    return lax.platform_dependent(
        u, kernel, tpu=partial(_direct, precision), default=_fourier.convolve
    )


@jax.jit
def _both_by_device(
    u: Float[Array, "*batch L H"], circular: Float[Array, "H M"], two_sided: Float[Array, "H W"]
) -> Float[Array, "*batch L H"]:
    return lax.platform_dependent(
        u,
        circular,
        two_sided,
        tpu=lambda u, _, kernel: _direct("highest", u, kernel, u.shape[-2] - 1),
        default=lambda u, kernel, _: _fourier.convolve(u, kernel),
    )


def _direct(
    precision: str, u: Float[Array, "*batch L H"], kernel: Float[Array, "H W"], future: int = 0
) -> Float[Array, "*batch L H"]:
    """Slides the kernel along the input.

    The first `future` numbers of the kernel are for later steps, beginning with the latest of them.
    """
    # XLA computes a correlation, hence the flip. Each feature is a group of its own.
    y = lax.conv_general_dilated(
        u.reshape(-1, *u.shape[-2:]),
        jnp.flip(kernel, -1).T[:, None],
        window_strides=(1,),
        padding=[(kernel.shape[-1] - 1 - future, future)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=u.shape[-1],
        precision=precision,
    )
    return y.reshape(u.shape)
