"""Base class of the selective mixers: convolution, carried state, the three views, projections.

A mixer adds its parameters, and what drives its recurrence.
"""

import abc
import math
from types import ModuleType
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import selective_weights, short_convolution
from jax_s4rl.modules import _linear

State = tuple[Array, Array]
"""Last inputs of the convolution, [*batch, taps - 1, channels], and the state of the recurrence."""
Driving = tuple[Array, Array, Array, Array]
"""Inputs u, free steps, B and C of a kernel."""


class ShortConvolution(nn.Module):
    """Causal convolution over a few tokens, each channel by itself.

    Attributes:
        taps: Number of tokens, the newest included.
    """

    taps: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*batch length channels"],
        window: Float[Array, "*batch earlier channels"] | None,
        resets: Bool[Array, "*batch length"] | None,
    ) -> tuple[Float[Array, "*batch length channels"], Float[Array, "*batch earlier channels"]]:
        """Returns the outputs, and the window of inputs for the next call."""
        bound = 1 / math.sqrt(self.taps)

        def uniform(key: jax.Array, shape: tuple[int, ...]) -> Array:
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        weights = self.param("weights", uniform, (self.taps, x.shape[-1]))
        bias = self.param("bias", uniform, (x.shape[-1],))
        return short_convolution.apply(x, weights, bias, window, resets)


class Selective(nn.Module):
    """Projection to more channels, short convolution, selective recurrence, gate, projection back.

    Padding leaves the state of the recurrence as it is; the convolution sees zeros there. This
    matters only if an episode goes on after padding.

    Attributes:
        width: Number of features, in and out.
        expand: Number of channels divided by the number of features.
        step_range: Shortest and longest initial step, drawn log-uniformly; None for
            `selective_weights.STEP_RANGE`.
        taps: Number of tokens that the convolution sees.
        dtype: Dtype of activations; convolution, recurrence and their states are float32.
        method, chunk, precision: Arguments of the kernel's `apply`, for whole sequences and chunks;
            None for its defaults.
    """

    width: int
    expand: int = 2
    step_range: tuple[float, float] | None = None
    taps: int = 4
    dtype: Any = jnp.float32
    method: str | None = None
    chunk: int | None = None
    precision: str | None = None

    kernel: ClassVar[ModuleType]

    def setup(self) -> None:
        """Creates what all selective mixers have; subclasses add their own."""
        self.convolution = ShortConvolution(self.taps)
        self.out_projection = _linear.Dense(self.width, dtype=self.dtype, use_bias=False)

    def __call__(
        self,
        x: Float[Array, "*batch length width"],
        state: State | None = None,
        *,
        resets: Bool[Array, "*batch length"] | None = None,
        mask: Bool[Array, "*batch length"] | None = None,
    ) -> Float[Array, "*batch length width"] | tuple[Float[Array, "*batch length width"], State]:
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
        window, memory = (None, None) if state is None else state
        gate, driving, window = self._inputs(x, window, resets)
        chosen = {"method": self.method, "chunk": self.chunk, "precision": self.precision}
        options = {name: value for name, value in chosen.items() if value is not None}
        y, memory = self.kernel.apply(
            self._parameters(), *driving, memory, resets, mask=mask, **options
        )
        y = self.out_projection(self._gated(y, gate))
        return y if state is None else (y, (window, memory))

    def init_state(
        self, batch_size: int | tuple[int, ...] = (), max_length: int | None = None
    ) -> State:
        """Returns the zero state of sequences; its size is independent of their length.

        Args:
            batch_size: Number of sequences, or the shape of all axes before that of time.
            max_length: Longest sequence; makes no difference.
        """
        del max_length
        shape = batch_size if isinstance(batch_size, tuple) else (batch_size,)
        window = jnp.zeros((*shape, self.taps - 1, self._convolved()))
        return window, self.kernel.init_state(self._parameters(), shape, **self._sizes())

    def prepare(self) -> Any:
        """Returns the parameters of the recurrence, which all steps share."""
        return self.kernel.prepare(self._parameters())

    def step(
        self,
        constants: Any,
        x: Float[Array, "*batch width"],
        state: State,
        reset: Bool[Array, "*batch"] | None = None,
    ) -> tuple[Float[Array, "*batch width"], State]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`."""
        window, memory = state
        resets = None if reset is None else reset[..., None]
        inputs = self._inputs(x[..., None, :], window, resets)
        # The convolution takes a sequence, here of one token; the step of the kernel takes a token.
        gate, driving = jax.tree.map(lambda one: jnp.squeeze(one, x.ndim - 1), inputs[:2])
        y, memory = self.kernel.step(constants, *driving, memory, reset)
        return self.out_projection(self._gated(y, gate)), (inputs[2], memory)

    @property
    def channels(self) -> int:
        """Number of channels of the recurrence."""
        return self.expand * self.width

    @abc.abstractmethod
    def _inputs(
        self, x: Array, window: Array | None, resets: Array | None
    ) -> tuple[Array, Driving, Array]:
        """Returns the gate, what drives the recurrence, and the window of the convolution."""

    @abc.abstractmethod
    def _gated(self, y: Array, gate: Array) -> Array:
        """Returns the gated outputs of the recurrence, [..., channels]."""

    @abc.abstractmethod
    def _parameters(self) -> Any:
        """Returns the `Parameters` of the kernel."""

    @abc.abstractmethod
    def _convolved(self) -> int:
        """Returns the number of channels of the convolution."""

    def _sizes(self) -> dict[str, int]:
        """Returns the sizes of a state that the parameters do not have."""
        return {}

    def _steps(self) -> tuple[float, float]:
        """Returns the range of the initial steps."""
        return self.step_range or selective_weights.STEP_RANGE
