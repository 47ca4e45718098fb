"""The long short-term memory as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

State = tuple[Float[Array, "batch width"], Float[Array, "batch width"]]


class LSTM(nn.Module):
    """A long short-term memory with as many cells as features: Flax's own cell, scanned over time.

    Padding has no effect: the state stays as it is.

    Attributes:
        width: Number of features, in and out.
        dtype: Dtype of activations; the recurrence is float32.
    """

    width: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Creates the cell."""
        self.cell = nn.OptimizedLSTMCell(self.width, dtype=jnp.float32)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: State | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> Float[Array, "batch length width"] | tuple[Float[Array, "batch length width"], State]:
        """Mixes a whole sequence, or its next chunk if the state after the previous chunk is given.

        Args:
            x: Features.
            state: State that `init_state` or the previous chunk returned; None for a whole
                sequence.
            resets: True where an episode starts; the state is cleared before that input.
            mask: False at padding.

        Returns:
            The mixed features of a whole sequence; those of a chunk with the state after it.
        """
        # Zeros keep a NaN in the padding out of outputs and gradients.
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        start = self.init_state(x.shape[0], x.shape[1]) if state is None else state
        # All steps share the parameters of the cell; time is axis 1 of inputs and outputs.
        run = nn.scan(
            _advance,
            variable_broadcast="params",
            split_rngs={"params": False},
            in_axes=1,
            out_axes=1,
        )
        last, y = run(self.cell, start, (x.astype(jnp.float32), resets, mask))
        return y.astype(x.dtype) if state is None else (y.astype(x.dtype), last)

    def init_state(self, batch_size: int, max_length: int) -> State:
        """Returns the zero state of `batch_size` sequences; its size is independent of length."""
        del max_length
        zeros = jnp.zeros((batch_size, self.width))
        return zeros, zeros

    def prepare(self) -> tuple[()]:
        """Returns no constants: there are none to compute before acting."""
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


def _advance(
    cell: nn.Module, state: State, inputs: tuple[Array, Array | None, Array | None]
) -> tuple[State, Array]:
    """Runs the cell for one step: a reset clears the state first, and padding keeps the state."""
    x, reset, is_real = inputs
    if reset is not None:
        state = _select(~reset, state, (jnp.zeros_like(state[0]), jnp.zeros_like(state[1])))
    next_state, y = cell(state, x)
    return (next_state if is_real is None else _select(is_real, next_state, state)), y


def _select(flags: Bool[Array, " batch"], left: State, right: State) -> State:
    return jnp.where(flags[:, None], left[0], right[0]), jnp.where(
        flags[:, None], left[1], right[1]
    )
