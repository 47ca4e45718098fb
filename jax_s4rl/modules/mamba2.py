"""The mixer of Mamba-2 (SSD): heads whose inputs choose what they keep, in matrix products."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import selective_weights, ssd, trainable
from jax_s4rl.modules import _linear, groups, selective

LARGEST_HEAD = 32
"""Largest head if no size is given."""


class Mamba2(selective.Selective):
    """Mamba-2: one decay for each head, B and C for all heads, a normalized gate.

    Attributes:
        width, expand, step_range, taps, dtype, method, chunk, precision: Options of
            `selective.Selective`.
        state_size: Number of states of each channel.
        head_size: Number of channels of a head, which divides all channels; None for the largest
            power of two up to `LARGEST_HEAD` that does.

    Source:
        Dao and Gu (2024), "Transformers are SSMs: Generalized Models and Efficient Algorithms
        Through Structured State Space Duality".

    Example:
        >>> layer, x = Mamba2(8, state_size=4), jnp.zeros((3, 5, 8))
        >>> y, params = layer.init_with_output(jax.random.key(0), x)
        >>> y.shape
        (3, 5, 8)
    """

    state_size: int = 64
    head_size: int | None = None

    kernel = ssd

    def setup(self) -> None:
        """Creates the parameters; those of the recurrence belong to the state space group.

        Raises:
            ValueError: The head size does not divide the channels.
        """
        super().setup()
        heads, steps = self.channels // self._head(), self._steps()
        # One projection makes the gate, what is convolved (u, B, C), and the steps.
        outputs = self.channels + self._convolved() + heads
        self.in_projection = _linear.Dense(outputs, dtype=self.dtype, use_bias=False)
        self.norm = nn.RMSNorm(epsilon=1e-5)

        def initial(key: jax.Array) -> selective_weights.SSD:
            return selective_weights.init_ssd(key, heads, step_range=steps)

        self.weights = selective_weights.SSD(
            self.param("log_decay", groups.state_space(lambda key: initial(key).log_decay)),
            self.param("D", groups.state_space(lambda key: initial(key).D)),
            self.param("step_bias", groups.state_space(lambda key: initial(key).step_bias)),
        )

    def _inputs(
        self, x: Array, window: Array | None, resets: Array | None
    ) -> tuple[Array, selective.Driving, Array]:
        ends = (self.channels, self.channels + self._convolved())
        gate, convolved, free_step = jnp.split(self.in_projection(x), ends, axis=-1)
        convolved, window = self.convolution(convolved, window, resets)
        ends = (self.channels, self.channels + self.state_size)
        u, B, C = jnp.split(nn.silu(convolved), ends, axis=-1)
        u = u.reshape(*u.shape[:-1], -1, self._head())
        # One group of heads.
        return gate, (u, free_step, B[..., None, :], C[..., None, :]), window

    def _gated(self, y: Array, gate: Array) -> Array:
        y = y.reshape(gate.shape).astype(jnp.float32) * nn.silu(gate.astype(jnp.float32))
        return _linear.on_rows(self.norm, y)

    def _parameters(self) -> Any:
        return trainable.constrain(self.weights)

    def _convolved(self) -> int:
        return self.channels + 2 * self.state_size

    def _sizes(self) -> dict[str, int]:
        return {"head_size": self._head(), "state_size": self.state_size}

    def _head(self) -> int:
        check(self.width, self.expand, self.head_size)
        return self.head_size or math.gcd(self.channels, LARGEST_HEAD)


def check(width: int | None, expand: int, head_size: int | None) -> None:
    """Checks that the channels split into heads.

    Args:
        width: Number of features; None if it is not known yet.
        expand: Number of channels divided by the number of features.
        head_size: Number of channels of a head; None for a size that fits.

    Raises:
        ValueError: The head size is below 1, or does not divide the number of channels.

    Example:
        >>> check(8, 2, 4)
    """
    if head_size is None:
        return
    if head_size < 1 or (width is not None and expand * width % head_size):
        channels = "" if width is None else f" the {expand * width}"
        raise ValueError(
            f"head_size is {head_size}; it has to divide{channels} channels, expand times the "
            "width: choose a divisor, or leave it out"
        )
