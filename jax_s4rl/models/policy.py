"""The policy that acts with a decision model, one step at a time, from a state that is carried and never recomputed."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.modules import heads, tokens

RESTART = "restart"
CARRY = "carry"
MEMORIES = (RESTART, CARRY)


class PolicyState(NamedTuple):
    """What a policy carries from step to step.

    Attributes:
      memories: state of every block of the model; twice the batch where two memories are staggered.
      time_step: [batch] steps since each episode began.
      previous_action: [batch, *action] last action; -1 (discrete) or 0 (continuous) at first.
    """

    memories: list[Any]
    time_step: Int[Array, " batch"]
    previous_action: Num[Array, "batch *action"]


@dataclasses.dataclass(frozen=True)
class Policy:
    """Acts with a trained decision model; a set of pure functions over one configuration.

    A memory at acting time should be one that training has seen. Episodes that fit into the model's context are acted
    with one memory from start to end. For longer ones, the training regime decides:

    * `memory="restart"` fits a model trained on windows that start anywhere: it has only met memories of at most
      `context_length` steps. Two memories are carried, half a context apart: each is cleared when it has seen
      `context_length` steps, and the older of the two decides. So every decision after the first half context rests on
      at least half a context of history, and never on a memory older than any in training; the price is a second step
      of the mixer.
    * `memory="carry"` fits a model trained on whole episodes or packed rows: one memory, never cleared within an
      episode, of constant size for every mixer but attention, which needs a sliding window to go on past its context.

    Attributes:
      config: shape of the model.
      max_steps: longest episode to act in.
      memory: "restart" or "carry".
    """

    config: configs.DecisionTransformerConfig
    max_steps: int
    memory: str = RESTART

    def __post_init__(self) -> None:
        """Refuses episodes that run past what the model knows, before the first step."""
        chosen, horizon = self.config.model, self.config.horizon
        if self.memory not in MEMORIES:
            raise ValueError(f"memory is {self.memory!r}; choose one of {', '.join(MEMORIES)}")
        if chosen.time_embedding == tokens.LEARNED and horizon is not None and self.max_steps > horizon:
            raise ValueError(
                f"episodes may last {self.max_steps} steps but the model has time embeddings for {horizon}; "
                "train it with a larger horizon, or with time_embedding='sinusoidal' or 'none'"
            )
        outlasts = self.max_steps > chosen.context_length
        if self.memory == CARRY and outlasts and chosen.mixer.name == "attention":
            self._check_attention()

    def _check_attention(self) -> None:
        chosen = self.config.model
        if chosen.mixer.window is None or chosen.mixer.positions == "learned":
            raise ValueError(
                f"attention cannot carry its memory over {self.max_steps} steps: it was trained on "
                f"{chosen.context_length}; train it with a sliding window and without learned positions, "
                "or act with memory='restart'"
            )

    @property
    def is_staggered(self) -> bool:
        """Whether episodes outlast the memory, so that two of them are carried."""
        return self.memory == RESTART and self.max_steps > self.config.model.context_length

    def prepare(self, params: Any) -> tuple[Any, Any]:
        """Parameters together with the constants that every step shares (discretized systems); once per rollout."""
        return params, self._model().apply({"params": params}, method="prepare")

    def init(self, prepared: tuple[Any, Any], num_envs: int) -> PolicyState:
        """The state before the first step of `num_envs` episodes."""
        config = self.config
        copies, max_steps = (2, config.model.context_length) if self.is_staggered else (1, self.max_steps)
        memories = self._model().apply({"params": prepared[0]}, copies * num_envs, max_steps, method="init_state")
        if config.num_actions is not None:
            previous_action = jnp.full((num_envs,), -1, jnp.int32)
        else:
            previous_action = jnp.zeros((num_envs, config.action_size or 0))
        return PolicyState(list(memories), jnp.zeros((num_envs,), jnp.int32), previous_action)

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
          prepared: what `prepare` returned.
          state: what `init` or the step before returned.
          observation: of this step, unscaled.
          return_to_go: what is still asked for, unscaled.
          greedy: True for the likeliest action (of a Gaussian the mean), False for one drawn from the predicted
            distribution; a continuous head without a distribution predicts one action, taken either way.
          key: typed key for the draws.

        Returns:
          The actions, and the state after them.

        Raises:
          ValueError: observations do not have the shape that the model was built for.
        """
        if observation.shape[1:] != self.config.observation_shape:
            raise ValueError(
                f"observations have shape {observation.shape[1:]} but the model was built for "
                f"{self.config.observation_shape}; act in the environment that the data come from"
            )
        predicted, memories = self._predict(prepared, state, observation, return_to_go)
        action = _choose(predicted, greedy, key, is_discrete=self.config.num_actions is not None)
        return action, PolicyState(memories, state.time_step + 1, action)

    def follow(
        self,
        prepared: tuple[Any, Any],
        state: PolicyState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        action: Num[Array, "batch *action"],
    ) -> tuple[heads.Predictions, PolicyState]:
        """Predicts a step as `act` does, and goes on with an action that was chosen by somebody else.

        Args:
          prepared: what `prepare` returned.
          state: what `init` or the step before returned.
          observation: of this step, unscaled.
          return_to_go: what is asked for, or known to follow, unscaled.
          action: taken at this step; its own prediction does not see it.

        Returns:
          The predictions, without the next observation, and the state after them.
        """
        predicted, memories = self._predict(prepared, state, observation, return_to_go)
        return predicted, PolicyState(memories, state.time_step + 1, action)

    def _predict(
        self,
        prepared: tuple[Any, Any],
        state: PolicyState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
    ) -> tuple[heads.Predictions, list[Any]]:
        params, constants = prepared
        inputs = (return_to_go, observation, state.previous_action, state.time_step)
        if not self.is_staggered:
            reset = state.time_step == 0
            return self._step(params, constants, state.memories, inputs, reset)
        resets, first_decides = _stagger(state.time_step, self.config.model.context_length)
        doubled = jax.tree.map(lambda x: jnp.concatenate([x, x]), inputs)
        predicted, memories = self._step(params, constants, state.memories, doubled, jnp.concatenate(resets))
        return jax.tree.map(lambda both: _older(first_decides, both), predicted), memories

    def _step(self, params: Any, constants: Any, memories: list[Any], inputs: tuple[Array, ...], reset: Array) -> Any:
        return self._model().apply({"params": params}, constants, memories, *inputs, reset, method="step")

    def _model(self) -> decision_transformer.DecisionTransformer:
        return decision_transformer.DecisionTransformer(self.config)


