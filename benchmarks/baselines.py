"""The plain published forms that the kernels are compared with, written from the papers, in complex arithmetic.

In float64 they are also what accuracy is measured against: the same sums with nothing clever in them.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jax_s4rl.kernels import _fourier
from jax_s4rl.kernels import complex_pair as cplx


def diagonal(Lambda, B, C, step, length: int):
    """S4D kernel with one complex exponential per pair and step (S4D, equation 7); Pairs [H, Nh], step [H]."""
    Lambda, B, C = (cplx.to_complex(x) for x in (Lambda, B, C))
    z = step[:, None] * Lambda
    weights = C * B * (jnp.exp(z) - 1) / Lambda
    powers = jnp.exp(z[..., None] * jnp.arange(length, dtype=step.dtype)[None, None])
    return 2 * jnp.einsum("hn,hnl->hl", weights, powers, precision=lax.Precision.HIGHEST).real


def low_rank(Lambda, P, B, C, step, length: int, wrap: float = 1.0):
    """S4 kernel from four Cauchy sums over all states and all nodes (S4, algorithm 1); Pairs [H, Nh], step [H].

    `wrap` below 1 moves the nodes inside the unit circle, as `kernels.cauchy` does; 1 is the published form.
    """
    Lambda, P, B, C = (cplx.to_complex(x) for x in (Lambda, P, B, C))
    steps = jnp.arange(length, dtype=step.dtype)
    nodes = wrap ** (1 / length) * jnp.exp(-2j * jnp.pi * (steps / length))

    def both(half):
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
    """Only the transforms of an FFT convolution, last axis and nothing between them; u [B, H, L], kernel [H, L]."""
    n = _fourier.fft_length(u.shape[-1])
    return jnp.fft.rfft(kernel, n), jnp.fft.irfft(jnp.fft.rfft(u, n), n)


def transforms_and_back(cotangent, u, kernel):
    """The transforms of the convolution and of both its gradients; `cotangent` in the form of the output."""
    n = _fourier.fft_length(u.shape[-1])
    transfer, y = transforms(u, kernel)
    arriving = jnp.fft.rfft(cotangent[1][..., : u.shape[-1]], n)
    return y, jnp.fft.irfft(arriving, n), jnp.fft.irfft(transfer, n)


def convolve(u, kernel):
    """FFT convolution left to automatic differentiation, next power of two; u [B, L, H], kernel [H, L]."""
    length = u.shape[1]
    n = 2 ** (2 * length - 1).bit_length()
    product = jnp.fft.rfft(u, n, axis=1) * jnp.fft.rfft(kernel, n).T[None]
    return jnp.fft.irfft(product, n, axis=1)[:, :length]


def recur(a, b):
    """Linear recurrence by `lax.associative_scan` over complex numbers, differentiated as it stands (S5's form)."""
    a, b = cplx.to_complex(a), cplx.to_complex(b)
    factors = jnp.broadcast_to(a[None, None], b.shape)
    states = lax.associative_scan(lambda x, y: (y[0] * x[0], y[0] * x[1] + y[1]), (factors, b), axis=1)[1]
    return states.real, states.imag


def attend(q, k, v):
    """Causal softmax attention as one matrix; [B, L, heads, head_dim]."""
    length, width = q.shape[-3], q.shape[-1]
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k, precision=lax.Precision.HIGHEST) / width**0.5
    causal = jnp.tril(jnp.ones((length, length), bool))
    weights = jax.nn.softmax(jnp.where(causal[None, None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v, precision=lax.Precision.HIGHEST)


def library_attend(q, k, v):
    """JAX's own attention function."""
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)
