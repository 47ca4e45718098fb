"""What the latent variable knows: nothing where it is ignored, the future where it is not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import latent_cloning, latent_information
from jax_s4rl.models import latent_cloning as network
from jax_s4rl.modules import groups
from tests import filling
from tests.agents.small_latent_agent import RECORD, SETTINGS, TASK
from tests.data import records

CONFIG = latent_cloning.configure(SETTINGS, TASK)


def with_params(params):
    return latent_cloning.Trained(CONFIG, SETTINGS, 0, params, None, 0.0)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_an_ignored_latent_knows_nothing_and_a_used_one_differs():
    filled = groups.strip(filling.fill(lambda key: network.init(CONFIG, key), jax.random.key(0)))
    nothing = latent_information.measure(
        with_params(jax.tree.map(jnp.zeros_like, filled)), RECORD, num_rows=1
    )
    np.testing.assert_array_equal(nothing.kl, np.zeros(5))
    assert nothing.prior_loss == pytest.approx(np.log(2), rel=1e-5)
    assert nothing.gap == nothing.mean_kl == 0
    found = latent_information.measure(with_params(filled), RECORD, num_rows=1)
    assert found.kl.shape == (5,)
    assert (found.kl > 0).all()
    assert found.kl.min() < found.mean_kl < found.kl.max()
    losses = (found.posterior_loss, found.prior_loss, found.other_loss)
    assert len({round(each, 4) for each in losses}) == 3
    assert (
        latent_information.measure(with_params(filled), RECORD, num_rows=1).mean_kl == found.mean_kl
    )


@pytest.mark.slow
def test_without_a_price_the_latent_tells_the_action_and_acting_loses_it():
    """Collapse with beta 0: actions are coin flips that the next observation tells."""
    plain = records.make_record((5,) * 100, num_actions=2, observation_shape=(4,))
    actions = np.random.default_rng(0).integers(0, 2, plain.num_steps, dtype=np.int32)
    # The observation after an action tells it; the last step of an episode has none.
    observations = np.zeros_like(plain.observations)
    observations[1:, 0] = 2.0 * actions[:-1] - 1
    record = dataclasses.replace(plain, actions=actions, observations=observations)
    task = dataclasses.replace(TASK, record=record)
    settings = dataclasses.replace(
        SETTINGS,
        objective=latent_cloning.Objective(beta=0.0, free_nats=0.0, value_weight=1.0),
        num_updates=200,
        updates_per_dispatch=100,
        optimization=dataclasses.replace(SETTINGS.optimization, learning_rate=1e-2),
    )
    (trained,) = latent_cloning.train(settings, task, seeds=[0])
    found = latent_information.measure(trained, record)
    assert found.gap > 0.3
    assert found.other_loss > found.posterior_loss + 0.3
    assert found.mean_kl > 0.05
