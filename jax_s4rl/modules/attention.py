"""Causal self-attention as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.kernels import attention
from jax_s4rl.modules import _linear

NONE, LEARNED, ROTARY = "none", "learned", "rotary"
POSITIONS = (NONE, LEARNED, ROTARY)

# The longest wavelength of rotary positions is 2 pi times this many tokens.
ROTARY_BASE = 10_000.0


class Attention(nn.Module):
    """Multi-head causal self-attention with an exact cache for acting step by step.

    With a window, the cache is a ring buffer. The position of a token is the number of real tokens
    of the same episode before it, in training and acting alike. Padding has no effect: it takes no
    position, and no token attends to it. There is no dropout on attention weights.

    Attributes:
        width: Number of features, in and out.
        num_heads: Number of heads; divides `width`.
        window: Number of real tokens that each token attends to, itself included; None for its
            whole episode.
        positions: Kind of positions: "none" (the order comes from the tokens alone), "learned" (a
            table that is added to the input) or "rotary".
        max_length: Longest sequence in tokens, which is the length of the learned table.
        dtype: Dtype of activations and the cache; the softmax is float32.
        method: Method of the kernel for whole sequences; None for its default.
        precision: Precision of the kernel's matrix products; None for its default.

    Source:
        Vaswani et al. (2017), "Attention Is All You Need", equation (1); rotary: Su et al. (2021),
        equation (34).
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
        """Creates the projections and the table of positions.

        Raises:
            ValueError: Unknown positions, heads that do not fit the width, or learned positions
                without `max_length`.
        """
        check_heads(self.width, self.num_heads, self.positions)
        self.projections = Projections(self.width, self.dtype)
        self.output = _linear.Dense(self.width, dtype=self.dtype)
        if self.positions == LEARNED:
            if self.max_length is None:
                raise ValueError(
                    "max_length is None, but learned positions need it; "
                    "give the longest sequence in tokens"
                )
            self.table: Array = self.param(
                "positions", nn.initializers.normal(0.02), (self.max_length, self.width)
            )

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: attention.Cache | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> (
        Float[Array, "batch length width"]
        | tuple[Float[Array, "batch length width"], attention.Cache]
    ):
        """Mixes a whole sequence, or its next chunk if the state after the previous chunk is given.

        Args:
            x: Features.
            state: State that `init_state` or the previous chunk returned; None for a whole
                sequence.
            resets: True where an episode starts; from there on, no token attends to anything
                before.
            mask: False at padding, which no token attends to.

        Returns:
            The mixed features of a whole sequence; those of a chunk with the state after it.

        Raises:
            ValueError: The sequence is longer than the learned table of positions.
        """
        length = x.shape[1]
        self._check_length(length)
        # Zeros keep a NaN in the padding out of outputs and gradients.
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        # Whole sequences all start at position 0: one row of positions broadcasts over the batch.
        start = jnp.zeros((1,), jnp.int32) if state is None else state.position
        queries, keys, values = self._project(
            x, attention.positions(start, length, resets=resets, mask=mask)
        )
        options: dict[str, Any] = {"mask": mask, "resets": resets, **self._options()}
        if state is None:
            options |= {} if self.method is None else {"method": self.method}
            return self.output(attention.attend(queries, keys, values, **options).reshape(x.shape))
        mixed, state = attention.chunk(queries, keys, values, state, **options)
        return self.output(mixed.reshape(x.shape)), state

    def init_state(self, batch_size: int, max_length: int) -> attention.Cache:
        """Returns an empty cache for each of `batch_size` sequences.

        A cache holds `max_length` tokens; with a window, it is a ring buffer of `window` tokens.

        Raises:
            ValueError: The learned table of positions is shorter than `max_length`.
        """
        self._check_length(max_length)
        capacity = max_length if self.window is None else self.window
        head_dim = self.width // self.num_heads
        return attention.init_cache((batch_size,), capacity, self.num_heads, head_dim, self.dtype)

    def prepare(self) -> tuple[()]:
        """Returns no constants: attention has none to compute before acting."""
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
        return {"window": self.window} | (
            {} if self.precision is None else {"precision": self.precision}
        )

    def _project(
        self, x: Float[Array, "*rows width"], positions: Int[Array, "*places"]
    ) -> tuple[Array, Array, Array]:
        if self.positions == LEARNED:
            # A ring buffer can go on past the end of the table. Nothing can be raised there under
            # jit, so the positions that are missing become NaN.
            x = x + jnp.take(self.table, positions, axis=0, mode="fill", fill_value=jnp.nan).astype(
                x.dtype
            )
        heads = (*x.shape[:-1], 3, self.num_heads, self.width // self.num_heads)
        queries, keys, values = jnp.unstack(self.projections(x).reshape(heads), axis=-3)
        if self.positions == ROTARY:
            queries, keys = rotate(queries, positions), rotate(keys, positions)
        return queries, keys, values

    def _check_length(self, length: int) -> None:
        if self.positions == LEARNED and self.max_length is not None and length > self.max_length:
            raise ValueError(
                f"{length} tokens do not fit into a learned table of {self.max_length} positions; "
                "build the model for longer sequences, or choose positions='rotary'"
            )


class Projections(nn.Module):
    """Projects each token to its queries, keys and values, side by side in one array.

    Keys have no bias. It would add the same number to all scores of a query, and softmax ignores
    such a number. The gradient of the bias would consist of rounding errors alone, and Adam would
    take full steps along them.

    Attributes:
        width: Number of features, in, and out for each of the three.
        dtype: Dtype of the computation; weights are float32.
    """

    width: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Creates the weights."""
        self.weights = _linear.Dense(3 * self.width, dtype=self.dtype, use_bias=False)
        self.query_bias: Array = self.param("query_bias", nn.initializers.zeros, (self.width,))
        self.value_bias: Array = self.param("value_bias", nn.initializers.zeros, (self.width,))

    def __call__(self, x: Float[Array, "*rows width"]) -> Float[Array, "*rows three_widths"]:
        """Maps each token independently."""
        projected = self.weights(x)
        # Zeros in the middle: keys have no bias. The leading axes are explicit because strict
        # configurations of JAX forbid implicit rank promotion.
        bias = jnp.concatenate([self.query_bias, jnp.zeros_like(self.query_bias), self.value_bias])
        return projected + bias.astype(projected.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


def rotate(
    x: Float[Array, "*rows heads head_dim"], positions: Int[Array, "*places"]
) -> Float[Array, "*rows heads head_dim"]:
    """Rotates pairs of features by angles that grow with the position.

    Scores of rotated queries and keys depend on positions only through their distances. Feature n
    of the first half and feature n of the second half form a pair, which is rotated by
    `position * base^(-2n / head_dim)`.

    Args:
        x: Queries or keys.
        positions: Position of each row; an axis may have size 1 if rows share their positions.

    Returns:
        The rotated features, in the dtype of `x`.

    Source:
        Su et al. (2021), "RoFormer", equation (34).

    Example:
        >>> turned = rotate(jnp.ones((2, 1, 2)), jnp.arange(2))
        >>> bool(jnp.allclose(turned[0], 1.0)), bool(jnp.allclose(jnp.sum(turned[1] ** 2), 2.0))
        (True, True)
    """
    half = x.shape[-1] // 2
    rates = ROTARY_BASE ** (-jnp.arange(half, dtype=jnp.float32) / half)
    # Angles and rotations are float32: half-width floats cannot tell large positions apart.
    angles = positions[..., None, None].astype(jnp.float32) * rates.reshape(
        (1,) * (positions.ndim + 1) + (half,)
    )
    left, right = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1).astype(
        x.dtype
    )


def check_heads(width: int | None, num_heads: int, positions: str) -> None:
    """Checks that positions exist and that heads fit the width.

    Args:
        width: Number of features; None if it is not known yet, which skips its checks.
        num_heads: Number of heads.
        positions: Kind of positions, one of `POSITIONS`.

    Raises:
        ValueError: Unknown positions, or heads that do not fit the width.
    """
    if positions not in POSITIONS:
        raise ValueError(f"positions is {positions!r}; choose one of {', '.join(POSITIONS)}")
    if num_heads < 1 or (width is not None and width % num_heads):
        raise ValueError(
            f"attention of width {width} cannot be split into {num_heads} heads; "
            "choose num_heads so that it divides the width"
        )
    if positions == ROTARY and width is not None and width // num_heads % 2:
        raise ValueError(
            f"rotary positions rotate pairs of features, but each of {num_heads} heads has "
            f"{width // num_heads}; choose num_heads so that each head has an even number"
        )
