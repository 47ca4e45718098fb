"""Actor and critic of an agent that learns online, around any sequence mixer.

A row of steps may hold ends and starts of episodes: where an episode starts, the memory is cleared
before the input of that step. So a row is mapped in one parallel pass, from a state that was kept,
and gives what the same steps gave one by one.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.modules import block, groups, mixers

INPUT_GAIN, BODY_GAIN = float(np.sqrt(2)), 2.0
# A small gain makes the first policy nearly uniform.
ACTOR_GAIN, CRITIC_GAIN = 0.01, 1.0


@dataclasses.dataclass(frozen=True)
class RecurrentConfig:
    """Shape of actor and critic."""

    observation_size: int
    """Number of features of an observation, which is a vector."""
    num_actions: int
    """Number of actions."""
    max_length: int
    """Longest episode, or longest row if that is longer, in steps."""
    mixer: mixers.MixerConfig
    """Sequence mixer and its options."""
    width: int = 64
    """Number of features of all layers."""
    num_blocks: int = 2
    """Number of residual blocks around a mixer."""
    norm: str = block.NONE
    """Position of the layer norm of a block: pre, post or none."""
    sees_action: bool = dataclasses.field(default=True, metadata={"added_in": "0.3"})
    """Whether the action of the step before is an input.

    An agent without memory that sees it can carry a bit by repeating its actions.
    """
    sees_reward: bool = False
    """Whether the reward of the step before is an input."""
    clears_at_start: bool = True
    """Whether the memory is cleared where an episode starts."""
    clear_flag: int | None = None
    """Number of the feature of the observation that clears the memory where it is positive; None if
    no feature does."""

    def __post_init__(self) -> None:
        """Checks that the networks can be built.

        Raises:
            ValueError: A number or an option does not fit.
        """
        for name in ("observation_size", "num_actions", "max_length", "width", "num_blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 1")
        if self.clear_flag is not None and not 0 <= self.clear_flag < self.observation_size:
            raise ValueError(
                f"clear_flag is {self.clear_flag}, but an observation has the features 0 to "
                f"{self.observation_size - 1}; name one of them, or None"
            )
        mixers.check(self.mixer, width=self.width)
        block.check(0, 0.0, self.norm, "independent")

    @property
    def num_draws(self) -> int:
        """Number of draws of a standard normal that a step takes, for latent variables."""
        return 0

    def build(self) -> "RecurrentActorCritic":
        """Returns the networks of this shape."""
        return RecurrentActorCritic(self)


class Inputs(NamedTuple):
    """What the agent is given at one step, or at the steps of rows.

    Attributes:
        observation: Observation of the step.
        previous_action: Action of the step before; -1 at the first step of an episode.
        previous_reward: Reward of the step before; 0 at the first step.
        is_first: Whether the step is the first one of an episode.
        draws: Draws of a standard normal for latent variables; None for networks without any.
    """

    observation: Float[Array, "*steps O"]
    previous_action: Int[Array, "*steps"]
    previous_reward: Float[Array, "*steps"]
    is_first: Bool[Array, "*steps"]
    draws: Float[Array, "*steps D"] | None = None


class Outputs(NamedTuple):
    """What the agent says at one step, or at the steps of rows.

    Attributes:
        logits: Logits of the actions.
        value: Discounted return that is expected from this step on.
    """

    logits: Float[Array, "*steps A"]
    value: Float[Array, "*steps"]


class RecurrentActorCritic(nn.Module):
    """Two dense layers, residual blocks, and two dense layers each for actor and critic.

    Attributes:
        config: Shape of the networks.

    Source:
        Lu et al. (2023), "Structured State Space Models for In-Context Reinforcement Learning".
    """

    config: RecurrentConfig

    def setup(self) -> None:
        """Creates the layers."""
        config = self.config
        width = config.width
        self.entry = [_dense(width, INPUT_GAIN), _dense(width, INPUT_GAIN)]
        self.blocks = [
            block.Block(
                mixers.make(config.mixer, width=width, max_length=config.max_length),
                mlp_ratio=0,
                norm=config.norm,
            )
            for _ in range(config.num_blocks)
        ]
        self.actor = [_dense(width, BODY_GAIN), _dense(width, BODY_GAIN)]
        self.critic = [_dense(width, BODY_GAIN), _dense(width, BODY_GAIN)]
        self.logits = _dense(config.num_actions, ACTOR_GAIN)
        self.value = _dense(1, CRITIC_GAIN)

    def __call__(self, state: list[Any], inputs: Inputs) -> tuple[list[Any], Outputs]:
        """Maps rows of steps from the state before them.

        Args:
            state: State of every block before the rows.
            inputs: Inputs of all steps, `[batch, steps, ...]`.

        Returns:
            The state after the rows, and the outputs of all steps.
        """
        states, x = self.features(state, inputs)
        return states, self._leave(x, inputs)

    def features(
        self, state: list[Any], inputs: Inputs
    ) -> tuple[list[Any], Float[Array, "*steps width"]]:
        """Computes the features of the past that actor and critic read; see `__call__`."""
        x, states = self._enter(inputs), []
        for layer, own in zip(self.blocks, state, strict=True):
            x, own = layer(x, own, resets=self._clears(inputs))
            states.append(own)
        return states, x

    def call_all(self, inputs: Inputs) -> Any:
        """Calls every layer, so that all parameters are drawn."""
        return self(self.init_state(1), inputs)

    def init_state(self, batch_size: int) -> list[Any]:
        """Returns the state of every block before the first step."""
        return [layer.init_state(batch_size, self.config.max_length) for layer in self.blocks]

    def prepare(self) -> list[Any]:
        """Returns the constants of every block, which all steps share."""
        return [layer.prepare() for layer in self.blocks]

    def step(
        self, constants: list[Any], state: list[Any], inputs: Inputs
    ) -> tuple[list[Any], Outputs]:
        """Maps one step; equal to the same step of a row.

        Args:
            constants: Constants that `prepare` returned.
            state: State of every block before the step.
            inputs: Inputs of the step, `[batch, ...]`.

        Returns:
            The state after the step, and its outputs.
        """
        x, states = self._enter(inputs), []
        for layer, fixed, own in zip(self.blocks, constants, state, strict=True):
            x, own = layer.step(fixed, x, own, self._clears(inputs))
            states.append(own)
        return states, self._leave(x, inputs)

    def _enter(self, inputs: Inputs) -> Float[Array, "*steps width"]:
        parts = [inputs.observation]
        if self.config.sees_action:
            # The number -1 has no place among the actions and becomes zeros.
            parts.append(jax.nn.one_hot(inputs.previous_action, self.config.num_actions))
        parts.append(inputs.is_first.astype(jnp.float32)[..., None])
        if self.config.sees_reward:
            parts.append(inputs.previous_reward[..., None])
        return _activated(self.entry, jnp.concatenate(parts, axis=-1))

    def _clears(self, inputs: Inputs) -> Bool[Array, "*steps"]:
        clears = inputs.is_first & self.config.clears_at_start
        if self.config.clear_flag is not None:
            clears |= inputs.observation[..., self.config.clear_flag] > 0
        return clears

    def _leave(self, x: Float[Array, "*steps width"], inputs: Inputs) -> Outputs:
        del inputs
        return self._judge(x, x)

    def _judge(
        self,
        for_actor: Float[Array, "*steps features"],
        for_critic: Float[Array, "*steps features"],
    ) -> Outputs:
        return Outputs(
            self.logits(_activated(self.actor, for_actor)),
            self.value(_activated(self.critic, for_critic))[..., 0],
        )


def init(config: RecurrentConfig, key: jax.Array) -> Any:
    """Draws the parameters of actor and critic.

    Args:
        config: Shape of the networks.
        key: Typed random key.

    Returns:
        The tree of parameters.
    """
    inputs = empty_inputs(config, (1, 1))
    return groups.strip(config.build().init(key, inputs, method="call_all")["params"])


def init_state(config: RecurrentConfig, params: Any, batch_size: int) -> list[Any]:
    """Returns the state before the first step of `batch_size` environments."""
    model = config.build()
    return model.apply({"params": params}, batch_size, method="init_state")  # pyright: ignore[reportReturnType]


def prepare(config: RecurrentConfig, params: Any) -> list[Any]:
    """Returns the constants that all steps with the same parameters share."""
    return config.build().apply({"params": params}, method="prepare")  # pyright: ignore[reportReturnType]


def along(
    config: RecurrentConfig, params: Any, state: list[Any], inputs: Inputs
) -> tuple[list[Any], Outputs]:
    """Runs the agent along rows, from the state before them.

    Args:
        config: Shape of the networks.
        params: Parameters of the networks.
        state: State of every block before the rows.
        inputs: Inputs of all steps, `[batch, steps, ...]`.

    Returns:
        The state after the rows, and the outputs of all steps.
    """
    return config.build().apply({"params": params}, state, inputs)  # pyright: ignore[reportReturnType]


def step(
    config: RecurrentConfig, params: Any, constants: list[Any], state: list[Any], inputs: Inputs
) -> tuple[list[Any], Outputs]:
    """Runs the agent for one step.

    Args:
        config: Shape of the networks.
        params: Parameters of the networks.
        constants: Constants that `prepare` returned for them.
        state: State of every block before the step.
        inputs: Inputs of the step, `[batch, ...]`.

    Returns:
        The state after the step, and its outputs.
    """
    model = config.build()
    return model.apply({"params": params}, constants, state, inputs, method="step")  # pyright: ignore[reportReturnType]


def empty_inputs(config: RecurrentConfig, shape: tuple[int, ...]) -> Inputs:
    """Returns inputs of the right shapes, as at the first step of an episode.

    Args:
        config: Shape of the networks.
        shape: Number of environments, and of steps if they are rows.

    Example:
        >>> mixer = mixers.MixerConfig("s5")
        >>> empty_inputs(RecurrentConfig(3, 2, 8, mixer), (4,)).observation.shape
        (4, 3)
    """
    return Inputs(
        jnp.zeros((*shape, config.observation_size)),
        jnp.full(shape, -1, jnp.int32),
        jnp.zeros(shape),
        jnp.ones(shape, bool),
        jnp.zeros((*shape, config.num_draws)) if config.num_draws else None,
    )


def _dense(size: int, gain: float) -> nn.Dense:
    return nn.Dense(size, kernel_init=nn.initializers.orthogonal(gain))


def _activated(layers: Sequence[nn.Dense], x: Float[Array, "*steps size"]) -> Any:
    for layer in layers:
        x = nn.leaky_relu(layer(x))
    return x
