"""Packing puts real tokens first, is undone, and spares work where a window does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jax_s4rl.kernels import _attention_ranks, _packing
from jax_s4rl.kernels.reference import attention as oracle

LENGTH, WINDOW = 300, 20


def draw(batch=(2,), length=LENGTH):
    rng = np.random.default_rng(0)
    mask = rng.random((*batch, length)) < 0.7
    # A row without padding, and one whose padding is in front.
    mask[0] = True
    mask[-1, : length // 2] = False
    resets = rng.random((*batch, length)) < 0.02
    return rng.normal(size=(3, *batch, length, 2, 4)), mask, resets


def test_real_tokens_come_first_in_their_order():
    _, mask, _ = draw((3,), 12)
    packing = _packing.of_mask(jnp.asarray(mask))
    for row, order in zip(mask, np.asarray(packing.order), strict=True):
        np.testing.assert_array_equal(order, [*np.flatnonzero(row), *np.flatnonzero(~row)])


def test_unpacking_undoes_packing_forward_and_backward():
    (x, *_), mask, _ = draw((3,), 12)
    packing = _packing.of_mask(jnp.asarray(mask))
    x = jnp.asarray(x, jnp.float32)
    np.testing.assert_array_equal(packing.unpack(packing.pack(x)), x)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), jnp.float32)
    gradient = jax.grad(lambda x: jnp.sum(weights * packing.pack(x)))(x)
    np.testing.assert_array_equal(gradient, packing.unpack(weights))
    check_grads(
        lambda x: jnp.sin(packing.pack(jnp.asarray(x))),
        (x,),
        order=2,
        modes=["fwd", "rev"],
        rtol=0.02,
    )


@pytest.mark.parametrize("with_resets", [False, True])
def test_a_window_among_padding_equals_the_oracle(with_resets):
    (q, k, v), mask, resets = draw()
    options = {"mask": mask, "resets": resets if with_resets else None}
    wanted = oracle.attend(q, k, v, **options, window=WINDOW)
    arrays = [jnp.asarray(x, jnp.float32) for x in (q, k, v)]
    options = {name: None if x is None else jnp.asarray(x) for name, x in options.items()}
    ranks = _attention_ranks.of_tokens(jnp.zeros(1, jnp.int32), LENGTH, **options, window=WINDOW)
    arrays = [jnp.where(options["mask"][..., None, None], x, 0) for x in arrays]
    out = _packing.attend(*arrays, ranks, window=WINDOW, masked=True)
    np.testing.assert_allclose(out, wanted, rtol=0, atol=2e-6)
    dense = _packing.attend(*arrays, ranks, window=WINDOW, masked=True, block=LENGTH)
    np.testing.assert_allclose(out, dense, rtol=0, atol=2e-6)


def scores(window, masked, length=1024):
    """Counts the numbers in all matrices of scores."""
    x = jax.ShapeDtypeStruct((1, length, 1, 4), jnp.float32)

    def run(q, k, v, mask):
        ranks = _attention_ranks.of_tokens(jnp.zeros(1, jnp.int32), length, mask, None, window)
        return _packing.attend(q, k, v, ranks, window=window, masked=masked)

    traced = jax.make_jaxpr(run)(x, x, x, jax.ShapeDtypeStruct((1, length), bool))
    return sum(product_sizes(traced.jaxpr))


def product_sizes(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.outvars[0].aval.size
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from product_sizes(inner)


def test_a_window_spares_as_much_with_padding_as_without():
    assert scores(64, masked=True) == scores(64, masked=False)
    assert scores(64, masked=True) < scores(None, masked=True) / 2
