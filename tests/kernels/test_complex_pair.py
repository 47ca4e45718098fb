"""Pairs agree with NumPy's complex numbers."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization

# One or two float32 roundings of numbers of order one.
ROUNDING = 1e-6
RNG = np.random.default_rng(0)
X, Y = (
    np.asarray(RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4)), np.complex64)
    for _ in range(2)
)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (cplx.add, np.add),
        (cplx.subtract, np.subtract),
        (cplx.multiply, np.multiply),
        (cplx.divide, np.divide),
        (lambda x, y: cplx.einsum("ab,cb->ac", x, y), lambda x, y: x @ y.T),
        (
            lambda x, y: cplx.as_pair(cplx.real_einsum("ab,cb->ac", x, y)),
            lambda x, y: (x @ y.T).real,
        ),
        (lambda x, y: cplx.conjugate(x), lambda x, y: x.conj()),
        (lambda x, y: cplx.exp(x), lambda x, y: np.exp(x)),
        (lambda x, y: cplx.expm1(x), lambda x, y: np.expm1(x)),
        (lambda x, y: cplx.reciprocal(x), lambda x, y: 1 / x),
        (lambda x, y: cplx.scale(x, cplx.as_pair(y).re), lambda x, y: x * y.real),
        (lambda x, y: cplx.as_pair(cplx.squared_modulus(x)), lambda x, y: np.abs(x) ** 2),
        (lambda x, y: cplx.split_parts(cplx.stack_parts(x)), lambda x, y: x),
    ],
)
def test_every_operation_is_the_complex_one(function, reference):
    wanted = reference(X, Y)
    for x, y in [(X, Y), (cplx.as_pair(X), cplx.as_pair(Y))]:
        x, y = (jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in (x, y))
        np.testing.assert_allclose(
            cplx.to_complex(function(x, y)), wanted, rtol=ROUNDING, atol=ROUNDING
        )


def test_expm1_keeps_every_digit_near_zero():
    z = cplx.Pair(jnp.asarray(-1e-6), jnp.asarray(2e-6))
    np.testing.assert_allclose(
        cplx.to_complex(cplx.expm1(z)), np.expm1(-1e-6 + 2e-6j), rtol=ROUNDING
    )


def test_where_hides_a_nan():
    bad = cplx.Pair(jnp.full(2, jnp.nan), jnp.full(2, jnp.nan))
    chosen = cplx.where(jnp.asarray([True, True]), cplx.zeros((2,)), bad)
    assert np.all(np.isfinite(cplx.to_complex(chosen)))


def test_a_pair_is_a_pytree_of_real_arrays():
    leaves = jax.tree.leaves(cplx.as_pair(jnp.asarray(X)))
    assert [leaf.dtype for leaf in leaves] == [jnp.float32, jnp.float32]
    assert cplx.zeros((2, 3)).shape == (2, 3)
    assert cplx.astype(cplx.zeros((2,)), jnp.bfloat16).dtype == jnp.bfloat16
    assert cplx.zeros((2, 3)).ndim == 2


def test_what_is_not_a_number_of_that_kind_is_refused(unchecked):
    with pytest.raises(ValueError, match="got dtype int32"):
        cplx.as_pair(jnp.arange(3))
    with pytest.raises(ValueError, match="one shape"):
        cplx.as_pair(cplx.Pair(jnp.ones(2), jnp.ones(3)))


def test_a_pair_unpacks_copies_and_is_a_pytree_of_its_parts():
    pair = cplx.as_pair(X)
    re, im = pair
    assert re is pair.re
    assert im is pair[1] is pair["im"]
    assert cplx.Pair(*pair).re is re
    assert jax.tree.leaves(pair)[0] is re
    paths = [
        jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(pair)[0]
    ]
    assert paths == [".re", ".im"]
    assert repr(cplx.Pair(1.0, 2.0)) == "Pair(re=1.0, im=2.0)"
    for twin in (copy.deepcopy(pair), copy.copy(pair), pickle.loads(pickle.dumps(pair))):
        assert type(twin) is cplx.Pair
        np.testing.assert_array_equal(cplx.to_complex(twin), X)
    assert type(jax.tree.map(lambda x: 2 * x, pair)) is cplx.Pair
    assert type(jax.jit(lambda x: x)(pair)) is cplx.Pair


def test_the_parts_may_come_in_a_mapping(unchecked):
    np.testing.assert_array_equal(cplx.to_complex({"re": X.real, "im": X.imag}), X)
    with pytest.raises(ValueError, match="has 're' and 'im', got \\['imag', 're'\\]"):
        cplx.as_pair({"re": X.real, "imag": X.imag})


class Layer(nnx.Module):
    def __init__(self):
        self.C = nnx.Param(initialization.output(jax.random.key(0), (2, 3)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [optax.adam, optax.sgd, lambda rate: optax.sgd(rate, momentum=0.9)]
)
def test_a_pair_is_a_parameter_of_nnx(make):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        model = Layer()
        optimizer = nnx.Optimizer(model, make(1e-2), wrt=nnx.Param)

        @nnx.jit
        def update(model, optimizer):
            loss, gradient = nnx.value_and_grad(
                lambda m: jnp.sum(cplx.squared_modulus(m.C.get_value()))
            )(model)
            optimizer.update(model, gradient)
            return loss

        losses = [float(update(model, optimizer)) for _ in range(4)]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < losses[0]
        assert cplx.as_pair(model.C.get_value()).shape == (2, 3)
