"""Acts step by step and carries the state of a model; the policy of a decision transformer."""

import abc
import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.modules import embeddings, heads, tokens

RESTART = "restart"
CARRY = "carry"
MEMORIES = (RESTART, CARRY)


class PolicyState(NamedTuple):
    """State that a policy carries from step to step.

    Attributes:
        memories: State of every block of the model, with twice the batch if two memories are
            staggered.
        time_step: Number of steps since each episode started, [batch].
        previous_action: Last action, [batch, *action]; initially -1 (discrete) or 0 (continuous).
    """

    memories: list[Any]
    time_step: Int[Array, " batch"]
    previous_action: Num[Array, "batch *action"]


@dataclasses.dataclass(frozen=True)
class Stepper(abc.ABC):
    """Runs a model step by step; a set of pure functions over one configuration.

    While acting, a memory should not be older than the memories during training. If an episode fits
    into the model's context, one memory lasts from its start to its end. For longer episodes, the
    training regime decides:

    * `memory="restart"` suits a model trained on windows that start anywhere, whose memories never
      covered more than `context_length` steps. Two memories are carried, half a context apart. Each
      is cleared after `context_length` steps, and the older of the two decides. Every decision
      after the first half context is then based on at least half a context of history, and never on
      a memory older than any in training. The cost is a second step of the mixer.
    * `memory="carry"` suits a model trained on whole episodes or packed rows. One memory is carried
      and never cleared within an episode. Its size is constant for every mixer except attention,
      which needs a sliding window to continue past its context.

    Attributes:
        config: Shape of the model.
        max_steps: Longest episode to act in, in steps.
        memory: Treatment of the memory, "restart" or "carry".
    """

    config: configs.DecisionTransformerConfig
    max_steps: int
    memory: str = RESTART

    def __post_init__(self) -> None:
        """Checks before the first step that the model can act for `max_steps`.

        Raises:
            ValueError: An unknown `memory`, more steps than the learned time embedding has, or
                attention that cannot carry its memory that far.
        """
        chosen, horizon = self.config.model, self.config.horizon
        if self.memory not in MEMORIES:
            raise ValueError(f"memory is {self.memory!r}; choose one of {', '.join(MEMORIES)}")
        if (
            chosen.time_embedding == tokens.LEARNED
            and horizon is not None
            and self.max_steps > horizon
        ):
            raise ValueError(
                f"episodes may last {self.max_steps} steps but the model has time embeddings for "
                f"{horizon}; train it with a larger horizon, or with "
                "time_embedding='sinusoidal' or 'none'"
            )
        outlasts = self.max_steps > chosen.context_length
        if self.memory == CARRY and outlasts and chosen.mixer.name == "attention":
            self._check_attention()

    def _check_attention(self) -> None:
        chosen = self.config.model
        if chosen.mixer.window is None or chosen.mixer.positions == "learned":
            raise ValueError(
                f"attention cannot carry its memory over {self.max_steps} steps: it was trained on "
                f"{chosen.context_length}; train it with a sliding window and without learned "
                "positions, or act with memory='restart'"
            )

    @property
    @abc.abstractmethod
    def model(self) -> nn.Module:
        """Model with the methods `prepare`, `init_state` and `step` of a decision transformer."""

    @property
    def is_staggered(self) -> bool:
        """Whether episodes are longer than the context, so that two memories are carried."""
        return self.memory == RESTART and self.max_steps > self.config.model.context_length

    def prepare(self, params: Any) -> tuple[Any, Any]:
        """Returns the parameters and the constants of all steps; runs once per rollout.

        Constants are, for instance, discretized systems.
        """
        return params, self.model.apply({"params": params}, method="prepare")

    def init(self, prepared: tuple[Any, Any], num_envs: int) -> PolicyState:
        """Returns the state before the first step of `num_envs` episodes."""
        config = self.config
        copies, max_steps = (
            (2, config.model.context_length) if self.is_staggered else (1, self.max_steps)
        )
        memories: Any = self.model.apply(
            {"params": prepared[0]}, copies * num_envs, max_steps, method="init_state"
        )
        if config.num_actions is not None:
            previous_action = jnp.full((num_envs,), -1, jnp.int32)
        else:
            previous_action = jnp.zeros((num_envs, config.action_size or 0))
        return PolicyState(list(memories), jnp.zeros((num_envs,), jnp.int32), previous_action)

    def advance(
        self,
        prepared: tuple[Any, Any],
        state: PolicyState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
    ) -> tuple[Any, list[Any]]:
        """Runs the model for one step.

        Args:
            prepared: Parameters and constants that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step, unscaled.
            return_to_go: Target return from this step on, unscaled.

        Returns:
            What the `step` of the model predicts, a tree of arrays [batch, ...], and the state of
            every block after the step.

        Raises:
            ValueError: Observations do not have the shape that the model was built for.
        """
        if observation.shape[1:] != self.config.observation_shape:
            raise ValueError(
                f"observations have shape {observation.shape[1:]} but the model was built for "
                f"{self.config.observation_shape}; act in the environment that the data come from"
            )
        params, constants = prepared
        inputs = (return_to_go, observation, state.previous_action, state.time_step)
        if not self.is_staggered:
            reset = state.time_step == 0
            return self._step(params, constants, state.memories, inputs, reset)
        resets, first_decides = _stagger(state.time_step, self.config.model.context_length)
        # Both memories are one batch of twice the size, so that the model runs only once.
        doubled = jax.tree.map(lambda x: jnp.concatenate([x, x]), inputs)
        predicted, memories = self._step(
            params, constants, state.memories, doubled, jnp.concatenate(resets)
        )
        return jax.tree.map(lambda both: _of_older(first_decides, both), predicted), memories

    def _step(
        self,
        params: Any,
        constants: Any,
        memories: list[Any],
        inputs: tuple[Array, ...],
        reset: Array,
    ) -> Any:
        return self.model.apply(
            {"params": params}, constants, memories, *inputs, reset, method="step"
        )