def _choose(
    predicted: heads.Predictions, greedy: Bool[Array, " batch"], key: PRNGKeyArray, *, is_discrete: bool
) -> Num[Array, "batch *action"]:
    """Likeliest actions, or draws."""
    center = predicted.action
    if is_discrete:
        drawn = jax.random.categorical(key, center)
        return jnp.where(greedy, jnp.argmax(center, axis=-1), drawn).astype(jnp.int32)
    if predicted.log_std is None:
        return center
    drawn = center + jnp.exp(predicted.log_std) * jax.random.normal(key, center.shape)
    return jnp.where(greedy[:, None], center, drawn)


def _older(first_decides: Bool[Array, " batch"], both: Float[Array, "twice *rest"]) -> Float[Array, "batch *rest"]:
    """What the older of two memories predicts."""
    first, second = jnp.split(both, 2)
    return jnp.where(first_decides.reshape((-1,) + (1,) * (first.ndim - 1)), first, second)


def _stagger(
    time_step: Int[Array, " batch"], period: int
) -> tuple[tuple[Bool[Array, " batch"], Bool[Array, " batch"]], Bool[Array, " batch"]]:
    """Where each of two memories is cleared, and whether the first is the older one (it is until the second starts)."""
    half = period // 2
    first_age = time_step % period
    second_age = jnp.where(time_step < half, -1, (time_step - half) % period)
    second_starts = (time_step == 0) | (second_age == 0)
    return (first_age == 0, second_starts), first_age >= second_age
