"""Gymnasium environments and the bsuite adapter.

Importing this package registers the environments with Gymnasium, and does nothing else: minigrid, bsuite and
matplotlib are imported when an environment that needs them is made.

Example:
    >>> import jax_s4rl.envs
    >>> import gymnasium
    >>> gymnasium.make("jax_s4rl/Bsuite-v0", bsuite_id="umbrella_length/3").observation_space.shape
    (23,)
"""

from jax_s4rl.envs import registry

registry.register_all()
