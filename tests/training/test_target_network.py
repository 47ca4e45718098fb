"""Targets follow slowly or by copies, and the online half is trained as if it were alone."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jax_s4rl import parameter_groups
from jax_s4rl.training import optimizer, target_network


def run(config, num_updates, inner=None):
    """Online parameters that fall by one an update, and the targets after each."""
    follower = target_network.track(inner or optax.sgd(1.0), config)
    params = target_network.start({"w": jnp.array([10.0, 20.0])})
    state, history = follower.init(params), []
    gradient = target_network.Tracked({"w": jnp.ones(2)}, {"w": jnp.full(2, 7.0)})
    for _ in range(num_updates):
        changes, state = follower.update(gradient, state, params)
        params = optax.apply_updates(params, changes)
        history.append(jax.tree.map(np.asarray, params))
    return history


def test_polyak_averaging_by_hand():
    history = run(target_network.TargetConfig(rate=0.25), 2)
    assert [params.online["w"].tolist() for params in history] == [[9.0, 19.0], [8.0, 18.0]]
    assert [params.target["w"].tolist() for params in history] == [[9.75, 19.75], [9.3125, 19.3125]]


def test_a_copy_is_made_every_so_many_updates():
    history = run(target_network.TargetConfig(rate=1.0, period=3), 7)
    assert [params.target["w"][0] for params in history] == [10, 10, 7, 7, 7, 4, 4]


def test_the_online_half_is_trained_as_if_it_were_alone():
    config = optimizer.OptimizerConfig(learning_rate=0.1)
    params = {"w": jnp.array([10.0, 20.0])}
    alone = optimizer.make(config, {"w": parameter_groups.DEFAULT}, 5)
    state, gradient = alone.init(params), {"w": jnp.ones(2)}
    for _ in range(3):
        changes, state = alone.update(gradient, state, params)
        params = optax.apply_updates(params, changes)
    history = run(
        target_network.TargetConfig(),
        3,
        inner=optimizer.make(config, {"w": parameter_groups.DEFAULT}, 5),
    )
    chex.assert_trees_all_close(history[-1].online, params, rtol=1e-6)


@pytest.mark.parametrize("changes", [{"rate": 0.0}, {"rate": 1.5}, {"period": 0}])
def test_targets_that_cannot_follow_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        target_network.TargetConfig(**changes)


def test_parameters_are_asked_for():
    follower = target_network.track(optax.sgd(1.0), target_network.TargetConfig())
    params = target_network.start(jnp.zeros(2))
    with pytest.raises(ValueError, match="give params"):
        follower.update(params, follower.init(params))
