"""Causal self-attention as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import attention


class Attention(nn.Module):
    """Multi-head causal self-attention, with an exact cache for acting step by step.

    Order comes from the time embedding of the tokens; the layer itself has no positions.

    Attributes:
      width: number of features, in and out.
      num_heads: heads; must divide `width`.
    """

    width: int
    num_heads: int = 1

    def setup(self) -> None:
        """Makes the projections."""
        if self.width % self.num_heads:
            raise ValueError(
                f"attention of width {self.width} cannot be split into {self.num_heads} heads; "
                "choose num_heads so that it divides the width"
            )
        self.projections = nn.Dense(3 * self.width)
        self.output = nn.Dense(self.width)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: attention.Cache | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> tuple[Float[Array, "batch length width"], attention.Cache | None]:
        """Mixes a whole sequence, or the next chunk of one if the state of the chunk before is given.

        Args:
          x: features.
          state: what `init_state` or the chunk before returned; None for a whole sequence.
          resets: True where an episode starts: nothing before it is seen from there on.
          mask: False at padding, which nobody sees.

        Returns:
          The mixed features, and the state after them (None if none was given).
        """
        queries, keys, values = self._project(x)
        if state is None:
            mixed = attention.attend(queries, keys, values, mask=mask, resets=resets)
        else:
            mixed, state = attention.chunk(queries, keys, values, state, mask=mask, resets=resets)
        return self.output(mixed.reshape(x.shape)), state

    def init_state(self, batch_size: int, max_length: int) -> attention.Cache:
        """An empty cache that holds `max_length` tokens for each of `batch_size` sequences."""
        head_dim = self.width // self.num_heads
        return attention.init_cache((batch_size,), max_length, self.num_heads, head_dim, jnp.float32)

    def prepare(self) -> tuple[()]:
        """Attention has no constants to make before acting."""
        return ()

    def step(
        self,
        constants: tuple[()],
        x: Float[Array, "batch width"],
        state: attention.Cache,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], attention.Cache]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`."""
        del constants
        queries, keys, values = self._project(x)
        mixed, state = attention.step(queries, keys, values, state, reset)
        return self.output(mixed.reshape(x.shape)), state

    def _project(self, x: Float[Array, "*rows width"]) -> Any:
        heads = (*x.shape[:-1], 3, self.num_heads, self.width // self.num_heads)
        return jnp.unstack(self.projections(x).reshape(heads), axis=-3)
