"""Key-and-door environments: a key taken early brings a reward late."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.envs.key_door import config as config
    from jax_s4rl.envs.key_door import cropped as cropped
    from jax_s4rl.envs.key_door import environment as environment
    from jax_s4rl.envs.key_door import layout as layout
    from jax_s4rl.envs.key_door import observations as observations
    from jax_s4rl.envs.key_door import optimal_play as optimal_play
    from jax_s4rl.envs.key_door import random_play as random_play

__getattr__, __dir__ = _lazy.attach(__name__)
