"""What fixes a decision model: the choices of its user, and the facts of data and environment."""

import dataclasses

from jax_s4rl.modules import block, embeddings, heads, mixers, tokens
from jax_s4rl.modules import dropout as dropouts


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a user chooses about a decision model; the same for every task."""

    mixer: mixers.MixerConfig = dataclasses.field(default_factory=mixers.MixerConfig)
    """What mixes the tokens of a sequence."""
    returns: str = tokens.INSIDE
    """Where the return-to-go enters: in the token stream (inside), at the action head (outside), or nowhere (none)."""
    time_embedding: str = tokens.LEARNED
    """What tells tokens their step within the episode: a table (learned), sines (sinusoidal), or nothing (none)."""
    tokens: str = tokens.CONCATENATED
    """One token per step (concatenated) or one for each of return, observation and action (interleaved)."""
    context_length: int = 32
    """Longest window, in environment steps, that the model maps at once."""
    width: int = 128
    """Features of a token."""
    num_layers: int = 3
    """Blocks."""
    mlp_ratio: int | float = 4
    """Hidden width of a block's feed-forward part over the width; 0: a block is a mixer alone."""
    norm: str = "pre"
    """Where a block normalizes: before each branch (pre) or after each sum (post)."""
    dropout: float = 0.1
    """Share of features dropped while training."""
    dropout_over_time: str = dropouts.INDEPENDENT
    """Whether each token drops features of its own (independent) or all tokens of a row the same ones (shared)."""
    activations: str = "float32"
    """Type of activations in the blocks: float32 or bfloat16; weights, states, their kernels and heads are float32."""
    rematerialize: bool = False
    """Whether a block's activations are computed again backward rather than kept: less memory, more time."""
    continuous_head: str = heads.POINT
    """How continuous actions are predicted: one action (point, squared error) or a normal distribution (gaussian)."""
    observation_loss: float = 0.0
    """Weight of the loss on the predicted next observation; 0: it is not predicted."""
    return_loss: float = 0.0
    """Weight of the loss on the predicted return-to-go, the model as critic; 0: it is not predicted."""

    def __post_init__(self) -> None:
        """Refuses what no data could be fitted with."""
        mixers.check(self.mixer, width=self.width)
        block.check(self.mlp_ratio, self.dropout, self.norm, self.dropout_over_time)
        _choice("tokens", self.tokens, tokens.LAYOUTS)
        _choice("returns", self.returns, tokens.RETURNS)
        _choice("time_embedding", self.time_embedding, tokens.TIME_EMBEDDINGS)
        _choice("activations", self.activations, ("float32", "bfloat16"))
        _choice("continuous_head", self.continuous_head, heads.CONTINUOUS)
        for name in ("context_length", "width", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 1")
        for name in ("observation_loss", "return_loss"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; the weight of a loss is at least 0")
        if self.time_embedding == tokens.SINUSOIDAL and self.width % 2:
            raise ValueError(f"width is {self.width}; a sinusoidal time embedding asks for an even number")
        if self.return_loss and self.returns == tokens.INSIDE:
            raise ValueError(
                "return_loss asks for a predicted return-to-go, which tokens that hold the return-to-go give away; "
                "choose returns='outside' or returns='none'"
            )

    @property
    def tokens_per_step(self) -> int:
        """How many tokens a step of the environment becomes."""
        return tokens.per_step(self.tokens, self.returns)


@dataclasses.dataclass(frozen=True)
class DecisionTransformerConfig:
    """All that fixes a decision model's shape and scales; written into the run folder, it is enough to load the run."""

    observation_shape: tuple[int, ...]
    """Shape of one observation: (size,) of a vector, () of an index, (height, width, channels) of an image."""
    observation_kind: str = embeddings.VECTOR
    """Vector (standardized), one_hot (a vector of flags, left as it is), index or image."""
    num_observations: int | None = None
    """How many different observations there are, if an observation is an index; else None."""
    num_actions: int | None = None
    """Size of a discrete action space; None if actions are continuous."""
    action_size: int | None = None
    """Numbers in one continuous action; None if actions are discrete."""
    horizon: int | None = None
    """Longest episode, in steps; the size of a learned time embedding."""
    return_scale: float = 1.0
    """Divides returns-to-go."""
    observation_mean: tuple[float, ...] = ()
    """Mean of each number of a vector in the training data; empty for zero."""
    observation_std: tuple[float, ...] = ()
    """Standard deviation of each number of a vector in the training data; empty for one."""
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    """What the user chose."""

    def __post_init__(self) -> None:
        """Refuses what cannot be built, before anything is trained."""
        if (self.num_actions is None) == (self.action_size is None):
            raise ValueError(
                f"num_actions is {self.num_actions} and action_size is {self.action_size}; "
                "give exactly one of them: num_actions for discrete actions, action_size for continuous ones"
            )
        embeddings.check(self.observation_kind, self.observation_shape, self.num_observations)
        if not self.return_scale > 0:
            raise ValueError(f"return_scale is {self.return_scale}; it divides returns and has to be positive")
        if self.model.time_embedding == tokens.LEARNED and self.horizon is None:
            raise ValueError(
                "a learned time embedding asks for the horizon, the longest episode in steps; "
                "give it, or choose time_embedding='sinusoidal' or 'none'"
            )
        if self.model.observation_loss and self.observation_kind == embeddings.IMAGE:
            raise ValueError("next observations are predicted if they are vectors or indices; set observation_loss=0")
        self._check_statistics()

    def _check_statistics(self) -> None:
        wanted = (0, self.observation_shape[0]) if self.observation_kind == embeddings.VECTOR else (0,)
        for name in ("observation_mean", "observation_std"):
            given = len(getattr(self, name))
            if given not in wanted:
                raise ValueError(
                    f"{name} has {given} numbers but an observation of kind {self.observation_kind!r} has "
                    f"{wanted[-1]} to standardize; take the statistics from the data set that the model is trained on"
                )


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")
