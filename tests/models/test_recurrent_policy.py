"""The acting recurrent policy: the same as a row of what it was given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import recurrent_actor_critic as networks
from jax_s4rl.models import recurrent_policy
from jax_s4rl.modules import mixers

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
