"""Agents: training on a task and acting in its environment."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.agents import acting as acting
    from jax_s4rl.agents import agent as agent
    from jax_s4rl.agents import alignment as alignment
    from jax_s4rl.agents import check as check
    from jax_s4rl.agents import contract as contract
    from jax_s4rl.agents import cql as cql
    from jax_s4rl.agents import data_report as data_report
    from jax_s4rl.agents import decision_transformer as decision_transformer
    from jax_s4rl.agents import exhaustion as exhaustion
    from jax_s4rl.agents import export as export
    from jax_s4rl.agents import exported_policy as exported_policy
    from jax_s4rl.agents import film as film
    from jax_s4rl.agents import future_information as future_information
    from jax_s4rl.agents import future_ppo as future_ppo
    from jax_s4rl.agents import future_update as future_update
    from jax_s4rl.agents import gated_ppo as gated_ppo
    from jax_s4rl.agents import gradient_noise as gradient_noise
    from jax_s4rl.agents import held_out as held_out
    from jax_s4rl.agents import hindsight_credit as hindsight_credit
    from jax_s4rl.agents import hindsight_policy as hindsight_policy
    from jax_s4rl.agents import inspection as inspection
    from jax_s4rl.agents import interruption as interruption
    from jax_s4rl.agents import latent_cloning as latent_cloning
    from jax_s4rl.agents import latent_information as latent_information
    from jax_s4rl.agents import learning_history as learning_history
    from jax_s4rl.agents import loading as loading
    from jax_s4rl.agents import model_card as model_card
    from jax_s4rl.agents import multi_seed as multi_seed
    from jax_s4rl.agents import plan as plan
    from jax_s4rl.agents import planner as planner
    from jax_s4rl.agents import policy_folder as policy_folder
    from jax_s4rl.agents import ranges as ranges
    from jax_s4rl.agents import recurrent_ppo as recurrent_ppo
    from jax_s4rl.agents import recurrent_update as recurrent_update
    from jax_s4rl.agents import replay as replay
    from jax_s4rl.agents import run_directory as run_directory
    from jax_s4rl.agents import tasks as tasks
    from jax_s4rl.agents import training as training
    from jax_s4rl.agents import trajectory_transformer as trajectory_transformer
    from jax_s4rl.agents import transport_agent as transport_agent
    from jax_s4rl.agents import value_transport as value_transport

__getattr__, __dir__ = _lazy.attach(__name__)
