"""The decision model: tokens of a trajectory, blocks around one sequence mixer, and a head that predicts actions."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Bool, Float, Int, Num

from jax_s4rl.modules import block, mixers, tokens


@dataclasses.dataclass(frozen=True)
class DecisionConfig:
    """Everything that fixes a decision model's shape; written into the run folder, it is enough to load the run."""

    observation_size: int
    """Numbers in one observation."""
    num_actions: int | None = None
    """Size of a discrete action space; None if actions are continuous."""
    action_size: int | None = None
    """Numbers in one continuous action; None if actions are discrete."""
    mixer: str = "s4d"
    """Sequence mixer: attention or s4d."""
    tokens: str = tokens.CONCATENATED
    """One token per step (concatenated) or three (interleaved)."""
    context_length: int = 32
    """Longest window, in environment steps, that the model maps at once."""
    horizon: int | None = None
    """Time steps that have an embedding, which is learned; None: no time embedding, and no limit."""
    width: int = 128
    """Features of a token."""
    num_layers: int = 3
    """Blocks."""
    num_heads: int = 1
    """Heads of attention."""
    state_size: int = 64
    """Real state size of each feature's state space model."""
    mlp_ratio: int = 4
    """Hidden width of a block's feed-forward part over the width."""
    dropout: float = 0.1
    """Share of features dropped while training."""
    return_scale: float = 1.0
    """Divides returns-to-go."""
    observation_mean: tuple[float, ...] = ()
    """Mean of each observed number in the training data; empty for zero."""
    observation_std: tuple[float, ...] = ()
    """Standard deviation of each observed number in the training data; empty for one."""

    def __post_init__(self) -> None:
        """Refuses what cannot be built, before anything is trained."""
        if (self.num_actions is None) == (self.action_size is None):
            raise ValueError(
                f"num_actions is {self.num_actions} and action_size is {self.action_size}; "
                "give exactly one of them: num_actions for discrete actions, action_size for continuous ones"
            )
        mixers.check(self.mixer_config, width=self.width)
        if self.tokens not in tokens.LAYOUTS:
            raise ValueError(f"tokens is {self.tokens!r}; choose one of {', '.join(tokens.LAYOUTS)}")
        if self.context_length < 1:
            raise ValueError(f"context_length is {self.context_length}; a window holds at least 1 step")
        for name in ("observation_mean", "observation_std"):
            given = len(getattr(self, name))
            if given not in (0, self.observation_size):
                raise ValueError(
                    f"{name} has {given} numbers but an observation has {self.observation_size}; "
                    "take the statistics from the data set that the model is trained on"
                )

    @property
    def mixer_config(self) -> mixers.MixerConfig:
        """The mixer, with those of the sizes above that it has."""
        sizes: dict[str, Any] = {"num_heads": self.num_heads, "state_size": self.state_size}
        owned = mixers.OPTIONS.get(self.mixer, ())
        return mixers.MixerConfig(self.mixer, **{name: size for name, size in sizes.items() if name in owned})


