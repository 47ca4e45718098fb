"""The hindsight network: no credit before a training, then one that depends on the outcome."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.models import hindsight_network


def test_there_is_no_credit_at_first_and_outcomes_matter_later():
    network = hindsight_network.HindsightNetwork(3, width=8)
    observations = jax.random.normal(jax.random.key(0), (2, 5, 4))
    outcomes = jax.random.normal(jax.random.key(1), (2, 5, 2))
    params = network.init(jax.random.key(2), observations, outcomes)
    first = network.apply(params, observations, outcomes)
    assert first.shape == (2, 5, 3)
    assert not first.any()
    changed = jax.tree.map(lambda x: x + 0.1, params)
    found = network.apply(changed, observations, outcomes)
    other = network.apply(changed, observations, outcomes + 1)
    assert (np.abs(found - other) > 1e-4).all()
    alone = network.apply(changed, observations[0, 0], outcomes[0, 0])
    np.testing.assert_allclose(alone, found[0, 0], atol=1e-6)
    assert jnp.isfinite(found).all()


def test_pairs_are_those_of_repeated_arguments():
    network = hindsight_network.HindsightNetwork(3, width=8)
    observations = jax.random.normal(jax.random.key(0), (2, 5, 1, 4))
    outcomes = jax.random.normal(jax.random.key(1), (2, 1, 6, 2))
    params = network.init(jax.random.key(2), observations, outcomes)
    params = jax.tree.map(lambda x: x + 0.1, params)
    found = network.apply(params, observations, outcomes)
    whole = (jnp.broadcast_to(each, (2, 5, 6, each.shape[-1])) for each in (observations, outcomes))
    np.testing.assert_allclose(found, network.apply(params, *whole), atol=1e-5)
