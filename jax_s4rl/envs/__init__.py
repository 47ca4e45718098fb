"""Gymnasium environments and the bsuite adapter.

Importing this package registers the environments with Gymnasium and does nothing else: minigrid,
bsuite and matplotlib are imported when an environment that needs them is made.

Example:
    >>> import jax_s4rl.envs
    >>> import gymnasium
    >>> gymnasium.make("jax_s4rl/Bsuite-v0", bsuite_id="umbrella_length/3").observation_space.shape
    (23,)
"""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy
from jax_s4rl.envs import registry as _registry

if TYPE_CHECKING:
    from jax_s4rl.envs import bsuite_adapter as bsuite_adapter
    from jax_s4rl.envs import bsuite_results as bsuite_results
    from jax_s4rl.envs import door_key_play as door_key_play
    from jax_s4rl.envs import graphs as graphs
    from jax_s4rl.envs import key_door as key_door
    from jax_s4rl.envs import masked_cartpole as masked_cartpole
    from jax_s4rl.envs import masked_locomotion as masked_locomotion
    from jax_s4rl.envs import masked_pendulum as masked_pendulum
    from jax_s4rl.envs import memory_chain as memory_chain
    from jax_s4rl.envs import meta_cartpole as meta_cartpole
    from jax_s4rl.envs import minigrid_door_key as minigrid_door_key
    from jax_s4rl.envs import minigrid_memory as minigrid_memory
    from jax_s4rl.envs import random_walk as random_walk
    from jax_s4rl.envs import reference_policies as reference_policies
    from jax_s4rl.envs import reference_scores as reference_scores
    from jax_s4rl.envs import registry as registry
    from jax_s4rl.envs import repeat_first as repeat_first
    from jax_s4rl.envs import t_maze as t_maze
    from jax_s4rl.envs import umbrella as umbrella
    from jax_s4rl.envs import weighted_walk as weighted_walk
    from jax_s4rl.envs import wrappers as wrappers

__getattr__, __dir__ = _lazy.attach(__name__)

_registry.register_all()
