"""Plain published forms that the kernels are compared with, from the papers, in complex arithmetic.

In float64 they are also the reference for accuracy: the same sums without optimizations.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import convolution


def diagonal(Lambda, B, C, step, length: int):
    """Computes the S4D kernel with one complex exponential per pair and step (S4D, equation 7).

    Args:
        Lambda: Eigenvalues, Pair [H, Nh].
        B: Input vectors, Pair [H, Nh].
        C: Output vectors, Pair [H, Nh].
        step: Step sizes [H].
        length: Number of steps of the kernel.

    Returns:
        The kernel [H, length].
    """
    Lambda, B, C = (cplx.to_complex(x) for x in (Lambda, B, C))
    z = step[:, None] * Lambda
    weights = C * B * (jnp.exp(z) - 1) / Lambda
    powers = jnp.exp(z[..., None] * jnp.arange(length, dtype=step.dtype)[None, None])
    return 2 * jnp.einsum("hn,hnl->hl", weights, powers, precision=lax.Precision.HIGHEST).real


def low_rank(Lambda, P, B, C, step, length: int, wrap: float = 1.0):
    """Computes the S4 kernel from four Cauchy sums over all states and nodes (S4, algorithm 1).

    Args:
        Lambda: Diagonal part, Pair [H, Nh].
        P: Low-rank part, Pair [H, Nh].
        B: Input vectors, Pair [H, Nh].
        C: Output vectors, Pair [H, Nh].
        step: Step sizes [H].
        length: Number of steps of the kernel.
        wrap: Below 1 it moves the nodes inside the unit circle, as `kernels.cauchy` does; 1 is the
            published form.

    Returns:
        The kernel [H, length].
    """
    Lambda, P, B, C = (cplx.to_complex(x) for x in (Lambda, P, B, C))
    steps = jnp.arange(length, dtype=step.dtype)
    nodes = wrap ** (1 / length) * jnp.exp(-2j * jnp.pi * (steps / length))

    def both(half):
        # Pairs hold one of each two conjugate states; the sums run over both.
        return jnp.concatenate([half, half.conj()])

    def one(Lambda, P, B, C, step):
        Lambda, P, B, C = both(Lambda), both(P), both(B), both(C)
        points = 2 / step * (1 - nodes) / (1 + nodes)

        def cauchy(weights):
            return (weights[None, :] / (points[:, None] - Lambda[None, :])).sum(-1)

        inner = 1 / (1 + cauchy(P.conj() * P))
        spectrum = 2 / (1 + nodes) * (cauchy(C * B) - cauchy(C * P) * inner * cauchy(P.conj() * B))
        return jnp.fft.ifft(spectrum, length).real * wrap ** (-steps / length)

    return jax.vmap(one)(Lambda, P, B, C, step)


def transforms(u, kernel):
    """Computes only the Fourier transforms of a convolution, on the last axis, without the product.

    Args:
        u: Input [B, H, L].
        kernel: Kernel [H, L].

    Returns:
        The transform of the kernel, and the input transformed forward and back.
    """
    n = convolution.fft_length(u.shape[-1])
    return jnp.fft.rfft(kernel, n), jnp.fft.irfft(jnp.fft.rfft(u, n), n)


def transforms_and_back(cotangent, u, kernel):
    """Computes the transforms of the convolution and of both its gradients.

    Args:
        cotangent: Cotangent in the form of the output of `transforms`.
        u: Input [B, H, L].
        kernel: Kernel [H, L].

    Returns:
        The transformed arrays.
    """
    n = convolution.fft_length(u.shape[-1])
    transfer, y = transforms(u, kernel)
    arriving = jnp.fft.rfft(cotangent[1][..., : u.shape[-1]], n)
    return y, jnp.fft.irfft(arriving, n), jnp.fft.irfft(transfer, n)


def convolve(u, kernel):
    """Convolves causally by FFT of the next power of two, left to automatic differentiation.

    Args:
        u: Input [B, L, H].
        kernel: Kernel [H, L].

    Returns:
        The output [B, L, H].
    """
    length = u.shape[1]
    n = 2 ** (2 * length - 1).bit_length()
    product = jnp.fft.rfft(u, n, axis=1) * jnp.fft.rfft(kernel, n).T[None]
    return jnp.fft.irfft(product, n, axis=1)[:, :length]


def recur(a, b):
    """Runs a linear recurrence by `lax.associative_scan` over complex numbers (the form of S5).

    It is differentiated as it stands.

    Args:
        a: Factors, Pair [H].
        b: Additions, Pair [B, L, H].

    Returns:
        Real and imaginary part of the states.
    """
    a, b = cplx.to_complex(a), cplx.to_complex(b)
    factors = jnp.broadcast_to(a[None, None], b.shape)
    states = lax.associative_scan(
        lambda x, y: (y[0] * x[0], y[0] * x[1] + y[1]), (factors, b), axis=1
    )[1]
    return states.real, states.imag


def attend(q, k, v):
    """Computes causal softmax attention with one matrix of all scores.

    Args:
        q: Queries [B, L, heads, head_dim].
        k: Keys [B, L, heads, head_dim].
        v: Values [B, L, heads, head_dim].

    Returns:
        The output [B, L, heads, head_dim].
    """
    length, width = q.shape[-3], q.shape[-1]
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k, precision=lax.Precision.HIGHEST) / width**0.5
    causal = jnp.tril(jnp.ones((length, length), bool))
    weights = jax.nn.softmax(jnp.where(causal[None, None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v, precision=lax.Precision.HIGHEST)


def library_attend(q, k, v):
    """Computes causal attention by JAX's own function."""
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def ssd(A, u, free_step, B, C):
    """Runs SSD with one group of heads step by step, all states kept for the gradient.

    Args:
        A: Logarithms of the decays in unit time [heads].
        u: Input [B, L, heads, P].
        free_step: Steps before softplus [B, L, heads].
        B: Input vectors [B, L, N].
        C: Output vectors [B, L, N].

    Returns:
        The output [B, L, heads, P].
    """
    step = jax.nn.softplus(free_step)
    decay, drive = jnp.exp(step * A[None, None]), u * step[..., None]

    def advance(x, now):
        decay, drive, B, C = now
        x = decay[..., None, None] * x + drive[..., None] * B[:, None, None]
        return x, jnp.einsum("bhpn,bn->bhp", x, C, precision=lax.Precision.HIGHEST)

    steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (decay, drive, B, C))
    start = jnp.zeros((u.shape[0], *u.shape[2:], B.shape[-1]), u.dtype)
    return jnp.swapaxes(lax.scan(advance, start, steps)[1], 0, 1)


def s6(A, u, free_step, B, C):
    """Runs S6 by `lax.associative_scan` over all states of a row.

    Args:
        A: Logarithms of the decays in unit time [H, N].
        u: Input [B, L, H].
        free_step: Steps before softplus [B, L, H].
        B: Input vectors [B, L, N].
        C: Output vectors [B, L, N].

    Returns:
        The output [B, L, H].
    """
    step = jax.nn.softplus(free_step)
    factors = jnp.exp(step[..., None] * A[None, None])
    added = (u * step)[..., None] * B[:, :, None]
    states = lax.associative_scan(
        lambda x, y: (y[0] * x[0], y[0] * x[1] + y[1]), (factors, added), axis=1
    )[1]
    return jnp.einsum("blhn,bln->blh", states, C, precision=lax.Precision.HIGHEST)
