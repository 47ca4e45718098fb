"""Settings of a small agent with latents of the future, and rows that it played in a corridor."""

import contextlib
import functools

import jax

from jax_s4rl.agents import future_ppo, recurrent_ppo
from jax_s4rl.collection.ppo import environments
from jax_s4rl.models import latent_cloning, recurrent_actor_critic
from jax_s4rl.modules import mixers
from tests import filling
from tests.collection import worlds

SETTINGS = future_ppo.Settings(
    mixer=mixers.MixerConfig("lstm"),
    width=8,
    num_blocks=1,
    total_steps=480,
    num_envs=4,
    row_length=12,
    num_minibatches=2,
    latent=latent_cloning.LatentConfig(size=2, backward=mixers.MixerConfig("s5", state_size=4)),
)
CONFIG = recurrent_ppo.configure(worlds.Corridor, SETTINGS)
PARAMS = filling.fill(functools.partial(recurrent_actor_critic.init, CONFIG), jax.random.key(0))


@functools.cache
def play():
    """Returns the second rows of a player, whose first row left a memory, and all episodes."""
    with contextlib.closing(
        environments.Environments(worlds.Corridor, 4, seed=0, streams=(15,))
    ) as envs:
        player = recurrent_ppo.Player(CONFIG, envs)
        _, before = player.play(PARAMS, 12, jax.random.key(1))
        rows, after = player.play(PARAMS, 12, jax.random.key(2))
    return rows, before + after
