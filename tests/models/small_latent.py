"""A small latent-conditioned model with filled-in parameters, and rows to show it."""

import functools

import jax

from jax_s4rl.data import windows
from jax_s4rl.models import latent_cloning
from jax_s4rl.modules import groups, mixers
from tests import filling
from tests.models import small

LATENT = latent_cloning.LatentConfig(size=2, backward=mixers.MixerConfig("s5", state_size=4))


def config(mixer="s4d", **changes):
    plain = small.config(mixer, num_layers=1, dropout=0.0, returns="none", **changes)
    return latent_cloning.LatentCloningConfig(**vars(plain), latent=LATENT)


@functools.cache
def params(config):
    init = functools.partial(latent_cloning.init, config)
    return groups.strip(filling.fill(init, jax.random.key(0)))


def rows(config):
    """Arguments of `LatentCloning.__call__`; each row is one episode."""
    filled = small.window(config)
    rewards = filled.pop("returns_to_go")
    has_next = windows.has_next(filled["mask"])
    return filled | {"rewards": rewards, "has_next": has_next}
