"""Tasks of offline learning: a dataset, and the environment in which agents are evaluated."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from jax_s4rl.collection import datasets, stored_environments
from jax_s4rl.data import actions, observations, returns, trajectories
from jax_s4rl.data.spaces import check_fit
from jax_s4rl.envs import registry


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Dataset of a training and environment of its evaluation.

    Attributes:
        env_id: Name of the environment, for `envs.registry.make`; None if there is none, or if
            `factory` makes it.
        env_kwargs: Arguments of the environment.
        dataset: Name of the dataset.
        record: Episodes of the dataset, encoded (`data.observations`, `data.actions`).
        num_actions: Size of the encoded action space if it is discrete; None for continuous
            actions.
        max_steps: Longest episode of the environment, in steps.
        random_return: Mean return of uniformly random actions; NaN if it is not known.
        optimal_return: Mean return of the best policy; NaN if it is not known.
        factory: Function that makes the environment; None to make it by its name.
        observation_space: Observation space of the environment; that of a made one if None.
        action_space: Action space of the environment; that of a made one if None.
    """

    env_id: str | None
    env_kwargs: Mapping[str, Any]
    dataset: str
    record: trajectories.Trajectories
    num_actions: int | None
    max_steps: int
    random_return: float = math.nan
    optimal_return: float = math.nan
    factory: Callable[[], gymnasium.Env] | None = None
    observation_space: gymnasium.Space | None = None
    action_space: gymnasium.Space | None = None

    @property
    def has_env(self) -> bool:
        """Whether there is an environment to act in."""
        return self.factory is not None or self.env_id is not None

    def make_env(self) -> gymnasium.Env:
        """Makes one environment.

        Raises:
            ValueError: If the task has none.
        """
        return make_env(self.env_id, self.env_kwargs, self.factory, self.max_steps)

    @property
    def trusted_factory(self) -> Callable[[], gymnasium.Env] | None:
        """Function that makes the environment of a caller who named it; None if the name will do.

        A run directory with these arguments may be a stranger's, so they are not taken from there.
        """
        if self.factory is not None or self.env_id is None or not self.env_kwargs:
            return self.factory
        env_id, kwargs, max_steps = self.env_id, self.env_kwargs, self.max_steps

        def make(render_mode: str | None = kwargs.get("render_mode")) -> gymnasium.Env:
            mode = {} if render_mode is None else {"render_mode": render_mode}
            return make_env(env_id, {**kwargs, **mode}, None, max_steps)

        return make

    @functools.cached_property
    def encoders(self) -> tuple[observations.Encoder, actions.Encoder]:
        """Conversions of the environment's observations and actions."""
        observation_space, action_space = self.observation_space, self.action_space
        if observation_space is None or action_space is None:
            with contextlib.closing(self.make_env()) as env:
                observation_space = observation_space or env.observation_space
                action_space = action_space or env.action_space
        return observations.encoder(observation_space), actions.encoder(action_space)

    @property
    def lowest_return_to_go(self) -> float:
        """Lowest return-to-go of all recorded steps."""
        return float(returns.returns_to_go(self.record.rewards, self.record.episode_lengths).min())


def load(dataset: str, *, seed: int = 0, env_id: str | None = None) -> Task:
    """Loads a named dataset, recorded on first use, and checks that it fits the environment.

    Args:
        dataset: Name in the catalog, for instance "cartpole/mixed".
        seed: Seed of the recording.
        env_id: Name of the environment for the evaluation; that of the dataset if None.

    Returns:
        The task.

    Raises:
        ValueError: If there is no such environment or dataset, or the two do not fit.
    """
    if env_id is not None:
        # Before the dataset is loaded, which may take minutes: fails if there is no such name.
        registry.make(env_id).close()
    record, metadata = datasets.load(dataset, seed=seed)
    name, kwargs = (env_id, {}) if env_id is not None else _named_env(metadata)
    return describe(record, dataset, name, kwargs, scores=metadata["reference_scores"])


def _named_env(metadata: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    named = stored_environments.of_metadata(metadata)
    if named is None:
        raise ValueError("got a data set that names no environment; pass env_id=")
    return named


def describe(
    record: trajectories.Trajectories,
    dataset: str,
    env_id: str | None,
    env_kwargs: Mapping[str, Any],
    *,
    scores: Mapping[str, Any],
    factory: Callable[[], gymnasium.Env] | None = None,
) -> Task:
    """Makes the task of a record and an environment.

    Args:
        record: Episodes, encoded.
        dataset: Name of the dataset.
        env_id: Name of the environment; None if `factory` makes it.
        env_kwargs: Arguments of the environment.
        scores: Reference scores by name, "random" and "optimal"; what is missing is not known.
        factory: Function that makes the environment; None to make it by its name.

    Returns:
        The task.

    Raises:
        ValueError: If there is no such environment, its spaces cannot be encoded, or the record
            does not fit them.
    """
    longest = int(record.episode_lengths.max())
    with contextlib.closing(make_env(env_id, env_kwargs, factory, None)) as env:
        spaces = env.observation_space, env.action_space
        limit = max_steps_of(env) or longest
    action = actions.encoder(spaces[1])
    check_fit(record, observations.encoder(spaces[0]).encoded_space, action.encoded_space)
    return Task(
        env_id=env_id,
        env_kwargs=env_kwargs,
        dataset=dataset,
        record=record,
        num_actions=action.num_actions,
        max_steps=max(longest, limit),
        random_return=score_of(scores, "random"),
        optimal_return=score_of(scores, "optimal"),
        factory=factory,
        observation_space=spaces[0],
        action_space=spaces[1],
    )


def score_of(scores: Mapping[str, Any], name: str) -> float:
    """Returns a reference score of a dataset.

    Args:
        scores: Reference scores by name.
        name: Name of the score, "random" or "optimal".

    Returns:
        The score; NaN if it is not known.
    """
    score = scores.get(name)
    return math.nan if score is None else float(score)


def make_env(
    env_id: str | None,
    env_kwargs: Mapping[str, Any],
    factory: Callable[[], gymnasium.Env] | None,
    max_steps: int | None,
) -> gymnasium.Env:
    """Makes an environment by a function or by its name.

    Args:
        env_id: Name of the environment.
        env_kwargs: Arguments of the environment.
        factory: Function that makes it; None to make it by its name.
        max_steps: Number of steps after which an environment without a limit of its own is
            truncated; None for never.

    Returns:
        The environment.

    Raises:
        ValueError: If there is neither a name nor a function, or no such environment.
    """
    if factory is not None:
        env = factory()
    elif env_id is not None:
        env = registry.make(env_id, disable_env_checker=True, **env_kwargs)
    else:
        raise ValueError(
            "got data without an environment, so nothing can be acted in; pass env=, an id such as "
            '"CartPole-v1", "module:function", or a function that makes an environment'
        )
    if max_steps is not None and isinstance(env, gymnasium.Env) and max_steps_of(env) is None:
        return gymnasium.wrappers.TimeLimit(env, max_steps)
    return env


def max_steps_of(env: gymnasium.Env) -> int | None:
    """Returns the longest episode of an environment, if it says so.

    Args:
        env: Environment.

    Returns:
        The limit of its specification, or its own attribute `max_steps`; None without both.
    """
    spec = getattr(env, "spec", None)
    limit = spec.max_episode_steps if spec is not None else None
    return limit or getattr(getattr(env, "unwrapped", env), "max_steps", None)
