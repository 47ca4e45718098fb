"""The settings of a training as options of a command, which need no JAX to be listed.

The classes mirror those of the settings, field by field; choices are written out, so that the help
lists them. A test compares names, defaults, descriptions and choices with the originals.
"""

import dataclasses
import math
from typing import Any, Literal

MixerName = Literal["attention", "s4", "s4d", "s5", "lru", "mamba2", "mamba", "lstm", "mlp"]
"""Sequence mixers of the package."""


@dataclasses.dataclass(frozen=True)
class Mixer:
    """A sequence mixer and its options; options of other mixers must keep their defaults."""

    name: MixerName = "s4d"
    """Sequence mixer: attention, s4, s4d, s5, lru, mamba2, mamba, lstm, mlp (which has no memory),
    or one that the program has registered."""
    state_size: int = 64
    """Real state size of state space models: of each feature (s4, s4d), of each channel (mamba2),
    or of the one state that all features share (s5, lru)."""
    initialization: Literal["lin", "inv", "legs", "real", "random", "legt", "fout"] | None = None
    """Initial dynamics: lin, inv, legs, real or random (s4d, default lin); legs, legt or fout (s4,
    default legs)."""
    discretization: Literal["zoh", "bilinear"] | None = None
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
    positions: Literal["none", "learned", "rotary"] = "none"
    """Positions in attention: none (the order comes from the tokens alone), learned or rotary."""
    method: str | None = None
    """Method of the kernel for whole sequences (state space models, attention); None lets the
    kernel choose."""
    chunk: int | None = None
    """Longest chunk, in tokens, of chunked methods of state space models; None lets the kernel
    choose."""
    precision: Literal["default", "high", "highest"] | None = None
    """Precision of the matrix products of state space models and attention: default, high or
    highest; None lets the kernel choose (highest). It makes no difference on CPU."""
    expand: int = 2
    """Number of channels of mamba2 and mamba divided by the width."""
    head_size: int | None = None
    """Number of channels of a head of mamba2, which share one decay; it divides the width times
    expand. None takes the largest power of two up to 32 that does."""
    channel_states: int = 16
    """Number of states of each channel of mamba."""


@dataclasses.dataclass(frozen=True)
class Model:
    """Choices of a user for a decision transformer, independent of the task."""

    mixer: Mixer = dataclasses.field(default_factory=Mixer)
    """Sequence mixer and its options."""
    returns: Literal["inside", "outside", "none"] = "inside"
    """Place where the return-to-go enters: in the token stream (inside), at the action head
    (outside), or nowhere (none)."""
    time_embedding: Literal["learned", "sinusoidal", "none"] = "learned"
    """Embedding of the step within the episode: a table (learned), sines (sinusoidal), or none."""
    tokens: Literal["interleaved", "concatenated"] = "concatenated"
    """Layout of the tokens: one per step (concatenated), or one for each of return, observation and
    action (interleaved)."""
    context_length: int = 32
    """Longest window, in environment steps, that the model maps at once."""
    width: int = 128
    """Number of features of a token."""
    num_layers: int = 3
    """Number of blocks."""
    mlp_ratio: int | float = 4
    """Hidden width of a block's feed-forward part divided by the width; 0 for no such part."""
    norm: Literal["pre", "post", "none"] = "pre"
    """Position of a block's layer norms: before each branch (pre) or after each sum (post); with
    none, neither the blocks nor the heads have one."""
    dropout: float = 0.1
    """Share of features that are dropped during training."""
    dropout_over_time: Literal["independent", "shared"] = "independent"
    """Kind of dropout mask: a different one for each token (independent), or one for all tokens of
    a row (shared)."""
    activations: Literal["float32", "bfloat16"] = "float32"
    """Dtype of activations in the blocks: float32 or bfloat16. Weights, states, their kernels and
    heads are float32."""
    rematerialize: bool = False
    """Whether the activations of a block are computed again in the backward pass instead of being
    kept, which takes less memory and more time."""
    continuous_head: Literal["point", "gaussian"] = "point"
    """Prediction of continuous actions: one action (point, squared error) or a normal distribution
    (gaussian)."""
    observation_loss: float = 0.0
    """Weight of the loss on the predicted next observation; with 0, it is not predicted."""
    return_loss: float = 0.0
    """Weight of the loss on the predicted return-to-go, for the model as critic; with 0, it is not
    predicted."""
    residual: bool = True
    """Whether the input of each branch of a block is added to its output."""
    action_loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    """Loss of discrete actions: cross_entropy, or squared_error to one-hot vectors, with which the
    action of the largest output is always taken."""
    action_bound: Literal["none", "tanh"] = "none"
    """Bound of the outputs of the action head: none or tanh."""


