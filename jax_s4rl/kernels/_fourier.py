"""Convolves circularly by Fourier transforms, with a derivative that reuses the spectra.

The transforms have the next even length without a prime factor above 5. Spectra are kept for the
derivative: forward mode needs three more transforms, and so does reverse mode.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jax_s4rl.kernels import _checks, _fusion_barrier, _linear_maps
from jax_s4rl.kernels import complex_pair as cplx

# On CPU, XLA runs a transform on one thread, but independent transforms in parallel. Inputs of at
# least LARGE numbers are therefore transformed in CPU_PARTS parts.
CPU_PARTS, LARGE = 4, 2**17


def fft_length(length: int) -> int:
    """Returns the shortest fast length of the transforms for rows of `length` steps.

    It is long enough that the circular convolution of two rows does not wrap around.

    Args:
        length: Number of steps, at least 1.

    Returns:
        The smallest even ``n >= 2 length - 1`` of the form ``2^a 3^b 5^c``.

    Raises:
        ValueError: If the length is below 1.

    Example:
        >>> fft_length(100), fft_length(341), fft_length(1024)
        (200, 720, 2048)
    """
    length = _checks.length(length, "length")
    candidate = max(2, 2 * length - 1 + (2 * length - 1) % 2)
    while not _is_smooth(candidate):
        candidate += 2
    return candidate


def convolve(
    u: Float[Array, "*batch L H"], kernel: Float[Array, "H M"]
) -> Float[Array, "*batch L H"]:
    """Convolves every feature circularly with its kernel, over `fft_length(L)` steps.

    Args:
        u: Input, float32 or float64.
        kernel: Kernel of each feature, at most `fft_length(L)` numbers of the same dtype, continued
            with zeros.

    Returns:
        The first L steps of the result, in the shape and dtype of `u`.

    Example:
        >>> import numpy as np
        >>> y = convolve(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([[1.0, 0.5, 0.25]]))
        >>> np.round(y[:, 0], 4).tolist()
        [1.0, 2.5, 4.25]
    """
    parts = CPU_PARTS if _checks.reaches(u.size, LARGE) else 1
    return _circular(Sizes(fft_length(u.shape[-2]), min(parts, u.shape[-1])), u, kernel)


class Sizes(NamedTuple):
    """Length of the transforms, and number of parts that features are split into on CPU."""

    n: int
    parts: int


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _circular(
    sizes: Sizes, u: Float[Array, "*batch L H"], kernel: Float[Array, "H M"]
) -> Float[Array, "*batch L H"]:
    return _convolved(sizes, u, kernel)[0]


@_circular.defjvp
def _circular_jvp(
    sizes: Sizes, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    y, spectra = _convolved(sizes, *primals)
    change = _linear_maps.call(
        lambda tangents: _convolved_change(sizes, spectra, *tangents),
        lambda cotangent: _convolved_transposed(sizes, primals[1].shape[-1], spectra, cotangent),
        tangents,
    )
    return y, change


# The spectra of input and kernel for each part, as real arrays. A program for TPU takes another
# method, but would keep empty complex arrays in their place for the derivative.
Spectra = tuple[tuple[cplx.Pair, cplx.Pair], ...]


# `jax.jit`, because outside of it a choice by platform would be compiled again in every call.
@partial(jax.jit, static_argnums=0, inline=True)
def _convolved(sizes: Sizes, u: Array, kernel: Array) -> tuple[Array, Spectra]:
    """Returns the output, and for each part the spectra of input and kernel."""
    length = u.shape[-2]

    def part(turned: Array, kernel: Array) -> tuple[Array, tuple[cplx.Pair, cplx.Pair]]:
        spectrum, transfer = _spectrum(turned, sizes.n), _spectrum(kernel, sizes.n)
        product = cplx.multiply(spectrum, cplx.with_ndim(transfer, turned.ndim))
        return _back(product, sizes.n, length), (spectrum, transfer)

    def in_parts(u: Array, kernel: Array) -> tuple[Array, Spectra]:
        turned = _turn(u)
        pieces = [
            part(turned[..., piece, :], kernel[piece])
            for piece in _pieces(sizes.parts, u.shape[-1])
        ]
        return _joined([y for y, _ in pieces], -1), tuple(spectra for _, spectra in pieces)

    def whole(u: Array, kernel: Array) -> tuple[Array, Spectra]:
        y, (spectrum, transfer) = part(_turn(u), kernel)
        pieces = _pieces(sizes.parts, u.shape[-1])
        return y, tuple(
            jax.tree.map(lambda x, piece=piece: x[..., piece, :], (spectrum, transfer))
            for piece in pieces
        )

    return _by_platform(sizes, in_parts, whole)(u, kernel)


def _convolved_change(sizes: Sizes, spectra: Spectra, du: Array, dkernel: Array) -> Array:
    """Computes the tangent of the output from the saved spectra."""
    # No barrier: this function is transposed, and a loop is not.
    length = du.shape[-2]

    def part(spectra: tuple[cplx.Pair, cplx.Pair], turned: Array, dkernel: Array) -> Array:
        spectrum, transfer = spectra
        ndim = turned.ndim
        from_u = cplx.multiply(_spectrum(turned, sizes.n), cplx.with_ndim(transfer, ndim))
        from_kernel = cplx.multiply(spectrum, cplx.with_ndim(_spectrum(dkernel, sizes.n), ndim))
        return _back(cplx.add(from_u, from_kernel), sizes.n, length)

    def in_parts(spectra: Spectra, du: Array, dkernel: Array) -> Array:
        turned = jnp.swapaxes(du, -1, -2)
        pieces = zip(spectra, _pieces(sizes.parts, du.shape[-1]), strict=True)
        return _joined(
            [part(both, turned[..., piece, :], dkernel[piece]) for both, piece in pieces], -1
        )

    def whole(spectra: Spectra, du: Array, dkernel: Array) -> Array:
        return part(_whole(spectra), jnp.swapaxes(du, -1, -2), dkernel)

    return _by_platform(sizes, in_parts, whole)(spectra, du, dkernel)


def _convolved_transposed(
    sizes: Sizes, kernel_length: int, spectra: Spectra, cotangent: Array
) -> tuple[Array, Array]:
    """Computes the cotangents of input and kernel: the transpose of `_convolved_change`."""
    length = cotangent.shape[-2]

    def part(spectra: tuple[cplx.Pair, cplx.Pair], turned: Array) -> tuple[Array, Array]:
        spectrum, transfer = spectra
        # The transpose of a product with a spectrum is a product with its conjugate.
        incoming = _spectrum(turned, sizes.n)
        u_spectrum = cplx.multiply(
            incoming, cplx.with_ndim(cplx.conjugate(transfer), incoming.ndim)
        )
        kernel_spectrum = cplx.multiply(cplx.conjugate(spectrum), incoming)
        # All rows of a batch share the kernel, so their contributions add up before the transform.
        kernel_spectrum = cplx.Pair(
            *(x.reshape(-1, *transfer.shape).sum(0) for x in kernel_spectrum)
        )
        to_kernel = _inverse(kernel_spectrum, sizes.n)[..., :kernel_length]
        return _back(u_spectrum, sizes.n, length), to_kernel

    def in_parts(spectra: Spectra, cotangent: Array) -> tuple[Array, Array]:
        turned = _turn(cotangent)
        pieces = zip(spectra, _pieces(sizes.parts, cotangent.shape[-1]), strict=True)
        to_u, to_kernel = zip(
            *(part(both, turned[..., piece, :]) for both, piece in pieces), strict=True
        )
        return _joined(to_u, -1), _joined(to_kernel, 0)

    def whole(spectra: Spectra, cotangent: Array) -> tuple[Array, Array]:
        return part(_whole(spectra), _turn(cotangent))

    return _by_platform(sizes, in_parts, whole)(spectra, cotangent)


def _by_platform(
    sizes: Sizes, in_parts: Callable[..., Any], whole: Callable[..., Any]
) -> Callable[..., Any]:
    """Returns a function that runs `in_parts` in programs for CPU, and `whole` in all others."""
    if sizes.parts == 1:
        return whole
    return partial(lax.platform_dependent, cpu=in_parts, default=whole)


def _pieces(parts: int, features: int) -> list[slice]:
    ends = [features * part // parts for part in range(parts + 1)]
    return [slice(begin, end) for begin, end in pairwise(ends)]


def _whole(spectra: Spectra) -> tuple[cplx.Pair, cplx.Pair]:
    return jax.tree.map(lambda *pieces: _joined(pieces, -2), *spectra)


def _joined(pieces: Sequence[Array], axis: int) -> Array:
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces, axis)


def _turn(u: Float[Array, "*batch L H"]) -> Float[Array, "*batch H L"]:
    """Turns rows so that time is the last axis, where transforms are fastest."""
    # Behind a barrier: together with the slices and the padding that follow, XLA would turn in
    # strides, number by number, in twice to three times the time.
    return _fusion_barrier.fence(jnp.swapaxes(u, -1, -2))


def _spectrum(x: Float[Array, "*batch H L"], n: int) -> cplx.Pair:
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])])
    return cplx.as_pair(lax.fft(padded, lax.FftType.RFFT, (n,)))


def _inverse(spectrum: cplx.Pair, n: int) -> Float[Array, "*batch H n"]:
    # `jnp.fft` would pad by zero elements, and a derivative would keep the complex zero for that.
    return lax.fft(cplx.to_complex(spectrum), lax.FftType.IRFFT, (n,))


def _back(spectrum: cplx.Pair, n: int, length: int) -> Float[Array, "*batch L H"]:
    """Transforms spectra [*batch, H, F] back to rows."""
    return jnp.swapaxes(_inverse(spectrum, n)[..., :length], -1, -2)


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