class DecisionModel(nn.Module):
    """Predicts each action of a trajectory from the returns-to-go, observations and actions up to it.

    Attributes:
      config: shape of the model.

    Source: Chen et al. (2021), "Decision Transformer: Reinforcement Learning via Sequence Modeling", Algorithm 1.
    """

    config: DecisionConfig

    def setup(self) -> None:
        """Makes tokenizer, blocks and head."""
        config = self.config
        self.tokenizer = tokens.Tokenizer(
            layout=config.tokens,
            width=config.width,
            num_actions=config.num_actions,
            return_scale=config.return_scale,
            observation_mean=config.observation_mean or (0.0,) * config.observation_size,
            observation_std=config.observation_std or (1.0,) * config.observation_size,
            horizon=config.horizon,
        )
        self.blocks = [
            block.Block(
                mixers.make(
                    config.mixer_config,
                    width=config.width,
                    max_length=config.context_length * self.tokenizer.tokens_per_step,
                ),
                config.mlp_ratio,
                config.dropout,
            )
            for _ in range(config.num_layers)
        ]
        self.embedding_drop = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm()
        self.head = nn.Dense(config.num_actions or config.action_size or 0)

    def __call__(
        self,
        returns_to_go: Float[Array, "batch length"],
        observations: Float[Array, "batch length features"],
        actions: Num[Array, "batch length *action"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        resets: Bool[Array, "batch length"] | None = None,
        *,
        deterministic: bool = True,
    ) -> Float[Array, "batch length outputs"]:
        """Predicts the action of every step of whole windows.

        Args:
          returns_to_go: undiscounted rewards from each step on, unscaled.
          observations: unscaled observations.
          actions: taken at each step; the prediction of a step never sees its own.
          previous_actions: taken the step before; -1 (discrete) or 0 (continuous) at an episode's first step.
          time_steps: each step's index within its episode.
          mask: False at padding.
          resets: True where another episode starts inside the row.
          deterministic: False while training, with a "dropout" key.

        Returns:
          Logits of discrete actions, or continuous actions.

        Raises:
          ValueError: the window is longer than the model was built for.
        """
        if mask.shape[1] > self.config.context_length:
            raise ValueError(
                f"the window has {mask.shape[1]} steps but the model was built for context_length="
                f"{self.config.context_length}; shorten the window or build the model for a longer context"
            )
        x = self.tokenizer(returns_to_go, observations, actions, previous_actions, time_steps)
        x = self.embedding_drop(x, deterministic=deterministic)
        token_mask = self.tokenizer.spread(mask, first_only=False)
        token_resets = None if resets is None else self.tokenizer.spread(resets, first_only=True)
        for layer in self.blocks:
            x, _ = layer(x, resets=token_resets, mask=token_mask, deterministic=deterministic)
        return self.head(self.norm(self.tokenizer.predictive(x)))

    def init_state(self, batch_size: int, max_steps: int) -> list[Any]:
        """The state of every block before the first step of episodes that are `max_steps` long at most."""
        max_tokens = max_steps * self.tokenizer.tokens_per_step
        return [layer.init_state(batch_size, max_tokens) for layer in self.blocks]

    def prepare(self) -> list[Any]:
        """Constants of every block, made once before acting."""
        return [layer.prepare() for layer in self.blocks]

    def step(
        self,
        constants: list[Any],
        state: list[Any],
        return_to_go: Float[Array, " batch"],
        observation: Float[Array, "batch features"],
        previous_action: Num[Array, "batch *action"],
        time_step: Int[Array, " batch"],
        reset: Bool[Array, " batch"],
    ) -> tuple[Float[Array, "batch outputs"], list[Any]]:
        """Predicts the action of one step from the carried state; equal to the same step of `__call__`.

        Args:
          constants: what `prepare` returned.
          state: what `init_state` or the step before returned.
          return_to_go: asked for from this step on, unscaled.
          observation: of this step.
          previous_action: of the step before; not used where `reset`, unless tokens are concatenated.
          time_step: index of this step within its episode.
          reset: True where the state is cleared before this step.

        Returns:
          Logits or continuous actions, and the state after this step.
        """
        arrived = self.tokenizer.step(return_to_go, observation, previous_action, time_step)
        outputs = []
        for token, clear in zip(arrived, self.tokenizer.starts(reset), strict=True):
            x, states = token, []
            for layer, layer_constants, layer_state in zip(self.blocks, constants, state, strict=True):
                x, layer_state = layer.step(layer_constants, x, layer_state, clear)
                states.append(layer_state)
            state = states
            outputs.append(x)
        return self.head(self.norm(outputs[-1])), state


def init(config: DecisionConfig, key: jax.Array) -> Any:
    """Draws the parameters of a decision model, boxed with their optimizer groups (see `modules.groups`).

    Args:
      config: shape of the model.
      key: typed random key.

    Returns:
      The tree of parameters; `groups.strip` gives bare arrays, `groups.labels` the optimizer groups.
    """
    window = empty_window(config, batch_size=1, length=1)
    return DecisionModel(config).init(key, **window)["params"]


def empty_window(config: DecisionConfig, *, batch_size: int, length: int) -> dict[str, Any]:
    """Arguments of `DecisionModel.__call__` with the right shapes and no content."""
    rows = (batch_size, length)
    discrete = config.num_actions is not None
    actions = jax.numpy.zeros(rows if discrete else (*rows, config.action_size), "int32" if discrete else "float32")
    return {
        "returns_to_go": jax.numpy.zeros(rows),
        "observations": jax.numpy.zeros((*rows, config.observation_size)),
        "actions": actions,
        "previous_actions": actions,
        "time_steps": jax.numpy.zeros(rows, "int32"),
        "mask": jax.numpy.ones(rows, bool),
    }


def num_parameters(params: Any) -> int:
    """Number of scalars in a tree of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
