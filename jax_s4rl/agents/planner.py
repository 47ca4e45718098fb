"""The policy of a trajectory transformer: it plans anew at every step, and takes the first action.

It reads the past as tokens and searches from the state that it leaves (`models.beam_search`).
"""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_s4rl.data import discretizer as discretizers
from jax_s4rl.data import one_hot
from jax_s4rl.models import beam_search, trajectory_transformer

ROW, CARRY, TRANSITION = "row", "carry", "transition"
MEMORIES = (ROW, CARRY, TRANSITION)


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """What a planner remembers, and how it searches."""

    search: beam_search.SearchConfig = dataclasses.field(default_factory=beam_search.SearchConfig)
    """Size of the search, and the actions that it tries."""
    memory: str = ROW
    """Past that a plan rests on: the last transitions, which are read again at each step (row); the
    whole episode, whose state is carried (carry); or none, also within the plan: each transition is
    imagined from its observation alone, which suits fully observed environments (transition)."""
    past: int = 5
    """Number of last transitions that are read again, with memory "row"."""

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
            ValueError: There is no such memory, or the past is negative.
        """
        if self.memory not in MEMORIES:
            raise ValueError(f"memory is {self.memory!r}; choose one of {', '.join(MEMORIES)}")
        if self.past < 0:
            raise ValueError(f"past is {self.past}; it is a number of transitions, 0 or more")

    @property
    def num_read(self) -> int:
        """Number of past transitions that are read again at each step."""
        return self.past if self.memory == ROW else 0

    def num_transitions(self, max_steps: int) -> int:
        """Returns the longest row of transitions of a plan.

        Args:
            max_steps: Longest episode to act in, in steps.

        Returns:
            The number of transitions.
        """
        if self.memory == TRANSITION:
            # One, and the next observation.
            return 2
        return (max_steps if self.memory == CARRY else self.past) + self.search.horizon


def check(model: trajectory_transformer.ModelConfig, plan: PlanConfig, max_steps: int) -> None:
    """Checks that a model can plan as far as it is asked to.

    Args:
        model: Choices for the model.
        plan: Choices for the plan.
        max_steps: Longest episode to act in, in steps.

    Raises:
        ValueError: If the rows of a plan are longer than those that the model is trained on.

    Example:
        >>> search = beam_search.SearchConfig(horizon=3)
        >>> model = trajectory_transformer.ModelConfig(context_length=8)
        >>> check(model, PlanConfig(search, past=5), 100)
        >>> check(model, PlanConfig(search, past=6), 100)
        Traceback (most recent call last):
        ValueError: a plan of 3 transitions with memory='row' has rows of 9 transitions, ...
    """
    needed = plan.num_transitions(max_steps)
    # A carried state of constant size goes on past the rows of the training.
    may_go_on = plan.memory == CARRY and not model.is_bounded
    if needed > model.context_length and not may_go_on:
        raise ValueError(
            f"a plan of {plan.search.horizon} transitions with memory={plan.memory!r} has rows of "
            f"{needed} transitions, but the model has context_length={model.context_length}; "
            "shorten the horizon or the past, or train with longer rows"
        )


class PlannerState(NamedTuple):
    """State that a planner carries from step to step.

    Attributes:
        memory: State of the model after the last observation; None unless it is carried.
        history: Tokens of the last transitions that are read again.
        observation: Tokens of the last observation.
        action: Tokens of the last action.
        return_to_go: Target return before the last step, from which its reward follows.
        age: Number of steps since each episode started.
        num_distinct: Number of different plans among the beams of the last search.
    """

    memory: trajectory_transformer.Memory | None
    history: Int[Array, "batch past dimensions"]
    observation: Int[Array, "batch parts"]
    action: Int[Array, "batch action_parts"]
    return_to_go: Float[Array, " batch"]
    age: Int[Array, " batch"]
    num_distinct: Int[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class Planner:
    """Acts by the first action of the best plan; a set of pure functions over one configuration.

    Target returns do not change the plan, whose actions are drawn whether it is greedy or not.

    Attributes:
        config: Shape of the model.
        discretizer: Bins of the dimensions of a transition.
        plan: Memory and size of the search.
        discount: Weight of the next step's reward, with which the values were computed.
        is_discrete: Whether an action is one integer.
        max_steps: Longest episode to act in, in steps.
        observation_parts: Lengths of the parts of an observation that are one token each; empty if
            every number is one.
    """

    config: trajectory_transformer.TrajectoryTransformerConfig
    discretizer: discretizers.Discretizer
    plan: PlanConfig
    discount: float
    is_discrete: bool
    max_steps: int
    observation_parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Checks before the first step that the model can plan.

        Raises:
            ValueError: If the rows of a plan are longer than those that the model is trained on.
        """
        check(self.config.model, self.plan, self.max_steps)

    def prepare(self, params: Any) -> tuple[Any, Any]:
        """Returns the parameters and the constants of all steps; runs once per rollout."""
        return params, self._apply(params, method="prepare")

    def init(self, prepared: tuple[Any, Any], num_envs: int) -> PlannerState:
        """Returns the state before the first step of `num_envs` episodes."""
        config, is_carried = self.config, self.plan.memory == CARRY
        size = (num_envs, self.plan.num_read, config.num_dimensions)
        zeros = jnp.zeros((num_envs,), jnp.int32)
        return PlannerState(
            memory=self._empty(prepared, num_envs) if is_carried else None,
            history=jnp.zeros(size, jnp.int32),
            observation=jnp.zeros((num_envs, config.observation_size), jnp.int32),
            action=jnp.zeros((num_envs, config.action_size), jnp.int32),
            return_to_go=jnp.zeros((num_envs,), jnp.float32),
            age=zeros,
            num_distinct=zeros,
        )

    def act(
        self,
        prepared: tuple[Any, Any],
        state: PlannerState,
        observation: Num[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Num[Array, "batch *action"], PlannerState]:
        """Plans, and chooses the next action of every episode.

        Args:
            prepared: Parameters and constants that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step, unscaled.
            return_to_go: Target return; its change since the last step is the reward of that step.
            greedy: No effect.
            key: Typed random key of the actions that are tried.

        Returns:
            The actions, and the state after them.

        Raises:
            ValueError: Observations do not have the size that the model was built for.
        """
        del greedy
        numbers = observation.reshape(len(observation), -1).astype(jnp.float32)
        size = self.config.observation_size
        wanted = sum(self.observation_parts) or size
        if numbers.shape[1] != wanted:
            raise ValueError(
                f"observations have {numbers.shape[1]} numbers but the model was built for "
                f"{wanted}; act in the environment that the data come from"
            )
        if self.observation_parts:
            numbers = one_hot.pack(numbers, self.observation_parts)
        tokens = discretizers.encode(self.discretizer.edges[:size], numbers)
        logits, memory, history = self._read(prepared, state, tokens, return_to_go)
        plan = beam_search.plan(
            lambda memory, *inputs: self._apply(
                prepared[0], prepared[1], memory, *inputs, method="step"
            ),
            memory,
            logits,
            key,
            layout=self._layout(),
            config=self.plan.search,
        )
        chosen = plan.first_actions()
        after = PlannerState(
            memory=memory if self.plan.memory == CARRY else None,
            history=history,
            observation=tokens,
            action=chosen,
            return_to_go=return_to_go,
            age=state.age + 1,
            num_distinct=plan.num_distinct(),
        )
        if self.is_discrete:
            # The tokens of a finite space are its numbers.
            return chosen[:, 0], after
        return discretizers.decode(self.discretizer.centers[size:-2], chosen), after

    def _read(
        self,
        prepared: tuple[Any, Any],
        state: PlannerState,
        observation: Int[Array, "batch parts"],
        return_to_go: Float[Array, " batch"],
    ) -> tuple[Array, trajectory_transformer.Memory, Array]:
        """Reads up to the present observation; returns logits, state and history after it."""
        batch, past = len(observation), self.plan.num_read
        # The difference of the targets is the reward, see `data.returns.next_target`.
        reward = (state.return_to_go - return_to_go)[:, None]
        # The place of the value holds any token: none is read.
        tail = [
            state.action,
            discretizers.encode(self.discretizer.edges[-2:-1], reward),
            jnp.zeros((batch, 1), jnp.int32),
        ]
        has_begun = (state.age > 0)[:, None]
        if state.memory is not None:
            tokens = jnp.concatenate([*tail, observation], axis=1)
            # At the first step there is no last transition.
            is_tail = jnp.arange(tokens.shape[1]) < tokens.shape[1] - observation.shape[1]
            mask = has_begun | ~is_tail[None]
            memory, first, history = state.memory, self.config.observation_size, state.history
        else:
            last = jnp.concatenate([state.observation, *tail], axis=1)[:, None]
            longer = jnp.concatenate([state.history, last], axis=1)[:, 1:]
            history = jnp.where(has_begun[..., None], longer, state.history)
            tokens = jnp.concatenate([history.reshape(batch, -1), observation], axis=1)
            # Rows are filled from the right.
            num_missing = (past - jnp.minimum(state.age, past)) * self.config.num_dimensions
            mask = jnp.arange(tokens.shape[1])[None] >= num_missing[:, None]
            memory, first = self._empty(prepared, batch), 0
        logits, memory = self._apply(prepared[0], memory, tokens, mask, first, method="read")
        return logits, memory, history

    def _empty(self, prepared: tuple[Any, Any], batch: int) -> trajectory_transformer.Memory:
        num_tokens = self.plan.num_transitions(self.max_steps) * self.config.num_dimensions
        return self._apply(prepared[0], batch, num_tokens, method="init_state")

    def _layout(self) -> beam_search.Layout:
        rewards, values = (
            jnp.pad(jnp.asarray(own, jnp.float32), (0, self.config.stop - len(own)))
            for own in self.discretizer.centers[-2:]
        )
        return beam_search.Layout(
            self.config.observation_size,
            self.config.action_size,
            rewards,
            values,
            self.discount,
            self.plan.memory == TRANSITION,
        )

    def _apply(self, params: Any, *arguments: Any, method: str) -> Any:
        model = trajectory_transformer.TrajectoryTransformer(self.config)
        return model.apply({"params": params}, *arguments, method=method)
