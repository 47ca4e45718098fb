"""The pre-norm residual block around a sequence mixer."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Bool, Float


class Block(nn.Module):
    """Mixes across time, then across features: `x + mixer(norm(x))`, then `x + mlp(norm(x))`.

    Attributes:
      mixer: a module with the verbs of `mixers.Mixer`.
      mlp_ratio: hidden width of the feed-forward part over the width of the block.
      dropout: share of features dropped on both branches while training.
    """

    mixer: Any
    mlp_ratio: int = 4
    dropout: float = 0.0

    def setup(self) -> None:
        """Makes norms and the feed-forward part."""
        width = self.mixer.width
        self.mixer_norm = nn.LayerNorm()
        self.mlp_norm = nn.LayerNorm()
        self.hidden = nn.Dense(self.mlp_ratio * width)
        self.output = nn.Dense(width)
        self.drop = nn.Dropout(self.dropout)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: Any = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
        deterministic: bool = True,
    ) -> tuple[Float[Array, "batch length width"], Any]:
        """Maps a whole sequence, or the next chunk of one; arguments as in `mixers.Mixer`."""
        mixed, state = self.mixer(self.mixer_norm(x), state, resets=resets, mask=mask)
        x = x + self.drop(mixed, deterministic=deterministic)
        return x + self.drop(self._mlp(self.mlp_norm(x)), deterministic=deterministic), state

    def init_state(self, batch_size: int, max_length: int) -> Any:
        """The mixer's state before the first token."""
        return self.mixer.init_state(batch_size, max_length)

    def prepare(self) -> Any:
        """The mixer's constants for acting."""
        return self.mixer.prepare()

    def step(
        self,
        constants: Any,
        x: Float[Array, "batch width"],
        state: Any,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], Any]:
        """Maps one token; equal to the same position of `__call__`."""
        mixed, state = self.mixer.step(constants, self.mixer_norm(x), state, reset)
        x = x + mixed
        return x + self._mlp(self.mlp_norm(x)), state

    def _mlp(self, x: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        return self.output(nn.gelu(self.hidden(x)))
