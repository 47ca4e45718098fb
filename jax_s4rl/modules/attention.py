"""Causal self-attention as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import attention
from jax_s4rl.modules import _linear

NONE, LEARNED, ROTARY = "none", "learned", "rotary"
POSITIONS = (NONE, LEARNED, ROTARY)

# Longest wavelength of rotary positions is 2 pi times this many tokens.
ROTARY_BASE = 10_000.0


class Attention(nn.Module):
    """Multi-head causal self-attention, with an exact cache for acting step by step: a ring if there is a window.

    A position is the number of real tokens of the same episode that came before, in training and acting alike. Padding
    is as if it were not there. There is no dropout on attention weights.

    Attributes:
      width: number of features, in and out.
      num_heads: heads; must divide `width`.
      window: real tokens that each token sees, itself included; None for all of its episode.
      positions: "none" (order comes from the tokens), "learned" (a table, added to the input) or "rotary".
      max_length: longest sequence in tokens, which is the length of the learned table.
      dtype: of activations and the cache; softmax is float32.
      method: of the kernel for whole sequences; None for its default.
      precision: of the kernel's matrix products; None for its default.

    Source: Vaswani et al. (2017), "Attention Is All You Need", equation (1); rotary: Su et al. (2021), equation (34).
    """

    width: int
    num_heads: int = 1
    window: int | None = None
    positions: str = NONE
    max_length: int | None = None
    dtype: Any = jnp.float32
    method: str | None = None
    precision: str | None = None

    def setup(self) -> None:
        """Makes the projections and the table of positions."""
        check_heads(self.width, self.num_heads, self.positions)
        self.projections = Projections(self.width, self.dtype)
        self.output = _linear.dense(self.width, dtype=self.dtype)
        if self.positions == LEARNED:
            if self.max_length is None:
                raise ValueError("learned positions need max_length, got None; give the longest sequence in tokens")
            self.table: Array = self.param("positions", nn.initializers.normal(0.02), (self.max_length, self.width))

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

        Raises:
          ValueError: the sequence is longer than the learned table of positions.
        """
        length = x.shape[1]
        self._check_length(length)
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        start = jnp.zeros((1,), jnp.int32) if state is None else state.position
        queries, keys, values = self._project(x, attention.positions(start, length, resets=resets, mask=mask))
        options: dict[str, Any] = {"mask": mask, "resets": resets, **self._options()}
        if state is None:
            options |= {} if self.method is None else {"method": self.method}
            mixed = attention.attend(queries, keys, values, **options)
        else:
            mixed, state = attention.chunk(queries, keys, values, state, **options)
        return self.output(mixed.reshape(x.shape)), state

    def init_state(self, batch_size: int, max_length: int) -> attention.Cache:
        """An empty cache for each of `batch_size` sequences: of `max_length` tokens, or a ring of `window`.

        Raises:
          ValueError: the learned table of positions is shorter than `max_length`.
        """
        self._check_length(max_length)
        capacity = max_length if self.window is None else self.window
        head_dim = self.width // self.num_heads
        return attention.init_cache((batch_size,), capacity, self.num_heads, head_dim, self.dtype)

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
        position = state.position if reset is None else jnp.where(reset, 0, state.position)
        queries, keys, values = self._project(x, position)
        mixed, state = attention.step(queries, keys, values, state, reset, **self._options())
        return self.output(mixed.reshape(x.shape)), state

    def _options(self) -> dict[str, Any]:
        return {"window": self.window} | ({} if self.precision is None else {"precision": self.precision})

    def _project(self, x: Float[Array, "*rows width"], positions: Int[Array, "*places"]) -> tuple[Array, Array, Array]:
        if self.positions == LEARNED:
            # A ring outlives the table: past its end there is no position, and nothing but NaN can say so under jit.
            x = x + jnp.take(self.table, positions, axis=0, mode="fill", fill_value=jnp.nan).astype(x.dtype)
        heads = (*x.shape[:-1], 3, self.num_heads, self.width // self.num_heads)
        queries, keys, values = jnp.unstack(self.projections(x).reshape(heads), axis=-3)
        if self.positions == ROTARY:
            queries, keys = rotate(queries, positions), rotate(keys, positions)
        return queries, keys, values

    def _check_length(self, length: int) -> None:
        if self.positions == LEARNED and self.max_length is not None and length > self.max_length:
            raise ValueError(
                f"{length} tokens do not fit into a learned table of {self.max_length} positions; "
                "build the model for longer sequences, or take positions='rotary'"
            )


class Projections(nn.Module):
    """Queries, keys and values of each token, side by side.

    Keys have no bias: it would add the same number to all scores of a query, which softmax does not see. Its gradient
    would be rounding alone, and Adam would make full steps of that.

    Attributes:
      width: number of features, in, and out for each of the three.
      dtype: in which they are computed; weights are float32.
    """

    width: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Makes the weights."""
        self.weights = _linear.dense(3 * self.width, dtype=self.dtype, use_bias=False)
        self.query_bias: Array = self.param("query_bias", nn.initializers.zeros, (self.width,))
        self.value_bias: Array = self.param("value_bias", nn.initializers.zeros, (self.width,))

    def __call__(self, x: Float[Array, "*rows width"]) -> Float[Array, "*rows three_widths"]:
        """Maps each token by itself."""
        projected = self.weights(x)
        bias = jnp.concatenate([self.query_bias, jnp.zeros_like(self.query_bias), self.value_bias])
        return projected + bias.astype(projected.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


def rotate(
    x: Float[Array, "*rows heads head_dim"], positions: Int[Array, "*places"]
) -> Float[Array, "*rows heads head_dim"]:
    """Turns pairs of features by angles that grow with the position, so that scores depend on distances alone.

    Feature n of the first half and of the second are a pair, turned by `position * base^(-2n / head_dim)`.

    Args:
      x: queries or keys.
      positions: of each row; an axis may be 1 where rows share them.

    Returns:
      The turned features, in the dtype of `x`.

    Source: Su et al. (2021), "RoFormer", equation (34).

    Example:
      >>> turned = rotate(jnp.ones((2, 1, 2)), jnp.arange(2))
      >>> bool(jnp.allclose(turned[0], 1.0)), bool(jnp.allclose(jnp.sum(turned[1] ** 2), 2.0))
      (True, True)
    """
    half = x.shape[-1] // 2
    rates = ROTARY_BASE ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = positions[..., None, None].astype(jnp.float32) * rates.reshape((1,) * (positions.ndim + 1) + (half,))
    left, right = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1).astype(x.dtype)


def check_heads(width: int | None, num_heads: int, positions: str) -> None:
    """Raises `ValueError` for positions that do not exist, or heads that do not fit the width, where it is known."""
    if positions not in POSITIONS:
        raise ValueError(f"positions is {positions!r}; choose one of {', '.join(POSITIONS)}")
    if num_heads < 1 or (width is not None and width % num_heads):
        raise ValueError(
            f"attention of width {width} cannot be split into {num_heads} heads; "
            "choose num_heads so that it divides the width"
        )
    if positions == ROTARY and width is not None and width // num_heads % 2:
        raise ValueError(
            f"rotary positions turn pairs of features, but each of {num_heads} heads has {width // num_heads}; "
            "choose num_heads so that it is even"
        )
