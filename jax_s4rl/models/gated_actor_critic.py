"""Recurrent actor and critic with a hindsight network beside them, which acting does not need."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.models import hindsight_network, recurrent_actor_critic

# Numbers of an outcome beside its observation: its reward, and whether there is an observation.
MORE = 2
# The hindsight network has to learn sooner than the policy; published rates are ten times as large.
# Adam takes steps of one size, so that a factor of the outputs is a factor of the rate.
RATE = 10.0


@dataclasses.dataclass(frozen=True)
class GatedConfig(recurrent_actor_critic.RecurrentConfig):
    """Shape of actor, critic and hindsight network."""

    hindsight_width: int = 64
    """Number of features of the hindsight network."""

    def build(self) -> "GatedActorCritic":
        """Returns the networks of this shape."""
        return GatedActorCritic(self)


class GatedActorCritic(recurrent_actor_critic.RecurrentActorCritic):
    """Recurrent actor and critic, and a network that judges their actions from later outcomes.

    The hindsight network reads the features of the past and changes none of them: they get no
    gradient from it.

    Attributes:
        config: Shape of the networks.
    """

    config: GatedConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        """Creates the layers."""
        super().setup()
        self.hindsight = hindsight_network.HindsightNetwork(
            self.config.num_actions, self.config.hindsight_width
        )

    def call_all(self, inputs: recurrent_actor_critic.Inputs) -> Any:
        """Calls every layer, so that all parameters are drawn."""
        outcomes = jnp.zeros((*inputs.is_first.shape, 1, self.config.observation_size + MORE))
        return self.look_back(self.init_state(1), inputs, outcomes)

    def look_back(
        self,
        state: list[Any],
        inputs: recurrent_actor_critic.Inputs,
        outcomes: Float[Array, "batch steps outcomes Y"],
    ) -> tuple[recurrent_actor_critic.Outputs, Float[Array, "batch steps outcomes actions"]]:
        """Maps rows of steps, and judges the actions of each step from its later outcomes.

        Args:
            state: State of every block before the rows.
            inputs: Inputs of all steps, `[batch, steps, ...]`.
            outcomes: Outcomes that each step is judged by.

        Returns:
            The outputs of all steps, and the change of every outcome to the logits of the actions.
        """
        _, past = self.features(state, inputs)
        here = jax.lax.stop_gradient(past)[:, :, None]
        return self._leave(past, inputs), RATE * self.hindsight(here, outcomes)


def look_back(
    config: GatedConfig,
    params: Any,
    state: list[Any],
    inputs: recurrent_actor_critic.Inputs,
    outcomes: Float[Array, "batch steps outcomes Y"],
) -> tuple[recurrent_actor_critic.Outputs, Float[Array, "batch steps outcomes actions"]]:
    """Runs the networks along rows, with outcomes by which actions are judged.

    Args:
        config: Shape of the networks.
        params: Parameters of the networks.
        state: State of every block before the rows.
        inputs: Inputs of all steps, `[batch, steps, ...]`.
        outcomes: Outcomes that each step is judged by.

    Returns:
        See `GatedActorCritic.look_back`.
    """
    model = config.build()
    return model.apply({"params": params}, state, inputs, outcomes, method="look_back")  # pyright: ignore[reportReturnType]
