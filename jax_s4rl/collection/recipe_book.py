"""Every named data set, one entry each."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jax_s4rl.collection import parts, ppo_storage, ppo_update, rollouts
from jax_s4rl.data import trajectories

UMBRELLA_SETTINGS = 23


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a data set is made.

    Attributes:
        env_id: The environment, as `envs.making.make` understands it.
        parts: What is recorded, in this order.
        reference_scores: Mean return of the uniformly random and of the optimal policy.
        env_kwargs: Arguments of the environment.
        keep: Names the episodes to keep of all recorded; None keeps all.
    """

    env_id: str
    parts: tuple[parts.Part, ...]
    reference_scores: Mapping[str, float]
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    keep: Callable[[trajectories.Trajectories, Any], np.ndarray] | None = None


def book() -> dict[str, Recipe]:
    """Gives all recipes by name."""
    return {**cartpole(), **umbrella()}


def cartpole() -> dict[str, Recipe]:
    """CartPole: the strengths are mean returns of 100 (weak), 170 (medium, a third of expert) and 500 (expert)."""
    config = ppo_update.Config(
        total_steps=100_000,
        num_envs=16,
        num_minibatches=8,
        learning_rate=1e-3,
        reward_scale=0.05,
    )
    run = ppo_storage.Run("cartpole-ppo", "CartPole-v1", config, (("weak", 100.0), ("medium", 170.0)), 100_000)
    uniform, weak, medium, expert = (
        parts.Uniform(150),
        parts.Snapshot(run, "weak", 150),
        parts.Snapshot(run, "medium", 120),
        parts.Snapshot(run, "expert", 80),
    )
    contents: dict[str, tuple[parts.Part, ...]] = {
        "random": (parts.Uniform(10_000),),
        "medium": (parts.Snapshot(run, "medium", 500),),
        "expert": (parts.Snapshot(run, "expert", 200),),
        "replay": (parts.Replay(run),),
        "mixed": (uniform, weak, medium, expert),
    }
    # Random: 10,000 episodes; optimal: the time limit.
    scores = {"random": 22.1, "optimal": 500.0}
    return {f"cartpole/{name}": Recipe("CartPole-v1", content, scores) for name, content in contents.items()}


def umbrella() -> dict[str, Recipe]:
    """bsuite's umbrella_length, by setting: the optimal policy takes what the forecast says."""
    scores = {"random": 0.0, "optimal": 1.0}
    found = {}
    for setting in range(UMBRELLA_SETTINGS):
        name = f"umbrella_length/{setting}"
        mixed = (parts.Uniform(9_000), parts.Scripted("obey the forecast", _obey_forecast, 1_000))
        found[f"{name}/random"] = Recipe(name, (parts.Uniform(10_000),), scores)
        found[f"{name}/mixed"] = Recipe(name, mixed, scores)
    return found


def _obey_forecast(env: Any) -> rollouts.Behavior:
    """The first entry of the observation says whether an umbrella is needed."""
    return lambda sight, rng: np.array([int(seen[0] > 0.5) for seen in sight.observations])
