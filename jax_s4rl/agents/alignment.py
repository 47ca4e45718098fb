"""Compares the windows of training with the inputs of acting, step by step.

Four things go wrong between the two in practice: the return-to-go is off by a reward, the previous
action is that of another step, the time step starts at another number, and the environment returns
other observations than the data hold.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.agents import acting
from jax_s4rl.data import trajectories, windows
from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.models import policy as policies

# Largest difference of a number, as a share of the largest one of its kind.
TOLERANCE = 1e-4
# Predictions pass through many sums, whose order differs between a window and single steps.
PREDICTION_TOLERANCE = 1e-2


class Inputs(NamedTuple):
    """Inputs of a model at the steps of one episode, and its predictions.

    Attributes:
        returns_to_go: Return-to-go of each step, [T].
        observations: Encoded observation of each step, [T, *shape].
        previous_actions: Encoded action before each step, [T] or [T, A].
        time_steps: Index of each step, [T].
        mask: True at steps that count, [T].
        predictions: Prediction of the action at each step, [T, outputs]; None if there is none.
    """

    returns_to_go: np.ndarray
    observations: np.ndarray
    previous_actions: np.ndarray
    time_steps: np.ndarray
    mask: np.ndarray
    predictions: np.ndarray | None = None


class Mismatch(NamedTuple):
    """First difference between two sides.

    Attributes:
        what: Name of the input.
        step: Step of the episode, from 0.
        feature: Index of the number within the input.
        sides: Names of the two sides.
        values: Values of the two sides.
    """

    what: str
    step: int
    feature: int
    sides: tuple[str, str]
    values: tuple[float, float]

    @property
    def sentence(self) -> str:
        """Sentence for people."""
        (one, other), (value, another) = self.sides, self.values
        where = f"{self.what.replace('_', ' ')} {self.feature}"
        return f"step {self.step}, {where}: {value:.6g} in {one}, {another:.6g} in {other}"


def first_mismatch(
    one: Inputs, other: Inputs, sides: tuple[str, str] = ("training", "acting")
) -> Mismatch | None:
    """Finds the first step at which two inputs differ.

    Args:
        one: Inputs of an episode.
        other: Inputs of the same episode, of as many steps.
        sides: Names of the two, for the sentence.

    Returns:
        The difference at the earliest step; None if there is none.

    Example:
        >>> plain = Inputs(*(np.arange(3.0) for _ in range(4)), np.ones(3, bool))
        >>> late = plain._replace(time_steps=plain.time_steps + 1)
        >>> first_mismatch(plain, late).sentence
        'step 0, time steps 0: 0 in training, 1 in acting'
    """
    found = []
    for order, name in enumerate(Inputs._fields):
        left, right = getattr(one, name), getattr(other, name)
        if left is None or right is None:
            continue
        tolerance = PREDICTION_TOLERANCE if name == "predictions" else TOLERANCE
        place = _first_difference(left, right, tolerance)
        if place is not None:
            step, feature, values = place
            found.append((step, order, Mismatch(name, step, feature, sides, values)))
    # At the same step, a wrong input comes before the wrong prediction that it causes.
    return min(found, key=lambda each: each[:2])[2] if found else None


def of_training(
    record: trajectories.Trajectories,
    length: int,
    config: configs.DecisionTransformerConfig | None = None,
    params: Any = None,
) -> Inputs:
    """Cuts the first window of a record's first episode, as training does.

    Args:
        record: Episodes.
        length: Number of steps, at most those of the episode.
        config: Shape of the model that predicts; None for no predictions.
        params: Parameters of the model.

    Returns:
        The inputs.
    """
    cut = windows.gather_windows(windows.make_store(record), jnp.asarray([0]), length)
    predictions = None
    if config is not None:
        model = decision_transformer.DecisionTransformer(config)
        run = jax.jit(lambda *inputs: model.apply({"params": params}, *inputs))
        predicted: Any = run(
            cut.returns_to_go,
            cut.observations,
            cut.actions,
            cut.previous_actions,
            cut.time_steps,
            cut.mask,
            cut.resets,
        )
        predictions = np.asarray(predicted.action[0])
    return Inputs(
        np.asarray(cut.returns_to_go[0]),
        np.asarray(cut.observations[0]),
        np.asarray(cut.previous_actions[0]),
        np.asarray(cut.time_steps[0]),
        np.asarray(cut.mask[0]),
        predictions,
    )


def of_acting(
    policy: policies.Policy,
    params: Any,
    encoders: Any,
    episode: trajectories.Episode,
    raw_observations: Any,
    length: int,
) -> Inputs:
    """Feeds an episode step by step, as acting does, and keeps what reaches the model.

    Args:
        policy: Policy that acts.
        params: Its parameters.
        encoders: Conversions of observations and actions.
        episode: Episode, encoded; its actions are taken, whatever the policy chooses.
        raw_observations: Observations of the episode as the environment returned them.
        length: Number of steps, at most the model's context.

    Returns:
        The inputs, in float32.
    """
    probe = _Probe(
        policy.config, policy.max_steps, policy.memory, tuple(np.ravel(episode.actions).tolist())
    )
    # The target is the achieved return, so that both sides mean the same returns-to-go.
    target = float(np.sum(episode.rewards, dtype=np.float64))
    state, reward, steps = acting.start(probe, params, target), 0.0, []
    for step in range(length):
        _, state = acting.act(state, encoders, raw_observations[step], reward)
        steps.append([np.asarray(part[0]) for part in state.memory.memories[-1]])
        reward = float(episode.rewards[step])
    to_go, observations, previous, times, predictions = (
        np.stack(part) for part in zip(*steps, strict=True)
    )
    return Inputs(to_go, observations, previous, times, np.ones(length, bool), predictions)


@dataclasses.dataclass(frozen=True)
class _Probe(policies.Policy):
    """Policy that takes given actions, and keeps in its state what its model got and predicted."""

    script: tuple[float, ...] = ()

    def init(self, prepared: Any, num_envs: int) -> policies.PolicyState:
        state = super().init(prepared, num_envs)
        # A count of its own, because that of the policy may be what is wrong.
        return state._replace(memories=[*state.memories, jnp.zeros((), jnp.int32), ()])

    def act(
        self,
        prepared: Any,
        state: policies.PolicyState,
        observation: Any,
        return_to_go: Any,
        greedy: Any,
        key: Any,
    ) -> Any:
        chosen, after = super().act(prepared, state, observation, return_to_go, greedy, key)
        script = jnp.asarray(self.script, chosen.dtype).reshape(-1, *chosen.shape[1:])
        action = script[state.memories[-2]][None]
        # Only what the policy took over from its choice is replaced: if it carries another action,
        # that is a mismatch.
        is_own = after.previous_action == chosen
        previous = jnp.where(is_own, action, after.previous_action)
        return action, after._replace(previous_action=previous)

    def _step(
        self, params: Any, constants: Any, memories: list[Any], inputs: Any, reset: Any
    ) -> Any:
        predicted, after = super()._step(params, constants, memories[:-2], inputs, reset)
        to_go, observation, previous, time = inputs
        kept = [jnp.asarray(part, jnp.float32) for part in (to_go, observation, previous, time)]
        return predicted, [*after, memories[-2] + 1, (*kept, predicted.action)]


def _first_difference(
    one: np.ndarray, other: np.ndarray, tolerance: float
) -> tuple[int, int, tuple[float, float]] | None:
    """Returns step, feature and both values of the first difference."""
    left, right = (
        np.reshape(np.asarray(values, np.float64), (len(values), -1)) for values in (one, other)
    )
    largest = max(np.abs(left).max(initial=0), np.abs(right).max(initial=0), 1e-6)
    # A feature of its own size: a small one beside a large one is compared by itself.
    sizes = np.maximum(np.abs(left).max(axis=0, initial=0), np.abs(right).max(axis=0, initial=0))
    allowed = tolerance * np.maximum(sizes, 1e-3 * largest)
    places = np.argwhere(~(np.abs(left - right) <= allowed))
    if not len(places):
        return None
    step, feature = places[0].tolist()
    return step, feature, (float(left[step, feature]), float(right[step, feature]))
