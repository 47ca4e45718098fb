"""Weights of the selective systems: stable whatever they are, and drawn as in the papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import s6, selective_weights, ssd, trainable

FAMILIES = {
    "ssd": (ssd, lambda key: selective_weights.init_ssd(key, 3)),
    "s6": (s6, lambda key: selective_weights.init_s6(key, 3, 4)),
}
EVERY = pytest.mark.parametrize("name", FAMILIES)


@EVERY
def test_parameters_come_back_and_are_those_of_the_family(name):
    family, init = FAMILIES[name]
    weights = init(jax.random.key(0))
    parameters = trainable.constrain(weights)
    assert type(parameters) is family.Parameters
    back = trainable.unconstrain(parameters)
    assert type(back) is type(weights)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), back, weights)
    numbers = trainable.unconstrain(family.Parameters(parameters.A, 2.0, 0.5))
    assert (numbers.D.shape, numbers.step_bias.shape) == ((3,), (3,))


@EVERY
@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
def test_any_weights_make_a_stable_system(name, value):
    _, init = FAMILIES[name]
    shapes = jax.eval_shape(lambda: init(jax.random.key(0)))
    A = trainable.constrain(jax.tree.map(lambda x: jnp.full(x.shape, value), shapes)).A
    assert bool(((A < 0) & jnp.isfinite(A)).all())


def test_steps_are_log_uniform_in_their_range():
    shortest, longest = 1e-4, 1e-1
    biases = selective_weights.step_bias(jax.random.key(0), 4000, shortest, longest)
    steps = np.log(np.logaddexp(0.0, np.float64(biases)))
    assert np.log(shortest) - 1e-3 <= steps.min() < np.log(shortest) + 0.01
    assert np.log(longest) - 0.01 < steps.max() <= np.log(longest) + 1e-3
    middle = (np.log(shortest) + np.log(longest)) / 2
    np.testing.assert_allclose(np.median(steps), middle, rtol=0, atol=0.2)


@pytest.mark.slow
def test_decays_are_those_of_the_papers():
    decays = -trainable.constrain(selective_weights.init_ssd(jax.random.key(0), 2000)).A
    assert 1 <= float(decays.min()) < 1.1 < 15.9 < float(decays.max()) <= 16.001
    np.testing.assert_allclose(float(decays.mean()), 8.5, rtol=0, atol=0.3)
    A = trainable.constrain(selective_weights.init_s6(jax.random.key(0), 2, 5)).A
    np.testing.assert_allclose(A, -np.tile(np.arange(1.0, 6.0), (2, 1)), rtol=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_sizes_and_ranges_that_are_none_are_refused():
    key = jax.random.key(0)
    for bad, words in (
        (lambda: selective_weights.init_ssd(key, 0), "heads must be an integer of at least 1"),
        (lambda: selective_weights.init_s6(key, 2, 0), "N must be an integer of at least 1"),
        (lambda: selective_weights.init_s6(key, 2, step_range=(0.1, 0.01)), "0 < shortest <= lo"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
