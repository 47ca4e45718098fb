"""Small trajectory models with filled-in parameters, and tokens to show them."""

import functools

import jax
import jax.numpy as jnp

from jax_s4rl.models import trajectory_transformer
from jax_s4rl.modules import groups
from tests import filling
from tests.models import small

# Two numbers of an observation, an action, a reward and a value.
COUNTS = (4, 3, 3, 2, 5)
ROWS, TRANSITIONS = 2, 4


def config(mixer="s4d", counts=COUNTS, **changes):
    defaults = {"context_length": TRANSITIONS, "width": 8, "num_layers": 1, "mlp_ratio": 2}
    model = trajectory_transformer.ModelConfig(
        mixer=small.mixer_config(mixer), **(defaults | changes)
    )
    return trajectory_transformer.TrajectoryTransformerConfig(
        len(counts) - 3, 1, tuple(counts), model
    )


@functools.cache
def params(config):
    init = functools.partial(trajectory_transformer.init, config)
    return groups.strip(filling.fill(init, jax.random.key(0)))


def apply(config):
    model = trajectory_transformer.TrajectoryTransformer(config)
    return functools.partial(model.apply, {"params": params(config)})


def tokens(config, transitions=TRANSITIONS):
    """Random tokens of whole transitions, with stop tokens at the end of the first row."""
    shape = (ROWS, transitions, config.num_dimensions)
    highest = jnp.broadcast_to(jnp.array(config.counts), shape)
    drawn = jax.random.randint(jax.random.key(1), shape, 0, highest)
    return drawn.at[0, -1].set(config.stop).reshape(ROWS, -1)
