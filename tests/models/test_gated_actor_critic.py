"""Actor and critic with hindsight: acting and learning stay as they are without it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.models import gated_actor_critic as networks
from jax_s4rl.models import recurrent_actor_critic
from jax_s4rl.modules import mixers
from tests import filling

CONFIG = networks.GatedConfig(
    3, 2, 6, mixers.MixerConfig("lstm"), width=8, num_blocks=1, hindsight_width=4
)
PARAMS = filling.fill(functools.partial(recurrent_actor_critic.init, CONFIG), jax.random.key(0))
INPUTS = recurrent_actor_critic.empty_inputs(CONFIG, (2, 6))._replace(
    observation=jax.random.normal(jax.random.key(1), (2, 6, 3))
)
OUTCOMES = jax.random.normal(jax.random.key(2), (2, 6, 3, 3 + networks.MORE))


def test_outputs_are_those_of_acting_and_hindsight_leaves_their_parameters_alone():
    start = recurrent_actor_critic.init_state(CONFIG, PARAMS, 2)
    look = jax.jit(networks.look_back, static_argnums=0)
    said, change = look(CONFIG, PARAMS, start, INPUTS, OUTCOMES)
    _, acted = recurrent_actor_critic.along(CONFIG, PARAMS, start, INPUTS)
    np.testing.assert_allclose(said.logits, acted.logits, atol=1e-6)
    np.testing.assert_allclose(said.value, acted.value, atol=1e-6)
    assert change.shape == (2, 6, 3, 2)

    def total(params):
        return jnp.sum(networks.look_back(CONFIG, params, start, INPUTS, OUTCOMES)[1])

    gradient = jax.jit(jax.grad(total))(PARAMS)
    moved = {
        name: any(np.any(leaf) for leaf in jax.tree.leaves(own)) for name, own in gradient.items()
    }
    assert moved.pop("hindsight")
    assert not any(moved.values())
