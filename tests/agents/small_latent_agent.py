"""Settings of a small latent-conditioned clone, and a task with a few recorded episodes."""

from jax_s4rl.agents import latent_cloning, tasks
from jax_s4rl.models import configs
from jax_s4rl.models import latent_cloning as network
from jax_s4rl.modules import mixers
from tests.data import records

SETTINGS = latent_cloning.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("s4d", state_size=4),
        context_length=6,
        width=8,
        num_layers=1,
        mlp_ratio=1,
        dropout=0.0,
        returns="none",
    ),
    latent=network.LatentConfig(size=2, backward=mixers.MixerConfig("s5", state_size=4)),
    regime="episodes",
    weighting="uniform",
    batch_size=8,
    num_updates=4,
    updates_per_dispatch=2,
)
RECORD = records.make_record((3, 1, 5, 4), num_actions=2, observation_shape=(4,))
TASK = tasks.Task("CartPole-v1", {"max_episode_steps": 6}, "tiny", RECORD, 2, 6)
