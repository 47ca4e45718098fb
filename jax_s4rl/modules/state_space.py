"""What all state space mixers share: masking, the three views, the output map; a family adds its parameters alone."""

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

    Whole sequences without resets are convolved or scanned; with resets or a carried state they run in chunks; the
    choice is the kernel's. Padding enters the state as zero, and time goes on: left of an episode it leaves no trace,
    and right of it nothing real follows but a reset.

    Attributes:
      width: number of features, in and out.
      state_size: real state size N; even, for of each conjugate pair one is stored.
      glu: whether the linear map at the end is gated.
      dtype: of activations; the state and its kernel are float32.
      method, chunk, precision: of the kernel's `apply`, for whole sequences and chunks; None for its default.
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
        """Makes the output map; a family adds the parameters of its dynamics."""
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
            x = jnp.where(mask[..., None], x, 0.0)
        given = {"method": self.method, "chunk": self.chunk, "precision": self.precision}
        options = self._options() | {name: value for name, value in given.items() if value is not None}
        y, last = self.kernel.apply(self._parameters(), x, state, resets, **options)
        return self.gate(y), None if state is None else last

    def init_state(self, batch_size: int, max_length: int) -> cplx.Pair:
        """The zero state of `batch_size` sequences; its size does not depend on their length."""
        del max_length
        return self.kernel.init_state(self._parameters(), (batch_size,))

    def prepare(self) -> Any:
        """Discretizes once, for all the steps to come."""
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
        """The `Parameters` of the family's kernel."""

    def _options(self) -> dict[str, Any]:
        """What both the kernel's `apply` and its `prepare` take besides."""
        return {}


def check_state_size(state_size: int) -> None:
    """Raises `ValueError` unless states come in conjugate pairs."""
    if state_size % 2 or state_size < 2:
        raise ValueError(f"state_size is {state_size}; conjugate pairs ask for an even number of at least 2")


def add_poles(
    module: nn.Module, initial: Callable[[jax.Array], cplx.Pair], shape: tuple[int, ...]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Gives `module` the free parameters of a stable Lambda, in the state space group, for `trainable.constrain`.

    Args:
      module: a Flax module in its `setup`.
      initial: draws Lambda from a key, in a shape that broadcasts to `shape`.
      shape: of the parameters.
    """

    def log_decay(key: jax.Array) -> Array:
        return jnp.broadcast_to(initialization.free_real(initial(key).re), shape)

    def frequency(key: jax.Array) -> Array:
        return jnp.broadcast_to(initial(key).im, shape)

    decays = module.param("log_decay", groups.state_space(log_decay))
    return decays, module.param("frequency", groups.state_space(frequency))


def add_steps(module: nn.Module, count: int, step_range: tuple[float, float]) -> Float[Array, " count"]:
    """Gives `module` the logarithms of `count` steps between those of `step_range`, in the state space group."""
    shortest, longest = step_range

    def log_step(key: jax.Array) -> Array:
        return initialization.log_step(key, (count,), shortest, longest)

    return module.param("log_step", groups.state_space(log_step))


def add_skip(module: nn.Module, width: int) -> Float[Array, " width"]:
    """Gives `module` the weights D of the path around the state."""
    return module.param("D", lambda key: jax.random.normal(key, (width,)))
