"""Every group that layers assign is one that the optimizer knows, and the other way round."""

import jax
import jax.numpy as jnp

from jax_s4rl import parameter_groups
from jax_s4rl.modules import groups
from jax_s4rl.training import optimizer


def test_layers_and_optimizer_share_the_groups():
    boxed = {"A": groups.state_space(lambda _: jnp.ones(2))(jax.random.key(0)), "w": jnp.ones(2)}
    labels = groups.labels(boxed)
    assert set(labels.values()) == {parameter_groups.DEFAULT, parameter_groups.STATE_SPACE}
    made = optimizer.make(optimizer.OptimizerConfig(), labels, num_updates=2)
    params = groups.strip(boxed)
    changes, _ = made.update(params, made.init(params), params)
    assert jax.tree.structure(changes) == jax.tree.structure(params)
