"""Tasks of offline learning: a dataset, and the environment in which agents are evaluated."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import gymnasium

from jax_s4rl.collection import datasets
from jax_s4rl.data import returns, spaces, trajectories
from jax_s4rl.envs import registry


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Dataset of a training and environment of its evaluation.

    Attributes:
        env_id: Name of the environment, for `envs.registry.make`.
        env_kwargs: Arguments of the environment.
        dataset: Name of the dataset.
        record: Episodes of the dataset.
        num_actions: Size of the discrete action space; None for continuous actions.
        max_steps: Longest episode of the environment, in steps.
        random_return: Mean return of uniformly random actions.
        optimal_return: Mean return of the best policy.
    """

    env_id: str
    env_kwargs: Mapping[str, Any]
    dataset: str
    record: trajectories.Trajectories
    num_actions: int | None
    max_steps: int
    random_return: float
    optimal_return: float

    def make_env(self) -> gymnasium.Env:
        """Makes one environment."""
        return registry.make(self.env_id, disable_env_checker=True, **self.env_kwargs)

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
    name = env_id or metadata["env"]["id"]
    kwargs = metadata["env"]["kwargs"] if env_id is None else {}
    env = registry.make(name, **kwargs)
    try:
        spaces.check_fit(record, env.observation_space, env.action_space)
        discrete = isinstance(env.action_space, gymnasium.spaces.Discrete)
        longest = int(record.episode_lengths.max())
        limit = (env.spec.max_episode_steps if env.spec is not None else None) or _max_steps_of(env)
        return Task(
            env_id=name,
            env_kwargs=kwargs,
            dataset=dataset,
            record=record,
            num_actions=int(env.action_space.n) if discrete else None,  # pyright: ignore[reportAttributeAccessIssue]
            max_steps=max(longest, limit or longest),
            random_return=metadata["reference_scores"]["random"],
            optimal_return=metadata["reference_scores"]["optimal"],
        )
    finally:
        env.close()


def _max_steps_of(env: gymnasium.Env) -> int | None:
    """Returns the longest episode of an environment without a time limit wrapper, if it has one."""
    return getattr(env.unwrapped, "max_steps", None)
