"""The latent policy: acting equals predicting with the prior; the best draw has the most value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import latent_cloning, latent_policy
from tests.models import small, small_latent

CONFIG = small_latent.config()
ROWS = small_latent.rows(CONFIG)


def act(latent, key, params=None, steps=small.LENGTH):
    """Greedy actions on the observations of the rows, with the actions of the rows as history."""
    actor = latent_policy.LatentPolicy(CONFIG, small.LENGTH, latent=latent, num_candidates=4)

    @jax.jit
    def run(params):
        prepared = actor.prepare(params)
        state, actions = actor.init(prepared, small.BATCH), []
        for step in range(steps):
            observation = ROWS["observations"][:, step]
            zeros = jnp.zeros(small.BATCH)
            greedy = jnp.ones(small.BATCH, bool)
            own = jax.random.fold_in(key, step)
            action, state = actor.act(prepared, state, observation, zeros, greedy, own)
            state = state._replace(previous_action=ROWS["actions"][:, step])
            actions.append(action)
        return jnp.stack(actions, axis=1)

    return run(params or small_latent.params(CONFIG))


@pytest.mark.slow
def test_acting_with_the_mean_is_predicting_with_the_mean_of_the_prior():
    model = latent_cloning.LatentCloning(CONFIG)
    draws = jnp.zeros((small.BATCH, small.LENGTH, 2))
    found = jax.jit(
        lambda params: model.apply({"params": params}, draws=draws, future="none", **ROWS)
    )(small_latent.params(CONFIG))
    wanted = jnp.argmax(found.predicted.action, axis=-1)
    np.testing.assert_array_equal(act("mean", jax.random.key(0)), wanted)


def test_the_best_draw_is_that_of_the_highest_value():
    actor = latent_policy.LatentPolicy(CONFIG, small.LENGTH, latent="best", num_candidates=4)
    params, past = small_latent.params(CONFIG), jnp.ones((small.BATCH, 8))

    @jax.jit
    def both(params, key):
        prior = actor.model.apply({"params": params}, past, method="infer")
        draws = jax.random.normal(key, (4, small.BATCH, 2))
        values = [
            actor.model.apply({"params": params}, past, prior.at(each), method="predict")
            for each in draws
        ]
        return actor._predict(params, past, key).return_to_go, jnp.stack(
            [each.return_to_go for each in values]
        )

    found, values = both(params, jax.random.key(5))
    assert len(np.unique(values)) == values.size
    np.testing.assert_allclose(found, values.max(axis=0), rtol=1e-5)


@pytest.mark.slow
def test_a_key_fixes_the_drawn_latents():
    first, again = (act("drawn", jax.random.key(1), steps=4) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_wrong_choices_are_refused():
    with pytest.raises(ValueError, match="latent is 'mode'; choose one of drawn, mean, best"):
        latent_policy.LatentPolicy(CONFIG, 5, latent="mode")
    with pytest.raises(ValueError, match="num_candidates is 0; draw at least 1"):
        latent_policy.LatentPolicy(CONFIG, 5, num_candidates=0)
