"""The backward model: summarizes, for every step of a row, what comes later in its episode."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from jax_s4rl.modules import _linear, block, mixers


class Backward(nn.Module):
    """Runs blocks from the end of each episode to its start; any mixer can be inside.

    The summary of a step depends on the steps behind it alone. It is zero at the last step of an
    episode, and at the end of a row that cuts its episode: near that edge it knows less.

    Attributes:
        mixer: Sequence mixer and its options.
        width: Number of features, in and out.
        max_length: Longest row, in steps.
        num_layers: Number of blocks.
        mlp_ratio: Hidden width of a block's feed-forward part divided by the width; 0 for no such
            part.

    Source:
        After Venuto et al. (2021), "Policy Gradients Incorporating the Future", figure 1, where
        the backward model is a recurrent network.
    """

    mixer: mixers.MixerConfig
    width: int
    max_length: int
    num_layers: int = 1
    mlp_ratio: int | float = 1

    def setup(self) -> None:
        """Creates the blocks and the norm of their output."""
        self.blocks = [
            block.Block(
                mixers.make(self.mixer, width=self.width, max_length=self.max_length),
                self.mlp_ratio,
            )
            for _ in range(self.num_layers)
        ]
        self.norm = nn.LayerNorm()

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        mask: Bool[Array, "batch length"],
        has_next: Bool[Array, "batch length"],
    ) -> Float[Array, "batch length width"]:
        """Summarizes the later steps of every step.

        Args:
            x: Features of each step.
            mask: False at padding.
            has_next: True where the next step of the row is of the same episode, see
                `data.windows.has_next`.

        Returns:
            The summaries, each with mean 0 and variance 1 at first.
        """
        # Turned around, an episode starts at its last step, and the padding comes first: it leaves
        # states at zero.
        resets, real = jnp.flip(mask & ~has_next, axis=1), jnp.flip(mask, axis=1)
        y: Any = jnp.flip(x, axis=1)
        for layer in self.blocks:
            y, _ = layer(y, resets=resets, mask=real)
        return of_next(_linear.on_rows(self.norm, jnp.flip(y, axis=1)), has_next)


def of_next(
    x: Shaped[Array, "batch length *features"], has_next: Bool[Array, "batch length"]
) -> Shaped[Array, "batch length *features"]:
    """Gives every step the features of the next one; zeros where there is none.

    Args:
        x: Features of each step.
        has_next: True where there is a next step.

    Returns:
        The features of the next steps.

    Example:
        >>> of_next(jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[True, False, False]])).tolist()
        [[2.0, 0.0, 0.0]]
    """
    # What `roll` brings around to the end of the row is not selected: no step there has a next one.
    wide = has_next.reshape(has_next.shape + (1,) * (x.ndim - 2))
    return jnp.where(wide, jnp.roll(x, -1, axis=1), jnp.zeros_like(x))
