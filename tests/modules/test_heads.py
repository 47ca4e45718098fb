"""Heads: conditioning starts as the identity, spreads are bounded, predictions use their inputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import heads
from tests import filling

HIDDEN = jax.random.normal(jax.random.key(0), (2, 5, 8))


@pytest.mark.slow
def test_film_starts_as_the_identity_and_learns_to_condition():
    condition = jax.random.normal(jax.random.key(1), (2, 5))
    module = heads.Film()
    params = module.init(jax.random.key(2), HIDDEN, condition)
    np.testing.assert_array_equal(module.apply(params, HIDDEN, condition), HIDDEN)
    gradient = jax.grad(lambda p: jnp.sum(module.apply(p, HIDDEN, condition)))(params)["params"]
    assert float(jnp.abs(gradient["output"]["kernel"]).max()) > 0


def test_film_scales_and_shifts():
    module = heads.Film()
    params = filling.fill(module.init, jax.random.key(2), HIDDEN, jnp.ones((2, 5)))
    at_zero, at_one, at_two = (
        module.apply(params, x, jnp.ones((2, 5))) for x in (HIDDEN * 0, HIDDEN, HIDDEN * 2)
    )
    # Linear in the features for a given condition.
    np.testing.assert_allclose(at_two - at_one, at_one - at_zero, atol=1e-5)


def test_logits_and_points_have_no_spread():
    module = heads.Action(3)
    params = filling.fill(module.init, jax.random.key(0), HIDDEN)
    center, log_std = module.apply(params, HIDDEN)
    assert center.shape == (2, 5, 3)
    assert log_std is None


def test_a_bound_is_a_tanh_of_the_outputs():
    free, bounded = heads.Action(3), heads.Action(3, bound=heads.TANH)
    params = filling.fill(free.init, jax.random.key(0), HIDDEN)
    np.testing.assert_array_equal(
        bounded.apply(params, HIDDEN)[0], jnp.tanh(free.apply(params, HIDDEN)[0])
    )


def test_the_spread_of_a_gaussian_is_bounded():
    module = heads.Action(3, is_gaussian=True)
    params = filling.fill(module.init, jax.random.key(0), HIDDEN)
    _, moderate = module.apply(params, HIDDEN)
    assert float(moderate.std()) > 0.1
    for scale in (-1e4, 1e4):
        _, extreme = module.apply(params, HIDDEN * scale)
        lowest, highest = heads.LOG_STD_RANGE
        assert (extreme >= lowest).all()
        assert (extreme <= highest).all()


def test_the_next_observation_depends_on_features_and_action():
    module = heads.NextObservation(4)
    action = jax.random.normal(jax.random.key(3), HIDDEN.shape)
    params = filling.fill(functools.partial(module.init, jax.random.key(0)), HIDDEN, action)
    wanted = module.apply(params, HIDDEN, action)
    assert wanted.shape == (2, 5, 4)
    for changed in (
        module.apply(params, HIDDEN + 1, action),
        module.apply(params, HIDDEN, action + 1),
    ):
        assert not np.allclose(changed, wanted, atol=1e-2)
