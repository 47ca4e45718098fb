"""The sequence mixers by name, their options, and the methods that all of them have."""

import dataclasses
import difflib
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_s4rl.kernels import _casting, _checks, discretization, initialization
from jax_s4rl.kernels import attention as attention_kernel
from jax_s4rl.modules import attention, lru, lstm, mamba, mamba2, mlp, s4, s4d, s5, state_space


class Mixer(Protocol):
    """Interface of the sequence mixers: three equal views of one causal map.

    `__call__` maps a whole sequence, or a chunk of it if the state after the previous chunk is
    given; `step` maps one token. Both take resets, which mark the start of an episode. `prepare`
    computes the constants of all steps once before acting. `mixer_checks.check` tests a mixer.

    Padding, wherever it is, changes no output at real steps and no gradient, even if it holds a
    NaN. It has no effect on attention, lstm and mlp. The state of a state space model decays
    during padding; this matters only if an episode goes on after padding, and no window of this
    project has that.
    """

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: Any = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> Float[Array, "batch length width"] | tuple[Float[Array, "batch length width"], Any]:
        """Mixes a whole sequence, or its next chunk if the state after the previous chunk is given.

        Args:
            x: Features.
            state: State that `init_state` or the previous chunk returned; None for a whole
                sequence.
            resets: True where an episode starts.
            mask: False at padding.

        Returns:
            The mixed features of a whole sequence; those of a chunk with the state after it.
        """
        ...

    def init_state(self, batch_size: int, max_length: int) -> Any:
        """Returns the state before the first token of sequences of at most `max_length` tokens."""
        ...

    def prepare(self) -> Any:
        """Returns the constants that all steps share."""
        ...

    def step(
        self,
        constants: Any,
        x: Float[Array, "batch width"],
        state: Any,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], Any]:
        """Mixes one token into the sequence so far; equal to the same position of `__call__`.

        Args:
            constants: Constants that `prepare` returned.
            x: Features of the token.
            state: State that `init_state`, `__call__` or the previous step returned.
            reset: True where an episode starts at this token.

        Returns:
            The mixed features, and the state after the token.
        """
        ...


_STATE_SPACE = ("state_size", "glu", "method", "chunk", "precision")
_CONTINUOUS = (*_STATE_SPACE, "discretization", "step_range")
_SELECTIVE = ("expand", "step_range", "method", "chunk", "precision")

VERBS = ("__call__", "init_state", "prepare", "step")
"""Methods of a mixer."""

# Options of each mixer, those of `register` included.
OPTIONS: dict[str, tuple[str, ...]] = {
    "attention": ("num_heads", "window", "positions", "method", "precision"),
    "s4": (*_CONTINUOUS, "initialization"),
    "s4d": (*_CONTINUOUS, "initialization"),
    "s5": (*_CONTINUOUS, "num_blocks"),
    "lru": (*_STATE_SPACE, "ring", "largest_angle"),
    "mamba2": (*_SELECTIVE, "state_size", "head_size"),
    "mamba": (*_SELECTIVE, "channel_states"),
    "lstm": (),
    "mlp": (),
}
# The mixers of the package.
NAMES = tuple(OPTIONS)

# Metadata of options that version 0.1 did not have, see `training.config_io.ADDED`.
_ADDED = {"added_in": "0.2"}
_ADDED_LATER = {"added_in": "0.3"}

OLD_STEP_RANGE = (1e-3, 1e-1)
"""Default of version 0.1, whose configurations store it even for mixers without steps."""

_LAYERS: dict[str, Any] = {
    "attention": attention.Attention,
    "s4": s4.S4,
    "s4d": s4d.S4D,
    "s5": s5.S5,
    "lru": lru.LRU,
    "mamba2": mamba2.Mamba2,
    "mamba": mamba.Mamba,
    "lstm": lstm.LSTM,
    "mlp": mlp.MLP,
}


