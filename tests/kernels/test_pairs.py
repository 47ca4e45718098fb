"""Pairs agree with NumPy's complex numbers."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jax_s4rl.kernels import initialization, pairs

# One or two float32 roundings of numbers of order one.
ROUNDING = 1e-6
RNG = np.random.default_rng(0)
X, Y = (np.asarray(RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4)), np.complex64) for _ in range(2))


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (pairs.add, np.add),
        (pairs.subtract, np.subtract),
        (pairs.multiply, np.multiply),
        (pairs.divide, np.divide),
        (lambda x, y: pairs.einsum("ab,cb->ac", x, y), lambda x, y: x @ y.T),
        (lambda x, y: pairs.as_pair(pairs.real_einsum("ab,cb->ac", x, y)), lambda x, y: (x @ y.T).real),
        (lambda x, y: pairs.conjugate(x), lambda x, y: x.conj()),
        (lambda x, y: pairs.exp(x), lambda x, y: np.exp(x)),
        (lambda x, y: pairs.expm1(x), lambda x, y: np.expm1(x)),
        (lambda x, y: pairs.reciprocal(x), lambda x, y: 1 / x),
        (lambda x, y: pairs.scale(x, pairs.as_pair(y).re), lambda x, y: x * y.real),
        (lambda x, y: pairs.as_pair(pairs.squared_modulus(x)), lambda x, y: np.abs(x) ** 2),
        (lambda x, y: pairs.split_parts(pairs.stack_parts(x)), lambda x, y: x),
    ],
)
def test_every_operation_is_the_complex_one(function, reference):
    wanted = reference(X, Y)
    for x, y in [(X, Y), (pairs.as_pair(X), pairs.as_pair(Y))]:
        x, y = (jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in (x, y))
        np.testing.assert_allclose(pairs.to_complex(function(x, y)), wanted, rtol=ROUNDING, atol=ROUNDING)


def test_expm1_keeps_every_digit_near_zero():
    z = pairs.Pair(jnp.asarray(-1e-6), jnp.asarray(2e-6))
    np.testing.assert_allclose(pairs.to_complex(pairs.expm1(z)), np.expm1(-1e-6 + 2e-6j), rtol=ROUNDING)


def test_where_hides_a_nan():
    bad = pairs.Pair(jnp.full(2, jnp.nan), jnp.full(2, jnp.nan))
    chosen = pairs.where(jnp.asarray([True, True]), pairs.zeros((2,)), bad)
    assert np.all(np.isfinite(pairs.to_complex(chosen)))


def test_a_pair_is_a_pytree_of_real_arrays():
    leaves = jax.tree.leaves(pairs.as_pair(jnp.asarray(X)))
    assert [leaf.dtype for leaf in leaves] == [jnp.float32, jnp.float32]
    assert pairs.zeros((2, 3)).shape == (2, 3)
    assert pairs.astype(pairs.zeros((2,)), jnp.bfloat16).dtype == jnp.bfloat16
    assert pairs.zeros((2, 3)).ndim == 2


def test_what_is_not_a_number_of_that_kind_is_refused(unchecked):
    with pytest.raises(ValueError, match="got dtype int32"):
        pairs.as_pair(jnp.arange(3))
    with pytest.raises(ValueError, match="one shape"):
        pairs.as_pair(pairs.Pair(jnp.ones(2), jnp.ones(3)))


def test_a_pair_unpacks_copies_and_is_a_pytree_of_its_parts():
    pair = pairs.as_pair(X)
    re, im = pair
    assert re is pair.re
    assert im is pair[1] is pair["im"]
    assert pairs.Pair(*pair).re is re
    assert jax.tree.leaves(pair)[0] is re
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(pair)[0]]
    assert paths == [".re", ".im"]
    assert repr(pairs.Pair(1.0, 2.0)) == "Pair(re=1.0, im=2.0)"
    for twin in (copy.deepcopy(pair), copy.copy(pair), pickle.loads(pickle.dumps(pair))):
        assert type(twin) is pairs.Pair
        np.testing.assert_array_equal(pairs.to_complex(twin), X)
    assert type(jax.tree.map(lambda x: 2 * x, pair)) is pairs.Pair
    assert type(jax.jit(lambda x: x)(pair)) is pairs.Pair


def test_the_parts_may_come_in_a_mapping(unchecked):
    np.testing.assert_array_equal(pairs.to_complex({"re": X.real, "im": X.imag}), X)
    with pytest.raises(ValueError, match="has 're' and 'im', got \\['imag', 're'\\]"):
        pairs.as_pair({"re": X.real, "imag": X.imag})


class Layer(nnx.Module):
    def __init__(self):
        self.C = nnx.Param(initialization.output(jax.random.key(0), (2, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("make", [optax.adam, optax.sgd, lambda rate: optax.sgd(rate, momentum=0.9)])
def test_a_pair_is_a_parameter_of_nnx(make):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        model = Layer()
        optimizer = nnx.Optimizer(model, make(1e-2), wrt=nnx.Param)

        @nnx.jit
        def update(model, optimizer):
            loss, gradient = nnx.value_and_grad(lambda m: jnp.sum(pairs.squared_modulus(m.C.get_value())))(model)
            optimizer.update(model, gradient)
            return loss

        losses = [float(update(model, optimizer)) for _ in range(4)]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < losses[0]
        assert pairs.as_pair(model.C.get_value()).shape == (2, 3)
