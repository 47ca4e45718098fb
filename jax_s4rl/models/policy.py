"""The policy that acts with a decision model, one step at a time, from a state that is carried and never recomputed."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_s4rl.models import decision


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

    A model that was trained on windows of `context_length` steps has only met memories of that age. Episodes that fit
    into the context are acted with one memory from start to end. In longer ones two memories are carried, half a
    context apart: each is cleared when it has seen `context_length` steps, and the older of the two decides. So every
    decision after the first half context rests on at least half a context of history, and never on a memory older than
    any in training; the price is a second step of the mixer.

    Attributes:
      config: shape of the model.
      max_steps: longest episode to act in.
    """

    config: decision.DecisionConfig
    max_steps: int

    def __post_init__(self) -> None:
        """Refuses episodes that run past the model's time embedding, before the first step."""
        horizon = self.config.horizon
        if horizon is not None and self.max_steps > horizon:
            raise ValueError(
                f"episodes may last {self.max_steps} steps but the model has time embeddings for {horizon}; "
                "train it with a larger horizon, or with horizon=None"
            )

    @property
    def is_staggered(self) -> bool:
        """Whether episodes outlast the context, so that two memories are carried."""
        return self.max_steps > self.config.context_length

    def prepare(self, params: Any) -> tuple[Any, Any]:
        """Parameters together with the constants that every step shares (discretized systems); once per rollout."""
        return params, self._model().apply({"params": params}, method="prepare")

    def init(self, prepared: tuple[Any, Any], num_envs: int) -> PolicyState:
        """The state before the first step of `num_envs` episodes."""
        config = self.config
        copies = 2 if self.is_staggered else 1
        max_steps = min(self.max_steps, config.context_length)
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
        observation: Float[Array, "batch features"],
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
          greedy: True for the likeliest action, False for one drawn from the predicted distribution; a continuous head
            predicts one action, taken either way.
          key: typed key for the draws.

        Returns:
          The actions, and the state after them.
        """
        predicted, memories = self._predict(prepared, state, observation, return_to_go)
        if self.config.num_actions is None:
            action = predicted
        else:
            drawn = jax.random.categorical(key, predicted)
            action = jnp.where(greedy, jnp.argmax(predicted, axis=-1), drawn).astype(jnp.int32)
        return action, PolicyState(memories, state.time_step + 1, action)

    def _predict(
        self,
        prepared: tuple[Any, Any],
        state: PolicyState,
        observation: Float[Array, "batch features"],
        return_to_go: Float[Array, " batch"],
    ) -> tuple[Float[Array, "batch outputs"], list[Any]]:
        params, constants = prepared
        inputs = (return_to_go, observation, state.previous_action, state.time_step)
        if not self.is_staggered:
            reset = state.time_step == 0
            return self._step(params, constants, state.memories, inputs, reset)
        resets, first_decides = _stagger(state.time_step, self.config.context_length)
        doubled = jax.tree.map(lambda x: jnp.concatenate([x, x]), inputs)
        predicted, memories = self._step(params, constants, state.memories, doubled, jnp.concatenate(resets))
        first, second = jnp.split(predicted, 2)
        return jnp.where(first_decides[:, None], first, second), memories

    def _step(self, params: Any, constants: Any, memories: list[Any], inputs: tuple[Array, ...], reset: Array) -> Any:
        return self._model().apply({"params": params}, constants, memories, *inputs, reset, method="step")

    def _model(self) -> decision.DecisionModel:
        return decision.DecisionModel(self.config)


def _stagger(
    time_step: Int[Array, " batch"], period: int
) -> tuple[tuple[Bool[Array, " batch"], Bool[Array, " batch"]], Bool[Array, " batch"]]:
    """Where each of two memories is cleared, and whether the first is the older one (it is until the second starts)."""
    half = period // 2
    first_age = time_step % period
    second_age = jnp.where(time_step < half, -1, (time_step - half) % period)
    second_starts = (time_step == 0) | (second_age == 0)
    return (first_age == 0, second_starts), first_age >= second_age