@dataclasses.dataclass(frozen=True)
class Optimization:
    """Learning rates, their schedule, weight decay and clipping."""

    learning_rate: float = 0.001
    """Peak learning rate, above 0."""
    state_space_learning_rate: float = 0.001
    """Upper bound of the peak rate of state space parameters (dynamics and steps), above 0.

    Their peak is the lower one of the two rates, and they have no weight decay.
    """
    weight_decay: float = 0.01
    """Decoupled weight decay of all other parameters; 0 turns it off."""
    warmup_updates: int = 100
    """Number of updates in which rates rise linearly from zero, limited by `warmup_limit`."""
    final_fraction: float = 0.1
    """Learning rate at the end of the cosine, as a share of the peak."""
    clip: float = 1.0
    """Largest global norm of a gradient, above 0."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay rates of Adam's first and second moments."""
    warmup_limit: float = 0.1
    """Longest warm-up as a share of the run, 0 or more; above 1, a run can end while rates rise."""
    epsilon: float = 1e-8
    """Term in Adam's denominator, above 0; a larger one makes small gradients count less."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a model and its training."""

    model: Model = dataclasses.field(default_factory=Model)
    """Choices for the model: mixer, tokens, context, width, depth and losses."""
    regime: Literal["windows", "episodes", "packed", "openings"] = "windows"
    """Regime of training, which says what a row of a batch holds.

    A row is a slice of an episode (windows), a whole episode (episodes), several whole episodes
    (packed), or the first steps of an episode (openings).
    """
    weighting: Literal["length", "uniform", "balanced"] = "length"
    """Weighting of episodes in draws: length (by steps), uniform, or balanced (by returns)."""
    batch_size: int = 64
    """Number of rows in one update, over all devices."""
    num_updates: int = 1000
    """Number of updates, each a gradient step."""
    updates_per_dispatch: int = 50
    """Number of updates in one call of the compiled program."""
    num_micro_batches: int = 1
    """Number of parts in which a device computes its rows one after the other, to save memory."""
    optimization: Optimization = dataclasses.field(default_factory=Optimization)
    """Learning rates, weight decay and clipping of AdamW."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Processes that train together; by default, this process trains alone."""

    detect: bool = False
    """Whether JAX finds the processes: under Slurm, on TPU pods, in Kubernetes, with Open MPI."""
    coordinator: str | None = None
    """Address and port of process 0, for instance 10.0.0.1:1234."""
    num_processes: int | None = None
    """Number of processes."""
    process_id: int | None = None
    """Number of this process, from 0."""


def convert(values: Any, like: Any) -> Any:
    """Copies the fields of nested dataclasses into others with the same fields, either way.

    Args:
        values: Dataclass with the values, for instance `Settings` of this file.
        like: Dataclass of the wanted class, for instance the default settings.

    Returns:
        A dataclass of the class of `like`.

    Raises:
        ValueError: If the class of `like` does not take the values.
    """
    copied = {}
    for field in dataclasses.fields(like):
        value = getattr(values, field.name)
        if dataclasses.is_dataclass(value):
            value = convert(value, getattr(like, field.name))
        copied[field.name] = value
    return type(like)(**copied)
