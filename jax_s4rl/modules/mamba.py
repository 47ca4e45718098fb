"""The mixer of Mamba (S6): a diagonal system for each channel, chosen by the input."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import s6, selective_weights, trainable
from jax_s4rl.modules import _linear, groups, selective

FEATURES_PER_RANK = 16
"""Features for each number that the steps of a token are made of."""


class Mamba(selective.Selective):
    """Mamba: decays for each state of each channel, B and C for all channels, a plain gate.

    Attributes:
        width, expand, step_range, taps, dtype, method, chunk, precision: Options of
            `selective.Selective`.
        channel_states: Number of states of each channel.

    Source:
        Gu and Dao (2023), "Mamba: Linear-Time Sequence Modeling with Selective State Spaces".

    Example:
        >>> layer, x = Mamba(8, channel_states=4), jnp.zeros((3, 5, 8))
        >>> y, params = layer.init_with_output(jax.random.key(0), x)
        >>> y.shape
        (3, 5, 8)
    """

    channel_states: int = 16

    kernel = s6

    def setup(self) -> None:
        """Creates the parameters; those of the recurrence belong to the state space group."""
        super().setup()
        rank, steps = self._rank(), self._steps()
        self.in_projection = _linear.Dense(2 * self.channels, dtype=self.dtype, use_bias=False)
        self.selection = _linear.Dense(
            rank + 2 * self.channel_states, dtype=self.dtype, use_bias=False
        )
        # Steps of all channels come from few numbers, with a variance that does not depend on how
        # many.
        self.step_weights = self.param(
            "step_weights",
            lambda key: (
                jax.random.uniform(key, (rank, self.channels), minval=-1, maxval=1)
                / math.sqrt(rank)
            ),
        )

        def initial(key: jax.Array) -> selective_weights.S6:
            return selective_weights.init_s6(
                key, self.channels, self.channel_states, step_range=steps
            )

        self.weights = selective_weights.S6(
            self.param("log_decay", groups.state_space(lambda key: initial(key).log_decay)),
            self.param("D", groups.state_space(lambda key: initial(key).D)),
            self.param("step_bias", groups.state_space(lambda key: initial(key).step_bias)),
        )

    def _inputs(
        self, x: Array, window: Array | None, resets: Array | None
    ) -> tuple[Array, selective.Driving, Array]:
        u, gate = jnp.split(self.in_projection(x), 2, axis=-1)
        u, window = self.convolution(u, window, resets)
        u = nn.silu(u)
        ends = (self._rank(), self._rank() + self.channel_states)
        low, B, C = jnp.split(self.selection(u), ends, axis=-1)
        free_step: Any = _linear.multiply(low, self.step_weights.astype(low.dtype))
        return gate, (u, free_step, B, C), window

    def _gated(self, y: Array, gate: Array) -> Array:
        return y * nn.silu(gate)

    def _parameters(self) -> Any:
        return trainable.constrain(self.weights)

    def _convolved(self) -> int:
        return self.channels

    def _rank(self) -> int:
        return math.ceil(self.width / FEATURES_PER_RANK)
