"""Training: losses, optimizer, the pmapped update, the loop, checkpoints."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.training import actor_critic_loss as actor_critic_loss
    from jax_s4rl.training import checkpoints as checkpoints
    from jax_s4rl.training import config_io as config_io
    from jax_s4rl.training import cql_loss as cql_loss
    from jax_s4rl.training import distributed as distributed
    from jax_s4rl.training import hindsight as hindsight
    from jax_s4rl.training import loop as loop
    from jax_s4rl.training import losses as losses
    from jax_s4rl.training import metrics as metrics
    from jax_s4rl.training import optimizer as optimizer
    from jax_s4rl.training import run_lock as run_lock
    from jax_s4rl.training import target_network as target_network
    from jax_s4rl.training import update as update

__getattr__, __dir__ = _lazy.attach(__name__)
