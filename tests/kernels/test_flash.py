"""The fused kernel: derivatives equal to those of `_blockwise`, chosen or refused by platform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _blockwise, _flash, attention

LENGTH = 6
ROUNDING = 1e-5


def draw(dtype=jnp.float32):
    return jax.random.normal(jax.random.key(0), (3, 2, LENGTH, 2, 8), dtype)


def ranks_of(window):
    rank = jnp.arange(LENGTH, dtype=jnp.int32)[None]
    return _blockwise.Ranks(jnp.maximum(rank - (window or LENGTH) + 1, 0), rank, rank)


@pytest.mark.slow
@pytest.mark.parametrize(("window", "masked"), [(None, False), (3, False), (3, True)])
def test_derivatives_of_every_order_are_those_of_the_blocks(window, masked):
    q, k, v = draw()
    ranks = ranks_of(window)
    ways = (
        lambda *x: _flash.attend(*x, ranks, window=window, masked=masked, kernel="xla"),
        lambda *x: _blockwise.attend(*x, ranks),
    )

    def all_orders(way):
        def loss(scale):
            return jnp.sum(jnp.sin(way(scale * q, k, scale * v)))

        gradients = jax.grad(lambda *x: jnp.sum(jnp.sin(way(*x))), (0, 1, 2))(q, k, v)
        return (
            gradients,
            jax.jacfwd(loss)(1.0),
            jax.hessian(loss)(1.0),
            jax.grad(jax.grad(loss))(1.0),
        )

    got, wanted = (jax.jit(all_orders, static_argnums=0)(way) for way in ways)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=ROUNDING, atol=ROUNDING), got, wanted
    )


def test_what_it_lacks_is_named():
    q = draw(jnp.bfloat16)[0]
    assert _flash.why_not(q[..., :5]) == "a head_dim that is a multiple of 8 up to 128, got 5"
    with pytest.raises(
        ValueError, match="needs bfloat16 or float16 inputs, got float32; use method 'blocked'"
    ):
        attention.attend(*draw(), method="fused")


@pytest.fixture
def with_cudnn(monkeypatch):
    """JAX believes that its CUDA packages are here, so that programs can be made, but not run."""
    stablehlo = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo")
    monkeypatch.setattr(stablehlo, "check_cudnn_version", lambda: 91000)
    _flash._has_cudnn.cache_clear()
    yield
    monkeypatch.undo()
    _flash._has_cudnn.cache_clear()


def test_the_platform_of_lowering_chooses(with_cudnn):
    q, k, v = draw(jnp.bfloat16)
    run = jax.jit(jax.grad(lambda *x: attention.attend(*x).astype(jnp.float32).sum(), (0, 1, 2)))
    traced = run.trace(q, k, v)
    assert "__cudnn" in traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "__cudnn" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    with pytest.raises(
        ValueError,
        match=r"needs an NVIDIA GPU, and the program is made for cpu; use method 'blocked'",
    ):
        jax.jit(lambda *x: attention.attend(*x, method="fused"))(q, k, v)


@pytest.mark.slow
def test_without_a_gpu_all_transformations_are_those_of_the_blocks(with_cudnn):
    q, k, v = draw(jnp.bfloat16)

    def loss(scale, method):
        return attention.attend(scale * q, k, v, method=method).astype(jnp.float32).sum()

    one = jnp.ones((), jnp.bfloat16)
    for derivative in (jax.jacfwd, jax.grad, jax.hessian):
        got, wanted = (
            jax.jit(derivative(lambda s, m=m: loss(s, m)))(one) for m in ("auto", "blocked")
        )
        np.testing.assert_array_equal(got, wanted)
    for mapped in (jax.vmap(lambda *x: attention.attend(*x)), attention.attend):
        np.testing.assert_array_equal(mapped(q, k, v), attention.attend(q, k, v, method="blocked"))
