import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import update as ppo_update
from tests.collection import worlds


def make_rollout(length=12, num_envs=3, seed=0):
    rng = np.random.default_rng(seed)
    ends = rng.random((length, num_envs)) < 0.3
    by_world = rng.random((length, num_envs)) < 0.5
    return ppo_update.Rollout(
        jnp.asarray(rng.normal(size=(length, num_envs, 2)), jnp.float32),
        jnp.asarray(rng.integers(0, 2, (length, num_envs))),
        jnp.asarray(rng.normal(size=(length, num_envs)), jnp.float32),
        jnp.asarray(ends & by_world),
        jnp.asarray(ends & ~by_world),
        jnp.asarray(rng.normal(size=(length, num_envs, 2)), jnp.float32),
    )


@pytest.fixture(scope="module")
def learner():
    network = ppo_network.ActorCritic(2, True, width=8, num_layers=1)
    normalizer = ppo_network.Normalizer(jnp.zeros(2), jnp.ones(2))
    parameters = network.init(jax.random.key(0), jnp.zeros((1, 2)), normalizer)
    state = ppo_update.TrainState(
        parameters, ppo_update.make_optimizer(worlds.CONFIG).init(parameters)
    )
    return functools.partial(ppo_update.update, network, worlds.CONFIG), network, normalizer, state


def order(seed):
    return jnp.asarray(ppo_update.draw_order(np.random.default_rng(seed), worlds.CONFIG))


def test_an_update_favors_the_action_that_paid(learner):
    update, network, normalizer, state = learner
    rollout = make_rollout(12, 4)
    rollout = rollout._replace(
        rewards=jnp.asarray(rollout.actions, jnp.float32),
        terminations=jnp.ones((12, 4), bool),
        truncations=rollout.truncations & False,
    )

    def chance(parameters):
        center = ppo_network.apply(network, parameters, rollout.observations, normalizer).center
        return float(jax.nn.softmax(center)[..., 1].mean())

    after, metrics = update(state, normalizer, rollout, order(1))
    assert chance(after.parameters) > chance(state.parameters)
    assert float(metrics["divergence"]) >= 0


def test_a_weight_on_entropy_keeps_actions_random(learner):
    update, network, normalizer, state = learner
    rollout = make_rollout(12, 4)
    config = dataclasses.replace(worlds.CONFIG, entropy_weight=10.0)
    after, _ = ppo_update.update(network, config, state, normalizer, rollout, order(1))
    before, kept = (
        float(
            ppo_network.entropy(
                ppo_network.apply(network, parameters, rollout.observations, normalizer), True
            ).mean()
        )
        for parameters in (
            update(state, normalizer, rollout, order(1))[0].parameters,
            after.parameters,
        )
    )
    assert kept > before


def test_the_order_of_rows_changes_the_result_and_nothing_else_does(learner):
    update, _, normalizer, state = learner
    rollout = make_rollout(12, 4)
    first, _ = update(state, normalizer, rollout, order(1))
    again, _ = update(state, normalizer, rollout, order(1))
    other, _ = update(state, normalizer, rollout, order(2))
    flat = [
        np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(s.parameters)])
        for s in (first, again, other)
    ]
    np.testing.assert_array_equal(flat[0], flat[1])
    assert np.abs(flat[0] - flat[2]).max() > 0


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"num_minibatches": 3}, "3 minibatches for 8 x 128 steps"),
        ({"total_steps": 100}, "at least one rollout of 1024 steps"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        ppo_update.Config(**fields)
