"""Base classes of the state space mixers: masking, the three views and the output map.

A family adds only its parameters.
"""

import abc
import inspect
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

STEP_RANGE = (1e-3, 1e-1)
"""Shortest and longest initial step if neither a range nor a length is given."""


class StateSpace(nn.Module):
    """A state space model across time, then GELU and a (gated) linear map across features.

    Whole sequences without resets are convolved or scanned; with resets or a carried state, they
    run in chunks. The kernel chooses. Padding enters the state as zero while time goes on: before
    an episode it leaves no trace, and after an episode it is followed by nothing real or by a
    reset.

    Attributes:
        width: Number of features, in and out; None for that of the first input.
        state_size: Real state size N; even, because one state of each conjugate pair is stored.
        glu: Whether the linear map at the end is gated.
        dtype: Dtype of activations; the state and its kernel are float32.
        method, chunk, precision: Arguments of the kernel's `apply`, for whole sequences and chunks;
            None for its defaults.
    """

    width: int | None = None
    state_size: int = 64
    glu: bool = True
    dtype: Any = jnp.float32
    method: str | None = None
    chunk: int | None = None
    precision: str | None = None

    kernel: ClassVar[ModuleType]

    def setup(self) -> None:
        """Creates the output map; the parameters of the dynamics are created at the first use.

        Raises:
            ValueError: `state_size` is not an even number of at least 2.
        """
        check_state_size(self.state_size)
        self.gate = _gate.Gate(self.glu, self.dtype)

    def __call__(
        self,
        x: Float[Array, "*batch length width"],
        state: cplx.Pair | None = None,
        *,
        resets: Bool[Array, "*batch length"] | None = None,
        mask: Bool[Array, "*batch length"] | None = None,
    ) -> (
        Float[Array, "*batch length width"] | tuple[Float[Array, "*batch length width"], cplx.Pair]
    ):
        """Mixes a whole sequence, or its next chunk if the state after the previous chunk is given.

        Args:
            x: Features.
            state: State that `init_state` or the previous chunk returned; None for a whole
                sequence.
            resets: True where an episode starts; the state is cleared before that input.
            mask: False at padding, which enters the state as zero.

        Returns:
            The mixed features of a whole sequence; those of a chunk with the state after it.

        Raises:
            ValueError: `x` has another number of features than the layer.
        """
        # Zeros keep a NaN in the padding out of outputs and gradients.
        if mask is not None:
            x = jnp.where(mask[..., None], x, 0.0)
        y, last = self._mix(x, state, resets)
        return self.gate(y) if state is None else (self.gate(y), last)

    def init_state(
        self, batch_size: int | tuple[int, ...] = (), max_length: int | None = None
    ) -> cplx.Pair:
        """Returns the zero state of sequences; its size is independent of their length.

        Args:
            batch_size: Number of sequences, or the shape of all axes before that of time.
            max_length: Longest sequence; makes no difference.
        """
        del max_length
        shape = batch_size if isinstance(batch_size, tuple) else (batch_size,)
        return self.kernel.init_state(self._parameters(self._features()), shape)

    def prepare(self) -> Any:
        """Discretizes the system once for all steps."""
        return self.kernel.prepare(self._parameters(self._features()), **self._options())

    def step(
        self,
        constants: Any,
        x: Float[Array, "*batch width"],
        state: cplx.Pair,
        reset: Bool[Array, "*batch"] | None = None,
    ) -> tuple[Float[Array, "*batch width"], cplx.Pair]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`."""
        y, state = self.kernel.step(constants, x, state, reset)
        return self.gate(y), state

    @abc.abstractmethod
    def _parameters(self, width: int, *, has_skip: bool = True) -> Any:
        """Creates the `Parameters` of the family's kernel at the first use, and returns them.

        Args:
            width: Number of features.
            has_skip: Whether the inputs are added to the outputs with trained weights.
        """

    def _options(self) -> dict[str, Any]:
        """Returns further arguments of the kernel's `apply` and `prepare`."""
        return {}

    def _mix(self, x: Array, state: cplx.Pair | None, resets: Array | None) -> tuple[Array, Any]:
        """Returns the outputs of the system, and the state after them."""
        parameters = self._parameters(self._features(x))
        return self.kernel.apply(parameters, x, state, resets, **self._options(), **self._chosen())

    def _chosen(self) -> dict[str, Any]:
        chosen = {"method": self.method, "chunk": self.chunk, "precision": self.precision}
        return {name: value for name, value in chosen.items() if value is not None}

    def _features(self, x: Array | None = None) -> int:
        """Returns the number of features: as given, of the input, or of the parameters."""
        if self.width is not None:
            if x is not None and x.shape[-1] != self.width:
                raise ValueError(
                    f"the input has {x.shape[-1]} features, but the layer has width={self.width}; "
                    "leave the width out, or map the input to it with a dense layer"
                )
            return self.width
        if x is not None:
            return x.shape[-1]
        if not self.has_variable("params", "D"):
            raise ValueError(
                "the number of features is not known before the first input; give width=, or "
                "initialize the layer with an input"
            )
        return self.get_variable("params", "D").shape[0]


class Continuous(StateSpace):
    """A state space model in continuous time, which is discretized with a step.

    Attributes:
        width, state_size, glu, dtype, method, chunk, precision: Options of `StateSpace`.
        discretization: Discretization, "zoh" or "bilinear".
        step_range: Shortest and longest initial step, drawn log-uniformly; a step of 0.01 remembers
            about 200 inputs. None for those that fit `length`, or for `STEP_RANGE`.
        length: Length of the sequences, in place of a range of steps.
        bidirectional: Whether a second system of the same kind runs over the future. Such a layer
            maps whole sequences only: it has no state, and no steps.
    """

    discretization: str = "zoh"
    step_range: tuple[float, float] | None = None
    length: int | None = None
    bidirectional: bool = False

    def setup(self) -> None:
        """Creates the output map and the system over the future.

        Raises:
            ValueError: `state_size` is not an even number of at least 2, or a range of steps and a
                length are given.
        """
        super().setup()
        if self.step_range is not None and self.length is not None:
            raise ValueError(
                f"step_range is {self.step_range} and length is {self.length}; give only one of "
                "them, since a length stands for a range of steps"
            )
        if self.bidirectional:
            self.future = self.clone(bidirectional=False, name=None)

    def init_state(
        self, batch_size: int | tuple[int, ...] = (), max_length: int | None = None
    ) -> cplx.Pair:
        """Returns the zero state of sequences, see `StateSpace`.

        Raises:
            ValueError: The layer is bidirectional.
        """
        self._check_causal("state")
        return super().init_state(batch_size, max_length)

    def prepare(self) -> Any:
        """Discretizes the system once for all steps.

        Raises:
            ValueError: The layer is bidirectional.
        """
        self._check_causal("step")
        return super().prepare()

    def _options(self) -> dict[str, Any]:
        return {"discretization": self.discretization}

    def _log_step(self, count: int) -> Float[Array, " count"]:
        """Adds the logarithms of `count` steps to the parameters, in the state space group."""
        fitted = STEP_RANGE if self.length is None else initialization.step_range(self.length)
        shortest, longest = self.step_range or fitted

        def log_step(key: jax.Array) -> Array:
            return initialization.log_step(key, (count,), shortest, longest)

        return self.param("log_step", groups.state_space(log_step))

    def _mix(self, x: Array, state: cplx.Pair | None, resets: Array | None) -> tuple[Array, Any]:
        if not self.bidirectional:
            return super()._mix(x, state, resets)
        if state is not None:
            self._check_causal("state")
        width, run = self._features(x), self.kernel.apply_both_ways
        given = self._chosen() | ({} if resets is None else {"resets": resets})
        if unknown := sorted(given.keys() - inspect.signature(run).parameters.keys()):
            raise ValueError(
                f"{', '.join(unknown)} cannot be given to a bidirectional {type(self).__name__}; "
                "leave it out, or choose a bidirectional S5"
            )
        # The input itself is added once, by the system over the past and the present.
        both = self._parameters(width), self.future._parameters(width, has_skip=False)
        return run(*both, x, **self._options(), **given), None

    def _check_causal(self, wanted: str) -> None:
        if self.bidirectional:
            raise ValueError(
                f"a bidirectional layer has no {wanted}, since its outputs depend on the future; "
                "map whole sequences, or build the layer with bidirectional=False"
            )


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
        module: Flax module in a compact method.
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


def add_skip(module: nn.Module, width: int, has_skip: bool = True) -> Float[Array, " width"]:
    """Adds the weights D of the skip connection around the state to `module`.

    Args:
        module: Flax module in a compact method.
        width: Number of features.
        has_skip: Whether there is such a connection; without it, D is zero and no parameter.

    Returns:
        The weights.
    """
    if not has_skip:
        return jnp.zeros(width)
    return module.param("D", lambda key: jax.random.normal(key, (width,)))
