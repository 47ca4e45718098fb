"""Base class of the state space mixers: masking, the three views and the output map.

A family adds only its parameters.
"""

import abc
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization
from jax_s4rl.modules import _gate, groups


class StateSpace(nn.Module):
    """A state space model across time, then GELU and a (gated) linear map across features.

    Whole sequences without resets are convolved or scanned; with resets or a carried state, they
    run in chunks. The kernel chooses. Padding enters the state as zero while time goes on: before
    an episode it leaves no trace, and after an episode it is followed by nothing real or by a
    reset.

    Attributes:
        width: Number of features, in and out.
        state_size: Real state size N; even, because one state of each conjugate pair is stored.
        glu: Whether the linear map at the end is gated.
        dtype: Dtype of activations; the state and its kernel are float32.
        method, chunk, precision: Arguments of the kernel's `apply`, for whole sequences and chunks;
            None for its defaults.
    """

    width: int
    state_size: int = 64
    glu: bool = True
    dtype: Any = jnp.float32
    method: str | None = None
    chunk: int | None = None
    precision: str | None = None

    kernel: ClassVar[ModuleType]

    def setup(self) -> None:
        """Creates the output map; a family adds the parameters of its dynamics.

        Raises:
            ValueError: `state_size` is not an even number of at least 2.
        """
        check_state_size(self.state_size)
        self.gate = _gate.Gate(self.width, self.glu, self.dtype)

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: cplx.Pair | None = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> tuple[Float[Array, "batch length width"], cplx.Pair | None]:
        """Mixes a whole sequence, or its next chunk if the state after the previous chunk is given.

        Args:
            x: Features.
            state: State that `init_state` or the previous chunk returned; None for a whole
                sequence.
            resets: True where an episode starts; the state is cleared before that input.
            mask: False at padding, which enters the state as zero.

        Returns:
            The mixed features, and the state after them (None if none was given).
        """
        # Zeros keep a NaN in the padding out of outputs and gradients.
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        chosen = {"method": self.method, "chunk": self.chunk, "precision": self.precision}
        options = self._options() | {
            name: value for name, value in chosen.items() if value is not None
        }
        y, last = self.kernel.apply(self._parameters(), x, state, resets, **options)
        return self.gate(y), None if state is None else last

    def init_state(self, batch_size: int, max_length: int) -> cplx.Pair:
        """Returns the zero state of `batch_size` sequences; its size is independent of length."""
        del max_length
        return self.kernel.init_state(self._parameters(), (batch_size,))

    def prepare(self) -> Any:
        """Discretizes the system once for all steps."""
        return self.kernel.prepare(self._parameters(), **self._options())

    def step(
        self,
        constants: Any,
        x: Float[Array, "batch width"],
        state: cplx.Pair,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], cplx.Pair]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`."""
        y, state = self.kernel.step(constants, x, state, reset)
        return self.gate(y), state

    @abc.abstractmethod
    def _parameters(self) -> Any:
        """Returns the `Parameters` of the family's kernel."""

    def _options(self) -> dict[str, Any]:
        """Returns further arguments of the kernel's `apply` and `prepare`."""
        return {}


def check_state_size(state_size: int) -> None:
    """Checks that states come in conjugate pairs.

    Args:
        state_size: Real state size.

    Raises:
        ValueError: The size is not an even number of at least 2.
    """
    if state_size % 2 or state_size < 2:
        raise ValueError(
            f"state_size is {state_size}, but states are conjugate pairs; "
            "choose an even number of at least 2"
        )


def add_poles(
    module: nn.Module, initial: Callable[[jax.Array], cplx.Pair], shape: tuple[int, ...]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Adds the free parameters of a stable Lambda to `module`, in the state space group.

    `trainable.constrain` makes Lambda of them.

    Args:
        module: Flax module in its `setup`.
        initial: Function that draws Lambda from a key, in a shape that broadcasts to `shape`.
        shape: Shape of each parameter.

    Returns:
        The parameters `log_decay` and `frequency`.
    """

    # Flax passes a different key to each initializer: both draw a Lambda and keep one part of it.
    def log_decay(key: jax.Array) -> Array:
        return jnp.broadcast_to(initialization.free_real(initial(key).re), shape)

    def frequency(key: jax.Array) -> Array:
        return jnp.broadcast_to(initial(key).im, shape)

    decays = module.param("log_decay", groups.state_space(log_decay))
    return decays, module.param("frequency", groups.state_space(frequency))


def add_steps(
    module: nn.Module, count: int, step_range: tuple[float, float]
) -> Float[Array, " count"]:
    """Adds the logarithms of `count` steps to `module`, in the state space group.

    Args:
        module: Flax module in its `setup`.
        count: Number of steps.
        step_range: Shortest and longest step.

    Returns:
        The parameter `log_step`.
    """
    shortest, longest = step_range

    def log_step(key: jax.Array) -> Array:
        return initialization.log_step(key, (count,), shortest, longest)

    return module.param("log_step", groups.state_space(log_step))


def add_skip(module: nn.Module, width: int) -> Float[Array, " width"]:
    """Adds the weights D of the skip connection around the state to `module`."""
    return module.param("D", lambda key: jax.random.normal(key, (width,)))
