"""What a data set is put together from: so many episodes of this behavior, so many of that."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jax_s4rl.collection import ppo_storage, progress, random_policy, rollouts
from jax_s4rl.data import trajectories
from jax_s4rl.envs import making


@dataclasses.dataclass(frozen=True)
class Stage:
    """Where and how a part is recorded.

    Attributes:
        env_id: Environment of the data set.
        env_kwargs: Its arguments, that is what the record shows.
        seed: Of the data set.
        stream: Which part of the data set this is; parts share no episode seed.
        folder: Where trained policies are kept.
    """

    env_id: str
    env_kwargs: Mapping[str, Any]
    seed: int
    stream: int
    folder: Path

    def make_env(self, **changes: Any) -> Any:
        """Makes the environment, some of its arguments changed."""
        return making.make(self.env_id, disable_env_checker=True, **{**self.env_kwargs, **changes})

    def record(
        self, behavior: rollouts.Behavior, num_episodes: int, name: str, view: Mapping[str, Any]
    ) -> trajectories.Trajectories:
        """Records a behavior that sees the environment as `view` shows it; the record shows it as `env_kwargs` say."""
        with progress.show(f"recording {name} on {self.env_id}", num_episodes) as advance:
            found = rollouts.record_episodes(
                lambda: self.make_env(**view),
                behavior,
                num_episodes,
                seed=self.seed,
                stream=self.stream,
                advance=advance,
            )
        return rollouts.reenact(self.make_env, found) if view else found


class Part(Protocol):
    """Some episodes of a data set."""

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        ...

    def record(self, stage: Stage) -> trajectories.Trajectories:
        """Records the episodes."""
        ...


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Actions drawn uniformly; with `legal` from those that `info["action_mask"]` allows."""

    num_episodes: int
    legal: bool = False

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        name = "uniform over legal actions" if self.legal else "uniform"
        return {"behavior": name, "num_episodes": self.num_episodes}

    def record(self, stage: Stage) -> trajectories.Trajectories:
        """Records the episodes."""
        env = stage.make_env()
        behavior = random_policy.uniform_legal if self.legal else random_policy.uniform(env.action_space)
        env.close()
        return stage.record(behavior, self.num_episodes, "uniform actions", {})


@dataclasses.dataclass(frozen=True)
class Scripted:
    """A rule written by hand: given one environment, as `view` shows it, it makes the behavior."""

    name: str
    make: Callable[[Any], rollouts.Behavior]
    num_episodes: int
    view: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        return {"behavior": self.name, "num_episodes": self.num_episodes}

    def record(self, stage: Stage) -> trajectories.Trajectories:
        """Records the episodes."""
        env = stage.make_env(**self.view)
        behavior = self.make(env)
        env.close()
        return stage.record(behavior, self.num_episodes, self.name, self.view)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A policy of PPO at one strength, acting as it did in training (sampled) or at its best guess (greedy)."""

    run: ppo_storage.Run
    strength: str
    num_episodes: int
    greedy: bool = False

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        kind = "greedy" if self.greedy else "sampled"
        described = {"behavior": f"PPO, {self.strength}, {kind}", "num_episodes": self.num_episodes}
        return {**described, "training": self.run.describe()}

    def record(self, stage: Stage) -> trajectories.Trajectories:
        """Records the episodes."""
        view = dict(self.run.env_kwargs)
        policies = load_policies(self.run, stage)
        behavior = ppo_storage.behavior_of(policies, lambda: stage.make_env(**view), self.strength, greedy=self.greedy)
        return stage.record(behavior, self.num_episodes, f"PPO ({self.strength})", view)


@dataclasses.dataclass(frozen=True)
class Replay:
    """The episodes of a training itself, until it first reached a strength (None: all that were kept)."""

    run: ppo_storage.Run
    until: str | None = None

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved."""
        end = f"until {self.until}" if self.until else f"the first {self.run.replay_steps} steps"
        return {"behavior": f"PPO while it trains, {end}", "training": self.run.describe()}

    def record(self, stage: Stage) -> trajectories.Trajectories:
        """Plays the episodes of the training again, in the eyes of the data set's environment."""
        policies = load_policies(self.run, stage)
        if policies.replay is None:
            raise ValueError(f"the training {self.run.name} keeps no episodes; give it replay_steps")
        chosen = np.arange(policies.replay.num_episodes)
        if self.until is not None:
            chosen = np.flatnonzero(policies.replay_ends <= policies.snapshots[self.until].num_steps)
        return rollouts.reenact(stage.make_env, policies.replay.select(chosen))


def load_policies(run: ppo_storage.Run, stage: Stage) -> ppo_storage.Policies:
    """Reads or trains the policies of a run, with the seed and in the folder of the stage."""
    return ppo_storage.load_or_train(
        run, lambda: stage.make_env(**run.env_kwargs), seed=stage.seed, folder=stage.folder
    )
