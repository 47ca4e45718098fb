"""GELU and a linear map across features, gated or plain, that follow every state space model."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.modules import _linear


class Gate(nn.Module):
    """Mixes features at each step: `a * sigmoid(b)` with `a, b` linear in `gelu(y)`, or `a` alone.

    Attributes:
        glu: Whether the linear map is gated, which doubles its weights.
        dtype: Dtype of the computation; weights are float32.

    Source:
        Gu et al. (2022), "Efficiently Modeling Long Sequences with Structured State Spaces",
        official code.
    """

    glu: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, y: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        """Maps each step independently."""
        width = y.shape[-1]
        output = _linear.Dense(2 * width if self.glu else width, dtype=self.dtype, name="output")
        mixed = output(nn.gelu(y))
        return nn.glu(mixed) if self.glu else mixed
