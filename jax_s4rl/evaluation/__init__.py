"""Rollouts of policies in environments, and metrics of the episodes."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.evaluation import bootstrap as bootstrap
    from jax_s4rl.evaluation import critic as critic
    from jax_s4rl.evaluation import documents as documents
    from jax_s4rl.evaluation import key_door as key_door
    from jax_s4rl.evaluation import online_budget as online_budget
    from jax_s4rl.evaluation import random_walk as random_walk
    from jax_s4rl.evaluation import result_rows as result_rows
    from jax_s4rl.evaluation import return_sweep as return_sweep
    from jax_s4rl.evaluation import rollout as rollout
    from jax_s4rl.evaluation import umbrella as umbrella

__getattr__, __dir__ = _lazy.attach(__name__)
