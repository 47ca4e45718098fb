"""Linear maps with a transpose of their own: all modes and orders, for inputs and closures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _linear_maps

MATRIX = jnp.array([[1.0, 2.0], [-1.0, 0.5], [0.0, 3.0]])
POINT = jnp.array([0.3, -0.7])


def with_parts(matrix, x):
    """A map from two parts to two parts, one of which does not depend on the matrix."""

    def forward(parts):
        return matrix @ parts[0], 2 * parts[1]

    def transpose(parts):
        return matrix.T @ parts[0], 2 * parts[1]

    first, second = _linear_maps.call(forward, transpose, (x, x * x))
    return jnp.sum(jnp.sin(first)) + jnp.sum(second**2)


def plainly(matrix, x):
    return jnp.sum(jnp.sin(matrix @ x)) + jnp.sum((2 * x * x) ** 2)


def linearly(matrix, x):
    """A loss whose gradient with respect to x depends on the matrix, and on nothing else."""
    return _linear_maps.call(lambda x: matrix @ x, lambda y: matrix.T @ y, x).sum()


def mixed(f):
    return jax.jacrev(jax.grad(f, 1), 0)


MODES = {
    "grad": lambda f: jax.grad(f, (0, 1)),
    "grad of the closure": jax.grad,
    "jacfwd": lambda f: jax.jacfwd(f, (0, 1)),
    "hessian": lambda f: jax.hessian(f, (0, 1)),
    "reverse over reverse": lambda f: jax.jacrev(jax.jacrev(f, (0, 1)), (0, 1)),
    "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(f, (0, 1)), (0, 1)),
    "mixed": mixed,
}


@pytest.mark.fast_cases(4)
@pytest.mark.parametrize("mode", MODES)
def test_derivatives_are_those_of_the_plain_function(mode):
    differentiate = MODES[mode]
    got, wanted = (jax.jit(differentiate(f))(MATRIX, POINT) for f in (with_parts, plainly))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), got, wanted)


def test_a_gradient_that_is_linear_in_the_closure_is_differentiated():
    got, wanted = (jax.jit(mixed(f))(MATRIX, POINT) for f in (linearly, lambda a, x: (a @ x).sum()))
    np.testing.assert_allclose(got, wanted)


def test_the_transpose_given_is_the_one_that_is_used():
    gradient = jax.grad(lambda x: _linear_maps.call(lambda x: 3 * x, lambda y: 5 * y, x))(1.0)
    assert float(gradient) == 5.0


def test_vmap_over_inputs_and_closure():
    many = jnp.stack([MATRIX, 2 * MATRIX])
    points = jnp.stack([POINT, -POINT])
    got, wanted = (
        jax.jit(jax.vmap(jax.grad(f, (0, 1))))(many, points) for f in (with_parts, plainly)
    )
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), got, wanted)
