"""The long short-term memory as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

State = tuple[Float[Array, "batch width"], Float[Array, "batch width"]]


class LSTM(nn.Module):
    """A long short-term memory with as many cells as features; Flax's own cell, run over time.

    Padding is as if it were not there: state and time stand still.

    Attributes:
      width: number of features, in and out.
      dtype: of activations; the recurrence is float32.
    """

    width: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Makes the cell."""
        self.cell = nn.OptimizedLSTMCell(self.width, dtype=jnp.float32)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: State | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> tuple[Float[Array, "batch length width"], State | None]:
        """Mixes a whole sequence, or the next chunk of one if the state of the chunk before is given.

        Args:
          x: features.
          state: what `init_state` or the chunk before returned; None for a whole sequence.
          resets: True where an episode starts: the state is cleared before that input.
          mask: False at padding.

        Returns:
          The mixed features, and the state after them (None if none was given).
        """
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        start = self.init_state(x.shape[0], x.shape[1]) if state is None else state
        run = nn.scan(_advance, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1)
        last, y = run(self.cell, start, (x.astype(jnp.float32), resets, mask))
        return y.astype(x.dtype), None if state is None else last

    def init_state(self, batch_size: int, max_length: int) -> State:
        """The zero state of `batch_size` sequences; its size does not depend on their length."""
        del max_length
        zeros = jnp.zeros((batch_size, self.width))
        return zeros, zeros

    def prepare(self) -> tuple[()]:
        """There are no constants to make before acting."""
        return ()

    def step(
        self,
        constants: tuple[()],
        x: Float[Array, "batch width"],
        state: State,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], State]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`."""
        del constants
        state, y = _advance(self.cell, state, (x.astype(jnp.float32), reset, None))
        return y.astype(x.dtype), state


def _advance(cell: nn.Module, state: State, now: tuple[Array, Array | None, Array | None]) -> tuple[State, Array]:
    """One step of the cell, after a reset and not beyond a padded one."""
    x, reset, real = now
    if reset is not None:
        state = _where(~reset, state, (jnp.zeros_like(state[0]), jnp.zeros_like(state[1])))
    later, y = cell(state, x)
    return (later if real is None else _where(real, later, state)), y


def _where(flags: Bool[Array, " batch"], left: State, right: State) -> State:
    return jnp.where(flags[:, None], left[0], right[0]), jnp.where(flags[:, None], left[1], right[1])