@dataclasses.dataclass(frozen=True)
class Policy(Stepper):
    """Acts with a trained decision transformer."""

    @property
    def model(self) -> decision_transformer.DecisionTransformer:
        """The decision transformer."""
        return decision_transformer.DecisionTransformer(self.config)

    def act(
        self,
        prepared: tuple[Any, Any],
        state: PolicyState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Num[Array, "batch *action"], PolicyState]:
        """Chooses the next action of every episode.

        Args:
            prepared: Parameters and constants that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step, unscaled.
            return_to_go: Target return from this step on, unscaled.
            greedy: True for the likeliest action (of a Gaussian the mean), False for one drawn from
                the predicted distribution. A continuous head without a distribution predicts one
                action, and discrete actions that were trained by squared error have no distribution
                either: the one action is taken in both cases.
            key: Typed random key for the draws.

        Returns:
            The actions, and the state after them.

        Raises:
            ValueError: Observations do not have the shape that the model was built for.
        """
        predicted, memories = self.advance(prepared, state, observation, return_to_go)
        action = choose(self.config, predicted, greedy, key)
        return action, PolicyState(memories, state.time_step + 1, action)

    def follow(
        self,
        prepared: tuple[Any, Any],
        state: PolicyState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        action: Num[Array, "batch *action"],
    ) -> tuple[heads.Predictions, PolicyState]:
        """Predicts one step as `act` does, and continues with a given action.

        Args:
            prepared: Parameters and constants that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step, unscaled.
            return_to_go: Target return, or actual return, from this step on, unscaled.
            action: Action taken at this step; its own prediction does not depend on it.

        Returns:
            The predictions, without the next observation, and the state after them.
        """
        predicted, memories = self.advance(prepared, state, observation, return_to_go)
        return predicted, PolicyState(memories, state.time_step + 1, action)


def choose(
    config: configs.DecisionTransformerConfig,
    predicted: heads.Predictions,
    greedy: Bool[Array, " batch"],
    key: PRNGKeyArray,
) -> Num[Array, "batch *action"]:
    """Chooses the likeliest actions where `greedy`, and draws actions elsewhere.

    Args:
        config: Shape of the model.
        predicted: Predictions of the actions.
        greedy: Whether the likeliest action is taken, for each episode.
        key: Typed random key for the draws.

    Returns:
        The actions, unscaled.
    """
    center = predicted.action
    if config.num_actions is not None:
        largest = jnp.argmax(center, axis=-1).astype(jnp.int32)
        # Predicted one-hot vectors are no logits, so there is no distribution to draw from.
        if config.model.action_loss == heads.SQUARED_ERROR:
            return largest
        drawn = jax.random.categorical(key, center)
        return jnp.where(greedy, largest, drawn.astype(jnp.int32))
    if predicted.log_std is not None:
        drawn = center + jnp.exp(predicted.log_std) * jax.random.normal(key, center.shape)
        center = jnp.where(greedy[:, None], center, drawn)
    return embeddings.restore(center, config.action_mean, config.action_std)


def _of_older(
    first_decides: Bool[Array, " batch"], both: Float[Array, "twice *rest"]
) -> Float[Array, "batch *rest"]:
    """Selects the predictions of the older of two memories."""
    first, second = jnp.split(both, 2)
    # One flag per episode, with axes of size 1 that broadcast over the features of a prediction.
    return jnp.where(first_decides.reshape((-1,) + (1,) * (first.ndim - 1)), first, second)


def _stagger(
    time_step: Int[Array, " batch"], period: int
) -> tuple[tuple[Bool[Array, " batch"], Bool[Array, " batch"]], Bool[Array, " batch"]]:
    """Times the resets of two memories that are half a period apart.

    Returns:
        Whether each of the two is cleared before this step, and whether the first is the older one.
    """
    half = period // 2
    first_age = time_step % period
    # Before the second memory starts, its age is -1, so that the first one is the older.
    second_age = jnp.where(time_step < half, -1, (time_step - half) % period)
    # Both memories are cleared at the start of an episode, also the one that starts later.
    second_starts = (time_step == 0) | (second_age == 0)
    return (first_age == 0, second_starts), first_age >= second_age
