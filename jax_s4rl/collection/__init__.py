"""Behaviors that record data (random, scripted, PPO), and the named dataset recipes."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.collection import behaviors as behaviors
    from jax_s4rl.collection import catalog as catalog
    from jax_s4rl.collection import datasets as datasets
    from jax_s4rl.collection import ppo as ppo
    from jax_s4rl.collection import recording as recording
    from jax_s4rl.collection import seeding as seeding
    from jax_s4rl.collection import sources as sources
    from jax_s4rl.collection import stored_environments as stored_environments
    from jax_s4rl.collection import thinning as thinning
    from jax_s4rl.collection import walk_statistics as walk_statistics

__getattr__, __dir__ = _lazy.attach(__name__)
