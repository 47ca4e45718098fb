"""The acting recurrent policy: the same as a row of what it was given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import recurrent_actor_critic as networks
from jax_s4rl.models import recurrent_policy
from jax_s4rl.modules import mixers
from tests.models.test_future_actor_critic import CONFIG as AHEAD
from tests.models.test_future_actor_critic import PARAMS

CONFIG = networks.RecurrentConfig(
    3, 2, 4, mixers.MixerConfig("lstm"), width=8, num_blocks=1, sees_reward=True
)


@pytest.mark.slow
def test_acting_gives_the_actions_of_a_row():
    params = jax.jit(networks.init, static_argnums=0)(CONFIG, jax.random.key(1))
    policy = recurrent_policy.RecurrentPolicy(CONFIG, 4)
    prepared = policy.prepare(params)
    state = policy.init(prepared, 2)
    rng = np.random.default_rng(0)
    observations = jnp.asarray(rng.normal(size=(4, 2, 3)), jnp.float32)
    rewards = jnp.asarray(rng.normal(size=(4, 2)), jnp.float32)
    to_go, actions = jnp.zeros(2), []
    act = jax.jit(policy.act)
    for number in range(4):
        greedy = jnp.ones(2, bool)
        action, state = act(prepared, state, observations[number], to_go, greedy, jax.random.key(0))
        actions.append(action)
        to_go = to_go - rewards[number]
    taken = jnp.stack(actions, axis=1)
    first = jnp.zeros((2, 4), bool).at[:, 0].set(True)
    inputs = networks.Inputs(
        observations.swapaxes(0, 1),
        jnp.concatenate([jnp.full((2, 1), -1, jnp.int32), taken[:, :-1]], axis=1),
        jnp.concatenate([jnp.zeros((1, 2)), rewards[:-1]]).T,
        first,
    )
    empty = networks.init_state(CONFIG, params, 2)
    _, outputs = jax.jit(networks.along, static_argnums=0)(CONFIG, params, empty, inputs)
    np.testing.assert_array_equal(taken, outputs.logits.argmax(axis=-1))
    assert len(np.unique(taken)) == 2


@pytest.mark.slow
def test_latent_variables_are_drawn_by_the_key_or_have_their_means():
    def acted(latent, seed):
        policy = recurrent_policy.RecurrentPolicy(AHEAD, 4, latent)
        prepared = policy.prepare(PARAMS)
        state = policy.init(prepared, 64)
        # One observation in all environments, and likeliest actions: only the noise differs.
        observations, greedy = jnp.ones((64, 3)), jnp.ones(64, bool)
        key = jax.random.key(seed)
        action, _ = jax.jit(policy.act)(prepared, state, observations, jnp.zeros(64), greedy, key)
        return np.asarray(action)

    drawn = acted("drawn", 0)
    assert len(np.unique(drawn)) == 2
    np.testing.assert_array_equal(drawn, acted("drawn", 0))
    assert (drawn != acted("drawn", 1)).any()
    mean = acted("mean", 0)
    assert len(np.unique(mean)) == 1
    np.testing.assert_array_equal(mean, acted("mean", 1))


def test_other_choices_are_refused():
    with pytest.raises(ValueError, match="latent is 'best'; choose one of drawn, mean"):
        recurrent_policy.RecurrentPolicy(CONFIG, 4, "best")