@dataclasses.dataclass(frozen=True)
class MixerConfig:
    """A sequence mixer and its options; options of other mixers must keep their defaults."""

    name: str = "s4d"
    """Sequence mixer: attention, s4, s4d, s5, lru, mamba2, mamba, lstm, mlp (which has no memory),
    or one that the program has registered."""
    state_size: int = 64
    """Real state size of state space models: of each feature (s4, s4d), of each channel (mamba2),
    or of the one state that all features share (s5, lru)."""
    initialization: str | None = None
    """Initial dynamics: lin, inv, legs, real or random (s4d, default lin); legs, legt or fout (s4,
    default legs)."""
    discretization: str | None = None
    """Discretization of continuous time: zoh (default of s4d, s5) or bilinear (default of s4)."""
    step_range: tuple[float, float] | None = None
    """Shortest and longest initial step of s4, s4d, s5, mamba2 and mamba; a step of 0.01 remembers
    about 200 tokens in the first three, fewer in the others. None fits them to the longest sequence
    that the model is built for."""
    glu: bool = True
    """Whether the linear map after a state space model is gated, which doubles its weights."""
    num_blocks: int = 1
    """Number of equal blocks in the initial state matrix of s5; divides half of state_size."""
    ring: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest modulus of the initial eigenvalues of lru."""
    largest_angle: float = 2 * math.pi
    """Largest angle of the initial eigenvalues of lru, in radians."""
    num_heads: int = 1
    """Number of heads of attention; divides the width."""
    window: int | None = None
    """Number of tokens that each token attends to, itself included; None for its whole episode."""
    positions: str = attention.NONE
    """Positions in attention: none (the order comes from the tokens alone), learned or rotary."""
    method: str | None = dataclasses.field(default=None, metadata=_ADDED)
    """Method of the kernel for whole sequences (state space models, attention); None lets the
    kernel choose."""
    chunk: int | None = dataclasses.field(default=None, metadata=_ADDED)
    """Longest chunk, in tokens, of chunked methods of state space models; None lets the kernel
    choose."""
    precision: str | None = dataclasses.field(default=None, metadata=_ADDED)
    """Precision of the matrix products of state space models and attention: default, high or
    highest; None lets the kernel choose (highest). It makes no difference on CPU."""
    expand: int = dataclasses.field(default=2, metadata=_ADDED_LATER)
    """Number of channels of mamba2 and mamba divided by the width."""
    head_size: int | None = dataclasses.field(default=None, metadata=_ADDED_LATER)
    """Number of channels of a head of mamba2, which share one decay; it divides the width times
    expand. None takes the largest power of two up to 32 that does."""
    channel_states: int = dataclasses.field(default=16, metadata=_ADDED_LATER)
    """Number of states of each channel of mamba."""

    def __post_init__(self) -> None:
        # Lists become tuples: policies and programs are found by their configurations.
        for name in ("step_range", "ring"):
            value = getattr(self, name)
            if hasattr(value, "__len__") and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))


def names() -> tuple[str, ...]:
    """Returns the names of all mixers: those of the package, then those that were registered."""
    return tuple(_LAYERS)


def definition(name: str) -> tuple[Callable[..., nn.Module], tuple[str, ...]]:
    """Returns the layer and the options of a mixer, which its name alone does not fix.

    Args:
        name: Name of the mixer, one of `names()`.
    """
    return _LAYERS[name], OPTIONS[name]


def register(name: str, layer: Callable[..., nn.Module], *, options: Sequence[str] = ()) -> None:
    """Adds a mixer under a name that configurations of this process can use.

    A saved run holds only the name, and reading it imports nothing. So a program registers its
    mixers before it trains with them, and again before it loads a run.

    Args:
        name: Name in configurations; that of a mixer registered before replaces it.
        layer: Class of the mixer, or a function that makes one, with the methods of `Mixer`. It is
            called with `width`, `dtype` and the options by name, and with `max_length` if it has
            that argument.
        options: Fields of `MixerConfig` that the mixer takes; it checks their values itself. Other
            options can be bound beforehand by `functools.partial`.

    Raises:
        ValueError: The name belongs to the package, there is no such option, or the layer lacks an
            argument or a method.

    Example:
        >>> register("plain", mlp.MLP)
        >>> make(MixerConfig("plain"), width=8, max_length=32).width
        8
    """
    if not name or name in NAMES:
        raise ValueError(f"got the name {name!r}; choose one other than {', '.join(NAMES)}")
    fields = {field.name for field in dataclasses.fields(MixerConfig)} - {"name"}
    if unknown := sorted(set(options) - fields):
        raise ValueError(
            f"MixerConfig has no option {', '.join(unknown)}; choose from "
            f"{', '.join(sorted(fields))}, or bind the value with functools.partial"
        )
    arguments = _arguments(layer)
    if lacking := [word for word in ("width", "dtype", *options) if word not in arguments]:
        raise ValueError(
            f"the layer of mixer {name!r} has no argument {', '.join(lacking)}; it is made as "
            "layer(width=..., dtype=..., and the options by name)"
        )
    made = getattr(layer, "func", layer)  # The class inside of a `functools.partial`.
    if lacking := [verb for verb in VERBS if isinstance(made, type) and not hasattr(made, verb)]:
        raise ValueError(
            f"the layer of mixer {name!r} has no method {', '.join(lacking)}; give it the methods "
            "of modules.mixers.Mixer"
        )
    is_replaced = name in _LAYERS and definition(name) != (layer, tuple(options))
    OPTIONS[name], _LAYERS[name] = tuple(options), layer
    if is_replaced:
        # Compiled programs are found by configurations, which hold the name alone.
        jax.clear_caches()


def make(
    config: MixerConfig, *, width: int, max_length: int, dtype: Any = jnp.float32
) -> nn.Module:
    """Makes a mixer.

    Args:
        config: Name of the mixer and its options.
        width: Number of features.
        max_length: Longest sequence in tokens that the model is built for. Initial steps are fitted
            to it, learned positions end there, and s4 convolves no longer row. Parameters of s4 are
            valid only with the `max_length` that they were trained with.
        dtype: Dtype of activations and of attention's cache; weights, recurrent states and their
            kernels are float32.

    Returns:
        An unbound Flax module with the methods of `Mixer`.

    Raises:
        ValueError: An option cannot be built, see `check`.

    Example:
        >>> make(MixerConfig("s4d", state_size=4), width=8, max_length=32).width
        8
    """
    check(config, width=width)
    # None is left out, so that the default of the layer holds.
    given = {name: getattr(config, name) for name in OPTIONS[config.name]}
    options = {name: value for name, value in given.items() if value is not None}
    if "max_length" in _arguments(_LAYERS[config.name]):
        options["max_length"] = max_length
    if "step_range" in OPTIONS[config.name]:
        options.setdefault("step_range", initialization.step_range(max_length))
    return _LAYERS[config.name](width=width, dtype=dtype, **options)


def check(config: MixerConfig, *, width: int | None = None) -> None:
    """Checks that a mixer can be built, before anything is built.

    Args:
        config: Name of the mixer and its options.
        width: Number of features; None if it is not known yet.

    Raises:
        ValueError: An unknown mixer, an option that the mixer does not have, or a value that does
            not fit.

    Example:
        >>> check(MixerConfig("lstm", num_heads=4))
        Traceback (most recent call last):
        ValueError: num_heads is 4, but mixer 'lstm' has no such option (attention has); ...
    """
    if config.name not in names():
        close = difflib.get_close_matches(config.name, names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "register a mixer of your own first"
        raise ValueError(
            f"there is no mixer {config.name!r}; choose one of {', '.join(names())}; {hint}"
        )
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        owners = [name for name in names() if field.name in OPTIONS[name]]
        # Configurations of version 0.1 store its default step range for every mixer.
        is_default = value == field.default or (
            field.name == "step_range" and value == OLD_STEP_RANGE
        )
        if field.name != "name" and not is_default and config.name not in owners:
            raise ValueError(
                f"{field.name} is {value}, but mixer {config.name!r} has no such option "
                f"({', '.join(owners)} {'has' if len(owners) == 1 else 'have'}); leave it out"
            )
    # A registered mixer checks its own values.
    if config.name in NAMES:
        _check_values(config, width)


def _arguments(layer: Callable[..., nn.Module]) -> Any:
    return inspect.signature(layer).parameters


def _check_values(config: MixerConfig, width: int | None) -> None:
    if config.initialization is not None:
        choices = s4.INITIALIZATIONS if config.name == "s4" else s4d.INITIALIZATIONS
        _checks.choice(f"initialization of {config.name}", config.initialization, choices)
    if config.discretization is not None:
        _checks.choice("discretization", config.discretization, discretization.METHODS)
    if issubclass(_LAYERS[config.name], state_space.StateSpace):
        state_space.check_state_size(config.state_size)
        if config.num_blocks < 1 or config.state_size // 2 % config.num_blocks:
            raise ValueError(
                f"num_blocks is {config.num_blocks}; it has to divide the "
                f"{config.state_size // 2} pairs of state_size {config.state_size}"
            )
    if config.method is not None:
        _checks.choice(f"method of {config.name}", config.method, _methods(config.name))
    if config.chunk is not None:
        _checks.length(config.chunk, "chunk")
    if config.precision is not None:
        _checks.choice("precision", config.precision, _casting.PRECISIONS)
    if config.step_range is not None and not 0 < config.step_range[0] <= config.step_range[1]:
        raise ValueError(f"step_range is {config.step_range}; steps need 0 < shortest <= longest")
    if not 0 <= config.ring[0] < config.ring[1] <= 1:
        raise ValueError(f"ring is {config.ring}; it needs 0 <= smallest < largest <= 1")
    if config.largest_angle <= 0:
        raise ValueError(
            f"largest_angle is {config.largest_angle}; it has to be positive, "
            "2 pi for the whole circle"
        )
    if config.window is not None and config.window < 1:
        raise ValueError(
            f"window is {config.window}; a token attends at least to itself, "
            "so choose 1 or more, or None for the whole episode"
        )
    for name in ("state_size", "expand", "channel_states"):
        _checks.length(getattr(config, name), name)
    if config.name == "mamba2":
        mamba2.check(width, config.expand, config.head_size)
    if config.name == "attention":
        attention.check_heads(width, config.num_heads, config.positions)


def _methods(name: str) -> tuple[str, ...]:
    return attention_kernel.METHODS if name == "attention" else _LAYERS[name].kernel.METHODS
