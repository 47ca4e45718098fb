"""The Trajectory Transformer: a sequence model of all numbers of a trajectory, one token for each.

A transition is D tokens: those of the observation and the action, the reward, and the value, which
is the discounted return after the step. Dimension d of a transition is predicted from all tokens
before it.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jax_s4rl.modules import block, dropout, embeddings, mixers

LEARNED, NONE = "learned", "none"
POSITIONS = (LEARNED, NONE)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Choices of a user for a trajectory transformer, independent of the task."""

    mixer: mixers.MixerConfig = dataclasses.field(default_factory=mixers.MixerConfig)
    """Sequence mixer and its options."""
    positions: str = NONE
    """Embedding of a token's position within its row: a table (learned) or none, with which the
    order comes from the mixer alone."""
    context_length: int = 20
    """Longest row in transitions; a plan and the past before it have to fit into it."""
    width: int = 128
    """Number of features of a token."""
    num_layers: int = 4
    """Number of blocks."""
    mlp_ratio: int | float = 4
    """Hidden width of a block's feed-forward part divided by the width; 0 for no such part."""
    dropout: float = 0.1
    """Share of features that are dropped during training."""

    def __post_init__(self) -> None:
        """Checks the choices that do not depend on the data.

        Raises:
            ValueError: A choice does not exist, is out of range, or does not fit another one.
        """
        mixers.check(self.mixer, width=self.width)
        block.check(self.mlp_ratio, self.dropout, block.PRE, dropout.INDEPENDENT)
        if self.positions not in POSITIONS:
            raise ValueError(
                f"positions is {self.positions!r}; choose one of {', '.join(POSITIONS)}"
            )
        for name in ("context_length", "width", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 1")

    @property
    def is_bounded(self) -> bool:
        """Whether no memory goes on past a row: tables of positions end, and full caches too."""
        mixer = self.mixer
        is_full = mixer.name == "attention" and mixer.window is None
        return is_full or LEARNED in (self.positions, mixer.positions)


@dataclasses.dataclass(frozen=True)
class TrajectoryTransformerConfig:
    """Shape of a trajectory transformer."""

    observation_size: int
    """Number of tokens of an observation."""
    action_size: int
    """Number of tokens of an action."""
    counts: tuple[int, ...]
    """Number of different tokens of each dimension: observation, action, reward, value."""
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    """Choices of the user."""

    def __post_init__(self) -> None:
        """Checks that the model can be built.

        Raises:
            ValueError: The numbers of tokens do not fit the dimensions of a transition.
        """
        wanted = self.observation_size + self.action_size + 2
        if len(self.counts) != wanted or min(self.counts) < 1:
            raise ValueError(
                f"counts is {self.counts}; give a number of at least 1 for each of the {wanted} "
                "dimensions of a transition"
            )

    @property
    def num_dimensions(self) -> int:
        """Number of tokens of a transition (D)."""
        return len(self.counts)

    @property
    def stop(self) -> int:
        """Token of every dimension behind the end of an episode; the highest one."""
        return max(self.counts)

    @property
    def num_classes(self) -> int:
        """Number of predicted classes of a dimension; the last one is the stop token."""
        return self.stop + 1


class Memory(NamedTuple):
    """State of a model after some tokens of each row.

    Attributes:
        states: State of every block.
        place: Number of tokens so far.
    """

    states: list[Any]
    place: Int[Array, " rows"]


class TrajectoryTransformer(nn.Module):
    """Predicts each token of a trajectory from all tokens before it, except for the values.

    A value says what the recorded behavior earned later; it is predicted, and never read. So a
    constant embedding stands in place of every value token, which hides it from every mixer, while
    a mask would hide it from attention alone.

    Attributes:
        config: Shape of the model.

    Source:
        Janner et al. (2021), "Offline Reinforcement Learning as One Big Sequence Modeling Problem",
        section 3.1.
    """

    config: TrajectoryTransformerConfig

    def setup(self) -> None:
        """Creates the embeddings, the blocks and the heads."""
        config, chosen = self.config, self.config.model
        num_tokens = chosen.context_length * config.num_dimensions
        # Rows for the tokens of each dimension but the value, one for every value, one for stop.
        self.table = embeddings.table(config.stop * (config.num_dimensions - 1) + 2, chosen.width)
        if chosen.positions == LEARNED:
            self.position_table = embeddings.table(num_tokens, chosen.width)
        self.blocks = [
            block.Block(
                mixers.make(chosen.mixer, width=chosen.width, max_length=num_tokens),
                chosen.mlp_ratio,
                chosen.dropout,
            )
            for _ in range(chosen.num_layers)
        ]
        self.norm = nn.LayerNorm()
        # A linear map for each dimension, drawn as if it were alone.
        self.heads: Array = self.param(
            "heads",
            nn.initializers.lecun_normal(batch_axis=(0,)),
            (config.num_dimensions, chosen.width, config.num_classes),
        )

    def __call__(
        self, tokens: Int[Array, "batch length"], *, noise: Key[Array, " batch"] | None = None
    ) -> Float[Array, "batch length classes"]:
        """Predicts the token behind each token of whole rows.

        Args:
            tokens: Tokens of rows that begin with a transition.
            noise: Typed random key of each row for dropout during training; None drops nothing.

        Returns:
            Logits of the next token; minus infinity for classes that its dimension lacks.

        Raises:
            ValueError: The rows are longer than the model was built for.
        """
        config, chosen, length = self.config, self.config.model, tokens.shape[1]
        size = config.num_dimensions
        if length > chosen.context_length * size:
            raise ValueError(
                f"the rows have {length} tokens but the model was built for context_length="
                f"{chosen.context_length} transitions of {size} tokens; shorten the rows or build "
                "the model for a longer context"
            )
        places = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None, :], tokens.shape)
        keys = dropout.layer_keys(noise, chosen.num_layers + 1)
        x = self._embed(tokens, places % size, places)
        x = dropout.drop(x, keys[-1], chosen.dropout, place=0)
        # Not strict: the last key is that of the tokens.
        for layer, own in zip(self.blocks, keys, strict=False):
            x, _ = layer(x, noise=own)
        # Whole transitions, so that each token meets the head of its dimension; cut afterwards.
        padded = jnp.pad(self.norm(x), ((0, 0), (0, -length % size), (0, 0)))
        by_dimension = padded.reshape(len(tokens), -1, size, chosen.width)
        logits = jnp.einsum("btdw,dwc->btdc", by_dimension, self.heads)
        allowed = np.stack([self._allowed(dimension) for dimension in range(size)])[None, None]
        logits = jnp.where(allowed, logits, -jnp.inf)
        return logits.reshape(len(tokens), -1, config.num_classes)[:, :length]

    def init_state(self, batch_size: int, max_tokens: int) -> Memory:
        """Returns the state before the first of at most `max_tokens` tokens."""
        states = [layer.init_state(batch_size, max_tokens) for layer in self.blocks]
        return Memory(states, jnp.zeros((batch_size,), jnp.int32))

    def prepare(self) -> list[Any]:
        """Returns the constants of every block, which are computed once before acting."""
        return [layer.prepare() for layer in self.blocks]

    def step(
        self,
        constants: list[Any],
        memory: Memory,
        tokens: Int[Array, " rows"],
        dimension: int,
        is_first: bool = False,
    ) -> tuple[Float[Array, "rows classes"], Memory]:
        """Reads one token of each row; equal to the same position of `__call__`.

        Args:
            constants: Constants that `prepare` returned.
            memory: State that `init_state`, `read` or the previous step returned.
            tokens: Tokens.
            dimension: Dimension of the tokens.
            is_first: Whether the state is cleared first, because the tokens begin a row.

        Returns:
            Logits of the next token, and the state after this one.
        """
        place = jnp.zeros_like(memory.place) if is_first else memory.place
        resets = jnp.ones(tokens.shape, bool) if is_first else None
        x, states = self._embed(tokens, jnp.full_like(tokens, dimension), place), []
        for layer, own, state in zip(self.blocks, constants, memory.states, strict=True):
            x, state = layer.step(own, x, state, resets)
            states.append(state)
        return self._classify(x, dimension), Memory(states, place + 1)

    def read(
        self,
        memory: Memory,
        tokens: Int[Array, "rows length"],
        mask: Bool[Array, "rows length"],
        dimension: int,
    ) -> tuple[Float[Array, "rows classes"], Memory]:
        """Reads several tokens of each row at once; equal to steps.

        Args:
            memory: State before the tokens.
            tokens: Tokens; the last one is real.
            mask: False at padding, which is read only on the left of rows, into empty states.
            dimension: Dimension of the first token.

        Returns:
            Logits of the token behind the last one, and the state after it.
        """
        length, size = tokens.shape[1], self.config.num_dimensions
        dimensions = (dimension + jnp.arange(length, dtype=jnp.int32)) % size
        real = mask.astype(jnp.int32)
        # Padding has no place of its own: the first real token continues the row.
        places = jnp.maximum(memory.place[:, None] + jnp.cumsum(real, axis=1) - 1, 0)
        x = self._embed(tokens, jnp.broadcast_to(dimensions[None, :], tokens.shape), places)
        states = []
        for layer, state in zip(self.blocks, memory.states, strict=True):
            x, state = layer(x, state, mask=mask)
            states.append(state)
        after = Memory(states, memory.place + jnp.sum(real, axis=1))
        return self._classify(x[:, -1], (dimension + length - 1) % size), after

    def _embed(
        self,
        tokens: Int[Array, "*rows"],
        dimensions: Int[Array, "*rows"],
        places: Int[Array, "*rows"],
    ) -> Float[Array, "*rows width"]:
        config = self.config
        value = config.num_dimensions - 1
        # Every dimension has rows of its own; the last two rows are those of values and of stop.
        rows = jnp.where(
            tokens == config.stop, config.stop * value + 1, dimensions * config.stop + tokens
        )
        x = self.table(jnp.where(dimensions == value, config.stop * value, rows))
        if config.model.positions == LEARNED:
            # Places behind the end of the table become NaN.
            x = x + self.position_table(places)
        return x

    def _classify(
        self, x: Float[Array, "rows width"], dimension: int
    ) -> Float[Array, "rows classes"]:
        """Returns the logits of the tokens behind those of one dimension."""
        logits = self.norm(x) @ self.heads[dimension]
        return jnp.where(self._allowed(dimension)[None], logits, -jnp.inf)

    def _allowed(self, dimension: int) -> Bool[np.ndarray, " classes"]:
        """Returns which classes the dimension after this one has."""
        config = self.config
        count = config.counts[(dimension + 1) % config.num_dimensions]
        classes = np.arange(config.num_classes)
        return (classes < count) | (classes == config.stop)


def init(config: TrajectoryTransformerConfig, key: jax.Array) -> Any:
    """Draws the parameters of a trajectory transformer, boxed with their optimizer groups.

    Args:
        config: Shape of the model.
        key: Typed random key.

    Returns:
        The tree of parameters; `modules.groups.strip` gives bare arrays, `modules.groups.labels`
        the optimizer groups.
    """
    # No parameter depends on the length of the row, so one token is sufficient.
    return TrajectoryTransformer(config).init(key, jnp.zeros((1, 1), jnp.int32))["params"]


def shapes(config: TrajectoryTransformerConfig) -> Any:
    """Computes the shapes and types of the parameters; nothing is drawn.

    Args:
        config: Shape of the model.

    Returns:
        The tree of `init`, with `jax.ShapeDtypeStruct` for arrays.
    """
    return jax.eval_shape(functools.partial(init, config), jax.random.key(0))
