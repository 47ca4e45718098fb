"""A task of offline learning: recorded episodes, and the environment that they come from and are judged in."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import gymnasium

from jax_s4rl.collection import datasets
from jax_s4rl.data import returns, spaces, trajectories
from jax_s4rl.envs import registry


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What a model is trained on and judged in.

    Attributes:
      env_id: name of the environment, for `envs.registry.make`.
      env_kwargs: its arguments.
      dataset: name of the data set.
      record: its episodes.
      num_actions: size of the discrete action space; None for continuous actions.
      max_steps: longest episode of the environment.
      random_return: mean return of uniformly random actions.
      optimal_return: mean return of the best policy.
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
        """The least that was still to be collected at any recorded step."""
        return float(returns.returns_to_go(self.record.rewards, self.record.episode_lengths).min())


def load(dataset: str, *, seed: int = 0, env_id: str | None = None) -> Task:
    """Loads a named data set, made on first use, and checks that it fits the environment.

    Args:
      dataset: name of a recipe, for instance "cartpole/mixed".
      seed: of the recipe.
      env_id: environment to be judged in; the one of the recipe if None.

    Returns:
      The task.

    Raises:
      ValueError: there is no such environment or recipe, or the two do not fit.
    """
    if env_id is not None:
        registry.make(env_id).close()
    record, metadata = datasets.load(dataset, seed=seed)
    name = env_id or metadata["env"]["id"]
    kwargs = metadata["env"]["kwargs"] if env_id is None else {}
    env = registry.make(name, **kwargs)
    try:
        spaces.check_fit(record, env.observation_space, env.action_space)
        discrete = isinstance(env.action_space, gymnasium.spaces.Discrete)
        longest = int(record.episode_lengths.max())
        limit = (env.spec.max_episode_steps if env.spec is not None else None) or _own_limit(env)
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


def _own_limit(env: gymnasium.Env) -> int | None:
    """The longest episode of an environment that ends its episodes itself."""
    return getattr(env.unwrapped, "max_steps", None)
