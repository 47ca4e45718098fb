"""Configuration of a decision transformer: choices of the user, facts of data and environment."""

import dataclasses

from jax_s4rl.modules import block, embeddings, heads, mixers, tokens
from jax_s4rl.modules import dropout as dropouts

# Metadata of fields that earlier configurations lack, see `training.config_io.ADDED`.
_ADDED = {"added_in": "0.2"}
_ADDED_LATER = {"added_in": "0.3"}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Choices of a user for a decision transformer, independent of the task."""

    mixer: mixers.MixerConfig = dataclasses.field(default_factory=mixers.MixerConfig)
    """Sequence mixer and its options."""
    returns: str = tokens.INSIDE
    """Place where the return-to-go enters: in the token stream (inside), at the action head
    (outside), or nowhere (none)."""
    time_embedding: str = tokens.LEARNED
    """Embedding of the step within the episode: a table (learned), sines (sinusoidal), or none."""
    tokens: str = tokens.CONCATENATED
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
    norm: str = "pre"
    """Position of a block's layer norms: before each branch (pre) or after each sum (post); with
    none, neither the blocks nor the heads have one."""
    dropout: float = 0.1
    """Share of features that are dropped during training."""
    dropout_over_time: str = dropouts.INDEPENDENT
    """Kind of dropout mask: a different one for each token (independent), or one for all tokens of
    a row (shared)."""
    activations: str = "float32"
    """Dtype of activations in the blocks: float32 or bfloat16. Weights, states, their kernels and
    heads are float32."""
    rematerialize: bool = False
    """Whether the activations of a block are computed again in the backward pass instead of being
    kept, which takes less memory and more time."""
    continuous_head: str = heads.POINT
    """Prediction of continuous actions: one action (point, squared error) or a normal distribution
    (gaussian)."""
    observation_loss: float = 0.0
    """Weight of the loss on the predicted next observation; with 0, it is not predicted."""
    return_loss: float = 0.0
    """Weight of the loss on the predicted return-to-go, for the model as critic; with 0, it is not
    predicted."""
    residual: bool = dataclasses.field(default=True, metadata=_ADDED_LATER)
    """Whether the input of each branch of a block is added to its output."""
    action_loss: str = dataclasses.field(default=heads.CROSS_ENTROPY, metadata=_ADDED_LATER)
    """Loss of discrete actions: cross_entropy, or squared_error to one-hot vectors, with which the
    action of the largest output is always taken."""
    action_bound: str = dataclasses.field(default=heads.NONE, metadata=_ADDED_LATER)
    """Bound of the outputs of the action head: none or tanh."""

    def __post_init__(self) -> None:
        """Checks the choices that do not depend on the data.

        Raises:
            ValueError: A choice does not exist, is out of range, or does not fit another one.
        """
        mixers.check(self.mixer, width=self.width)
        block.check(self.mlp_ratio, self.dropout, self.norm, self.dropout_over_time)
        _choice("tokens", self.tokens, tokens.LAYOUTS)
        _choice("returns", self.returns, tokens.RETURNS)
        tokens.check_time_embedding(self.time_embedding, self.width)
        _choice("activations", self.activations, ("float32", "bfloat16"))
        _choice("continuous_head", self.continuous_head, heads.CONTINUOUS)
        _choice("action_loss", self.action_loss, heads.ACTION_LOSSES)
        _choice("action_bound", self.action_bound, heads.ACTION_BOUNDS)
        for name in ("context_length", "width", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 1")
        for name in ("observation_loss", "return_loss"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; the weight of a loss is at least 0"
                )
        if self.return_loss and self.returns == tokens.INSIDE:
            raise ValueError(
                f"return_loss is {self.return_loss}, but with returns='inside' the tokens already "
                "contain the return-to-go; choose returns='outside' or returns='none'"
            )

    @property
    def tokens_per_step(self) -> int:
        """Number of tokens per step of the environment."""
        return tokens.per_step(self.tokens, self.returns)


@dataclasses.dataclass(frozen=True)
class DecisionTransformerConfig:
    """Shape and scales of a decision transformer.

    The run directory contains this configuration, which is sufficient to load the run.
    """

    observation_shape: tuple[int, ...]
    """Shape of one observation: (size,) of a vector, () of an index, (height, width, channels) of
    an image."""
    observation_kind: str = embeddings.VECTOR
    """Kind of observations: vector (standardized), one_hot (a vector of flags, not standardized),
    index or image."""
    num_observations: int | None = None
    """Number of different observations if an observation is an index, otherwise None."""
    num_actions: int | None = None
    """Size of a discrete action space; None if actions are continuous."""
    action_size: int | None = None
    """Number of components of one continuous action; None if actions are discrete."""
    horizon: int | None = None
    """Longest episode, in steps; the size of a learned time embedding."""
    return_scale: float = 1.0
    """Divisor of returns-to-go."""
    observation_mean: tuple[float, ...] = ()
    """Mean of each feature of a vector in the training data; empty for zero."""
    observation_std: tuple[float, ...] = ()
    """Standard deviation of each feature of a vector in the training data; empty for one."""
    action_mean: tuple[float, ...] = dataclasses.field(default=(), metadata=_ADDED)
    """Mean of each component of a continuous action in the training data; empty for zero."""
    action_std: tuple[float, ...] = dataclasses.field(default=(), metadata=_ADDED)
    """Standard deviation of each component of a continuous action; empty for one."""
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    """Choices of the user."""

    def __post_init__(self) -> None:
        """Checks that the model can be built, before anything is trained.

        Raises:
            ValueError: Facts of data and environment do not fit each other or the choices.
        """
        if (self.num_actions is None) == (self.action_size is None):
            raise ValueError(
                f"num_actions is {self.num_actions} and action_size is {self.action_size}; "
                "give exactly one of them: num_actions for discrete actions, action_size for "
                "continuous ones"
            )
        embeddings.check(self.observation_kind, self.observation_shape, self.num_observations)
        if not self.return_scale > 0:
            raise ValueError(
                f"return_scale is {self.return_scale}; it divides returns and has to be positive"
            )
        tokens.check_horizon(self.model.time_embedding, self.horizon)
        if self.model.observation_loss and self.observation_kind == embeddings.IMAGE:
            raise ValueError(
                f"observation_loss is {self.model.observation_loss}, but next observations can be "
                "predicted only if they are vectors or indices, not images; set observation_loss=0"
            )
        self._check_statistics()

    def _check_statistics(self) -> None:
        # No statistics mean zero and one; only vectors and continuous actions are standardized.
        is_vector = self.observation_kind == embeddings.VECTOR
        sizes = {
            "observation": self.observation_shape[0] if is_vector else 0,
            "action": self.action_size or 0,
        }
        for what, size in sizes.items():
            for name in (f"{what}_mean", f"{what}_std"):
                given = len(getattr(self, name))
                if given not in (0, size):
                    raise ValueError(
                        f"{name} has {given} numbers but this kind of {what} has {size} to "
                        "standardize; take the statistics from the data set that the model is "
                        "trained on"
                    )


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")
