"""What follows every state space model: GELU, then a linear map across features, gated or plain."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.modules import _linear


class Gate(nn.Module):
    """Mixes features at each step: `a * sigmoid(b)` with `a, b` linear in `gelu(y)`, or `a` alone.

    Attributes:
      width: number of features, in and out.
      glu: whether the linear map is gated (twice the weights).
      dtype: in which it is computed; weights are float32.

    Source: Gu et al. (2022), "Efficiently Modeling Long Sequences with Structured State Spaces", official code.
    """

    width: int
    glu: bool = True
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Makes the linear map."""
        self.output = _linear.dense(2 * self.width if self.glu else self.width, dtype=self.dtype)

    def __call__(self, y: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        """Maps each step by itself."""
        mixed = self.output(nn.gelu(y))
        return nn.glu(mixed) if self.glu else mixed
