"""The diagonal state space layer (S4D) as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import initialization, pairs, s4d
from jax_s4rl.modules import groups


class S4D(nn.Module):
    """A bank of diagonal state space models, one for each feature, then a gated linear unit across features.

    Attributes:
      width: number of features, in and out.
      state_size: real state size N of each feature's system; even, for conjugate pairs are stored once.
      initialization: diagonal to start from: "lin", "inv", "legs", "real" or "random".
      discretization: "zoh" or "bilinear".
      step_range: shortest and longest initial step, drawn log-uniformly.

    Source: Gu, Gupta, Goel, Ré (2022), "On the Parameterization and Initialization of Diagonal State Space Models".
    """

    width: int
    state_size: int = 64
    initialization: str = "lin"
    discretization: str = "zoh"
    step_range: tuple[float, float] = (1e-3, 1e-1)

    def setup(self) -> None:
        """Makes the parameters; those of the dynamics belong to the state space group."""
        if self.state_size % 2 or self.state_size < 2:
            raise ValueError(f"state_size is {self.state_size}; conjugate pairs ask for an even number of at least 2")
        shape = (self.width, self.state_size // 2)

        def initial(key: jax.Array) -> initialization.Diagonal:
            return initialization.diagonal(self.initialization, self.state_size, key=key)

        def log_decay(key: jax.Array) -> Float[Array, "width pairs"]:
            return jnp.broadcast_to(initialization.free_real(initial(key).Lambda.re), shape)

        def frequency(key: jax.Array) -> Float[Array, "width pairs"]:
            return jnp.broadcast_to(initial(key).Lambda.im, shape)

        def log_step(key: jax.Array) -> Float[Array, " width"]:
            return initialization.log_step(key, (self.width,), *self.step_range)

        def output(key: jax.Array) -> Float[Array, "width states"]:
            C_key, B_key = jax.random.split(key)
            C, B = initialization.output(C_key, shape), pairs.with_ndim(initial(B_key).B, 2)
            return pairs.stack_parts(pairs.multiply(C, B))

        self.log_decay = self.param("log_decay", groups.state_space(log_decay))
        self.frequency = self.param("frequency", groups.state_space(frequency))
        self.log_step = self.param("log_step", groups.state_space(log_step))
        # Only the product of B and C enters the output, so the two are one parameter, and B is one.
        self.C = self.param("C", output)
        self.D = self.param("D", lambda key: jax.random.normal(key, (self.width,)))
        self.output = nn.Dense(2 * self.width)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: pairs.Pair | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> tuple[Float[Array, "batch length width"], pairs.Pair | None]:
        """Mixes a whole sequence, or the next chunk of one if the state of the chunk before is given.

        Args:
          x: features.
          state: what `init_state` or the chunk before returned; None for a whole sequence.
          resets: True where an episode starts: the state is cleared before that input.
          mask: False at padding, which enters the state as zero.

        Returns:
          The mixed features, and the state after them (None if none was given).
        """
        if mask is not None:
            x = jnp.where(mask[..., None], x, jnp.zeros((), x.dtype))
        y, last = s4d.apply(self._parameters(), x, state, resets, discretization=self.discretization)
        return self._gate(y), None if state is None else last

    def init_state(self, batch_size: int, max_length: int) -> pairs.Pair:
        """The zero state of `batch_size` sequences; its size does not depend on their length."""
        del max_length
        return s4d.init_state(self._parameters(), (batch_size,))

    def prepare(self) -> Any:
        """Discretizes once, for all the steps to come."""
        return s4d.prepare(self._parameters(), discretization=self.discretization)

    def step(
        self,
        constants: Any,
        x: Float[Array, "batch width"],
        state: pairs.Pair,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], pairs.Pair]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`."""
        y, state = s4d.step(constants, x, state, reset)
        return self._gate(y), state

    def _parameters(self) -> s4d.Parameters:
        ones = jnp.ones_like(self.frequency)
        return s4d.Parameters(
            Lambda=pairs.Pair(initialization.negative_real(self.log_decay), self.frequency),
            B=pairs.Pair(ones, jnp.zeros_like(ones)),
            C=pairs.split_parts(self.C),
            D=self.D,
            step=jnp.exp(self.log_step),
        )

    def _gate(self, y: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        value, gate = jnp.split(self.output(nn.gelu(y)), 2, axis=-1)
        return value * nn.sigmoid(gate)
