"""A mixer without memory, which maps each token independently."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.modules import _linear

# Hidden width over width: as many weights as the four square matrices of attention.
RATIO = 2


class MLP(nn.Module):
    """Maps each token independently.

    With one token per step, it is the behavior cloning control, which observes no history.

    Attributes:
        width: Number of features, in and out.
        dtype: Dtype of activations.
    """

    width: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Creates the two linear maps."""
        self.hidden = _linear.Dense(RATIO * self.width, dtype=self.dtype)
        self.output = _linear.Dense(self.width, dtype=self.dtype)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: tuple[()] | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> Float[Array, "batch length width"] | tuple[Float[Array, "batch length width"], tuple[()]]:
        """Maps every token; resets have no effect without memory, and padding enters as zero."""
        del resets
        # Zeros keep a NaN in the padding out of outputs and gradients.
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        return self._map(x) if state is None else (self._map(x), state)

    def init_state(self, batch_size: int, max_length: int) -> tuple[()]:
        """Returns the empty state."""
        del batch_size, max_length
        return ()

    def prepare(self) -> tuple[()]:
        """Returns no constants."""
        return ()

    def step(
        self,
        constants: tuple[()],
        x: Float[Array, "batch width"],
        state: tuple[()],
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], tuple[()]]:
        """Maps one token."""
        del constants, reset
        return self._map(x), state

    def _map(self, x: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        return self.output(nn.gelu(self.hidden(x)))
