"""Pairs agree with NumPy's complex numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import pairs

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
