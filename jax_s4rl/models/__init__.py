"""The models, such as the decision transformer and the Q-network, and the policies that act."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.models import attribution as attribution
    from jax_s4rl.models import beam_search as beam_search
    from jax_s4rl.models import configs as configs
    from jax_s4rl.models import critic as critic
    from jax_s4rl.models import decision_transformer as decision_transformer
    from jax_s4rl.models import future_actor_critic as future_actor_critic
    from jax_s4rl.models import gated_actor_critic as gated_actor_critic
    from jax_s4rl.models import hindsight_network as hindsight_network
    from jax_s4rl.models import latent_cloning as latent_cloning
    from jax_s4rl.models import latent_policy as latent_policy
    from jax_s4rl.models import memory_agent as memory_agent
    from jax_s4rl.models import policy as policy
    from jax_s4rl.models import presets as presets
    from jax_s4rl.models import q_network as q_network
    from jax_s4rl.models import q_policy as q_policy
    from jax_s4rl.models import recurrent_actor_critic as recurrent_actor_critic
    from jax_s4rl.models import recurrent_policy as recurrent_policy
    from jax_s4rl.models import trajectory_transformer as trajectory_transformer

__getattr__, __dir__ = _lazy.attach(__name__)
