"""The residual block around a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jax_s4rl.modules import _linear
from jax_s4rl.modules import dropout as dropouts

PRE, POST, NONE = "pre", "post", "none"
NORMS = (PRE, POST, NONE)


class Block(nn.Module):
    """Mixes across time, then across features, each as a residual branch with a layer norm.

    With `norm="pre"`, the norm precedes the branch: `x + mixer(norm(x))`, then `x + mlp(norm(x))`.
    With `norm="post"`, it follows the sum: `norm(x + mixer(x))`, then `norm(x + mlp(x))`. With
    `norm="none"` there is no norm. Without a feed-forward part (`mlp_ratio=0`), a state space mixer
    gives the block of the S4 papers: norm, SSM, GELU, GLU, residual. With `residual=False` a branch
    replaces its input, so that a block with neither norm nor feed-forward part is its mixer alone.

    Attributes:
        mixer: Module with the methods of `mixers.Mixer`.
        mlp_ratio: Hidden width of the feed-forward part divided by the width of the block; 0 for
            none.
        dropout: Share of features that are dropped on the branches during training.
        norm: Position of the layer norm, "pre" or "post"; "none" for no norm.
        dropout_over_time: Kind of dropout mask: "independent" for each step, or "shared" by all
            steps of a row, as in S4.
        residual: Whether the input of a branch is added to its output.
        dtype: Dtype of activations; weights and norms are float32.
    """

    mixer: Any
    mlp_ratio: int | float = 4
    dropout: float = 0.0
    norm: str = "pre"
    dropout_over_time: str = dropouts.INDEPENDENT
    residual: bool = True
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Creates the norms and the feed-forward part.

        Raises:
            ValueError: An option does not exist or does not fit, see `check`.
        """
        check(self.mlp_ratio, self.dropout, self.norm, self.dropout_over_time)
        width = self.mixer.width
        # A norm that is never called has no parameters.
        self.mixer_norm = nn.LayerNorm()
        if self.mlp_ratio:
            self.mlp_norm = nn.LayerNorm()
            self.hidden = _linear.Dense(round(self.mlp_ratio * width), dtype=self.dtype)
            self.output = _linear.Dense(width, dtype=self.dtype)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: Any = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
        noise: Key[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch length width"], Any]:
        """Maps a whole sequence, or the next chunk of one; see `mixers.Mixer`.

        Args:
            x: Features.
            state: State that `init_state` or the previous chunk returned; None for a whole
                sequence.
            resets: True where an episode starts.
            mask: False at padding.
            noise: Random key of each row for dropout during training; None drops nothing. Blocks of
                one model need different keys.

        Returns:
            The mapped features, and the state after them (None if none was given).
        """
        mixed = self.mixer(self._before(x, self.mixer_norm), state, resets=resets, mask=mask)
        # A mixer that is given no state returns none.
        if state is not None:
            mixed, state = mixed
        # The two branches share the key of a row; places 0 and 1 give them different masks.
        x = self._after(self._join(x, self._drop(mixed, noise, 0)), self.mixer_norm)
        return self._feed_forward(x, noise), state

    def init_state(self, batch_size: int, max_length: int) -> Any:
        """Returns the mixer's state before the first token."""
        return self.mixer.init_state(batch_size, max_length)

    def prepare(self) -> Any:
        """Returns the mixer's constants for acting."""
        return self.mixer.prepare()

    def step(
        self,
        constants: Any,
        x: Float[Array, "batch width"],
        state: Any,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], Any]:
        """Maps one token; equal to the same position of `__call__`."""
        mixed, state = self.mixer.step(constants, self._before(x, self.mixer_norm), state, reset)
        return self._feed_forward(self._after(self._join(x, mixed), self.mixer_norm), None), state

    def _feed_forward(
        self, x: Float[Array, "*rows width"], noise: Key[Array, " batch"] | None
    ) -> Float[Array, "*rows width"]:
        if not self.mlp_ratio:
            return x
        mapped = self.output(nn.gelu(self.hidden(self._before(x, self.mlp_norm))))
        return self._after(self._join(x, self._drop(mapped, noise, 1)), self.mlp_norm)

    def _join(
        self, x: Float[Array, "*rows width"], branch: Float[Array, "*rows width"]
    ) -> Float[Array, "*rows width"]:
        return x + branch if self.residual else branch

    def _drop(
        self, x: Float[Array, "*rows width"], noise: Key[Array, " batch"] | None, place: int
    ) -> Float[Array, "*rows width"]:
        if noise is None:
            return x
        return dropouts.drop(x, noise, self.dropout, place=place, over_time=self.dropout_over_time)

    def _before(
        self, x: Float[Array, "*rows width"], norm: nn.LayerNorm
    ) -> Float[Array, "*rows width"]:
        return self._normalize(x, norm) if self.norm == PRE else x

    def _after(
        self, x: Float[Array, "*rows width"], norm: nn.LayerNorm
    ) -> Float[Array, "*rows width"]:
        return self._normalize(x, norm) if self.norm == POST else x

    def _normalize(
        self, x: Float[Array, "*rows width"], norm: nn.LayerNorm
    ) -> Float[Array, "*rows width"]:
        # Means and variances are float32, whatever the dtype of activations.
        return _linear.on_rows(norm, x.astype(jnp.float32)).astype(self.dtype)


def check(mlp_ratio: int | float, dropout: float, norm: str, dropout_over_time: str) -> None:
    """Checks the options of a block.

    Args:
        mlp_ratio: Hidden width of the feed-forward part divided by the width of the block.
        dropout: Share of features that are dropped.
        norm: Position of the layer norm, one of `NORMS`.
        dropout_over_time: Kind of dropout mask, one of `dropout.KINDS`.

    Raises:
        ValueError: An option does not exist or does not fit.

    Example:
        >>> check(0, 0.1, "pre", "shared")
    """
    for name, value, choices in (
        ("norm", norm, NORMS),
        ("dropout_over_time", dropout_over_time, dropouts.KINDS),
    ):
        if value not in choices:
            raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")
    if mlp_ratio < 0:
        raise ValueError(
            f"mlp_ratio is {mlp_ratio}; choose 0 for no feed-forward part, or a positive number"
        )
    if not 0 <= dropout < 1:
        raise ValueError(
            f"dropout is {dropout}; it is the share of features dropped, at least 0 and below 1"
        )
