"""Values of every action: of every kind of observation, with the time or without it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import q_network
from tests import filling

KINDS = {
    "vector": {
        "observation_shape": (4,),
        "observation_mean": (1.0,) * 4,
        "observation_std": (2.0,) * 4,
    },
    "one_hot": {"observation_shape": (6,), "observation_kind": "one_hot"},
    "index": {"observation_shape": (), "observation_kind": "index", "num_observations": 5},
    "image": {"observation_shape": (8, 8, 3), "observation_kind": "image"},
}


def make(kind="vector", **chosen):
    network = q_network.NetworkConfig(**{"width": 8, "num_layers": 1} | chosen)
    return q_network.QConfig(num_actions=3, horizon=10, network=network, **KINDS[kind])


@functools.cache
def params(config):
    return filling.fill(functools.partial(q_network.init, config), jax.random.key(0))


def look(config, batch=5):
    key = jax.random.key(1)
    if config.observation_kind == "index":
        return jax.random.randint(key, (batch,), 0, 5)
    return jax.random.normal(key, (batch, *config.observation_shape))


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_observation_has_a_value_for_every_action(kind):
    config = make(kind)
    found = q_network.values(config, params(config), look(config), jnp.arange(5, dtype=jnp.int32))
    assert found.shape == (5, 3)
    # A row is valued by itself.
    alone = q_network.values(config, params(config), look(config)[2:3], jnp.array([2], jnp.int32))
    np.testing.assert_allclose(found[2:3], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("time_embedding", ["none", "learned", "sinusoidal"])
def test_the_time_is_seen_where_it_is_embedded(time_embedding):
    config = make(time_embedding=time_embedding)
    early, late = (
        q_network.values(config, params(config), look(config), jnp.full(5, step, jnp.int32))
        for step in (0, 10)
    )
    assert np.array_equal(early, late) == (time_embedding == "none")
    assert np.isfinite(
        late
    ).all()  # what follows the last step of the longest episode has a time as well


def test_vectors_are_standardized():
    config = make()
    plain = q_network.QConfig((4,), 3, horizon=10, network=config.network)
    seen, times = look(config), jnp.zeros(5, jnp.int32)
    scaled = q_network.values(config, params(config), seen * 2 + 1, times)
    np.testing.assert_allclose(
        scaled, q_network.values(plain, params(config), seen, times), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"width": 0}, "width is 0"),
        ({"num_layers": -1}, "num_layers is -1"),
        ({"time_embedding": "clock"}, "time_embedding is 'clock'"),
        ({"time_embedding": "sinusoidal", "width": 7}, "needs an even number"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(chosen, sentence):
    with pytest.raises(ValueError, match=sentence):
        q_network.NetworkConfig(**chosen)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"num_actions": 0}, "num_actions is 0"),
        ({"num_actions": 2, "observation_kind": "index"}, "observation"),
        (
            {"num_actions": 2, "network": q_network.NetworkConfig(time_embedding="learned")},
            "horizon is None",
        ),
    ],
)
def test_tasks_that_do_not_fit_are_refused(facts, sentence):
    with pytest.raises(ValueError, match=sentence):
        q_network.QConfig((4,), **facts)
