"""Proximal policy optimization (PPO), whose policies record datasets."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.collection.ppo import environments as environments
    from jax_s4rl.collection.ppo import network as network
    from jax_s4rl.collection.ppo import objective as objective
    from jax_s4rl.collection.ppo import policy as policy
    from jax_s4rl.collection.ppo import storage as storage
    from jax_s4rl.collection.ppo import training as training
    from jax_s4rl.collection.ppo import update as update

__getattr__, __dir__ = _lazy.attach(__name__)
