"""Fourier transforms: lengths, parts that are the whole, and derivatives of every order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _fourier, convolution


def draw(length, features):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(2, length, features))), jnp.asarray(
        rng.normal(size=(features, length))
    )


@pytest.mark.fast_cases(1)
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("parts", [1, 4])
def test_parts_are_the_whole_in_every_order_of_derivatives(monkeypatch, parts):
    monkeypatch.setattr(_fourier, "LARGE", 1)
    monkeypatch.setattr(_fourier, "CPU_PARTS", parts)
    u, kernel = draw(5, 6)

    def loss(method):
        return lambda u, k: jnp.sum(jnp.sin(convolution.causal(u, k, method=method)))

    for turn in (
        lambda f: jax.grad(f, (0, 1)),
        lambda f: jax.jacfwd(jax.grad(f, (0, 1)), (0, 1)),
        lambda f: jax.jacrev(jax.jacfwd(f, (0, 1)), (0, 1)),
    ):
        found = [
            jax.tree.leaves(jax.jit(turn(loss(method)))(u, kernel))
            for method in ("fft", "toeplitz", "direct")
        ]
        for wanted, *others in zip(*found, strict=True):
            for got in others:
                np.testing.assert_allclose(
                    got, wanted, rtol=0, atol=1e-10 * float(jnp.abs(wanted).max())
                )


def test_parts_are_for_cpu_alone(monkeypatch):
    monkeypatch.setattr(_fourier, "LARGE", 1)

    def transforms(platform):
        program = jax.export.export(jax.jit(_fourier.convolve), platforms=[platform])
        return program(*draw(5, 8)).mlir_module().count("call @fft")

    assert transforms("cpu") > transforms("cuda")


@pytest.mark.parametrize(
    ("length", "n"),
    [(1, 2), (2, 4), (3, 6), (7, 16), (100, 200), (341, 720), (1024, 2048), (3072, 6144)],
)
def test_fft_length_is_the_next_even_5_smooth_number(length, n):
    assert _fourier.fft_length(length) == n
