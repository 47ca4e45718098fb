"""The network of hindsight credit: how a later outcome changes the logits of an earlier action."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class HindsightNetwork(nn.Module):
    """Computes the change `f(x, y)` to the logits of the policy, see `training.hindsight.modulate`.

    Observation and outcome each pass through one layer; their product decides. The last layer
    starts at 0, so that the first credit is none.

    Attributes:
        num_actions: Number of actions.
        width: Number of features of each layer.

    Source:
        Meulemans et al. (2023), "Would I have gotten that reward?" (COCOA), where the outcome makes
        the weights of a layer.
    """

    num_actions: int
    width: int = 256

    @nn.compact
    def __call__(
        self, observations: Float[Array, "*#batch O"], outcomes: Float[Array, "*#batch Y"]
    ) -> Float[Array, "..."]:
        """Computes the change to the logit of every action.

        Args:
            observations: Observation before the action, as a vector.
            outcomes: Later outcome, as a vector: an observation, a reward, or a return. Of all
                pairs, axes of one entry in both arguments make the pairs behind the first layers.

        Returns:
            Changes `[*batch, actions]`, all 0 before any training.
        """
        both = nn.Dense(self.width)(observations) + nn.Dense(self.width, use_bias=False)(outcomes)
        features = nn.relu(both) * nn.Dense(self.width)(outcomes)
        return nn.Dense(self.num_actions, kernel_init=nn.initializers.zeros)(features)


def describe(rewards: Float[Array, "*batch"]) -> Float[Array, "*batch 3"]:
    """Describes rewards as outcomes: powers set near ones apart.

    Args:
        rewards: Rewards, scaled to about 1.

    Returns:
        The reward, its square, and the root of its size.

    Example:
        >>> describe(jnp.array([-0.25])).tolist()
        [[-0.25, 0.0625, 0.5]]
    """
    return jnp.stack([rewards, jnp.square(rewards), jnp.abs(rewards) ** 0.5], axis=-1)
