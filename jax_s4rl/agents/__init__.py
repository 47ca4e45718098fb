"""Agents: training on a task and acting in its environment."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.agents import agent as agent
    from jax_s4rl.agents import cql as cql
    from jax_s4rl.agents import decision_transformer as decision_transformer
    from jax_s4rl.agents import inspection as inspection
    from jax_s4rl.agents import run_directory as run_directory
    from jax_s4rl.agents import tasks as tasks
    from jax_s4rl.agents import training as training

__getattr__, __dir__ = _lazy.attach(__name__)
