"""What a data set is put together from: so many episodes of this behavior, so many of that."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np

from jax_s4rl.collection import _progress, behaviors, recording
from jax_s4rl.collection.ppo import storage
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry


@dataclasses.dataclass(frozen=True)
class RecordingContext:
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

    def make_env(self) -> gymnasium.Env:
        """Makes the environment whose observations are recorded."""
        return registry.make(self.env_id, disable_env_checker=True, **self.env_kwargs)

    def record(
        self,
        behavior: recording.Behavior,
        num_episodes: int,
        name: str,
        make_view: recording.MakeEnv | None = None,
    ) -> trajectories.Trajectories:
        """Records a behavior; one that sees the world through `make_view` is played again for the record's own eyes."""
        with _progress.show(f"recording {name} on {self.env_id}", num_episodes) as advance:
            found = recording.record_episodes(
                make_view or self.make_env, behavior, num_episodes, seed=self.seed, stream=self.stream, advance=advance
            )
        return recording.reenact(self.make_env, found) if make_view else found


class Part(Protocol):
    """Some episodes of a data set."""

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        ...

    def record(self, stage: RecordingContext) -> trajectories.Trajectories:
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

    def record(self, stage: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        env = stage.make_env()
        behavior = behaviors.uniform_legal if self.legal else behaviors.uniform(env.action_space)
        env.close()
        return stage.record(behavior, self.num_episodes, "uniform actions")


@dataclasses.dataclass(frozen=True)
class Optimal:
    """The best policy that `envs.policies` knows."""

    num_episodes: int

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        return {"behavior": "optimal", "num_episodes": self.num_episodes}

    def record(self, stage: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        return stage.record(behaviors.Optimal(), self.num_episodes, "the optimal policy")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A policy of PPO at one strength, acting as it did in training (sampled) or at its best guess (greedy)."""

    run: storage.Run
    strength: str
    num_episodes: int
    greedy: bool = False

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved and how often."""
        kind = "greedy" if self.greedy else "sampled"
        described = {"behavior": f"PPO, {self.strength}, {kind}", "num_episodes": self.num_episodes}
        return {**described, "training": self.run.describe()}

    def record(self, stage: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        policies = load_policies(self.run, stage)
        behavior = storage.behavior_of(policies, self.run.make_env, self.strength, greedy=self.greedy)
        sees_more = (self.run.env_id, self.run.env_kwargs) != (stage.env_id, stage.env_kwargs)
        view = self.run.make_env if sees_more else None
        return stage.record(behavior, self.num_episodes, f"PPO ({self.strength})", view)


@dataclasses.dataclass(frozen=True)
class Replay:
    """The episodes of a training itself, until it first reached a strength (None: all that were kept)."""

    run: storage.Run
    until: str | None = None

    def describe(self) -> dict[str, Any]:
        """Says in JSON what behaved."""
        end = f"until {self.until}" if self.until else f"the first {self.run.replay_steps} steps"
        return {"behavior": f"PPO while it trains, {end}", "training": self.run.describe()}

    def record(self, stage: RecordingContext) -> trajectories.Trajectories:
        """Plays the episodes of the training again, in the eyes of the data set's environment."""
        policies = load_policies(self.run, stage)
        if policies.replay is None:
            raise ValueError(f"the training {self.run.name} keeps no episodes; give it replay_steps")
        chosen = np.arange(policies.replay.num_episodes)
        if self.until is not None:
            chosen = np.flatnonzero(policies.replay_ends <= policies.snapshots[self.until].num_steps)
        return recording.reenact(stage.make_env, policies.replay.select(chosen))


def load_policies(run: storage.Run, stage: RecordingContext) -> storage.Policies:
    """Reads or trains the policies of a run, with the seed and in the folder of the stage."""
    return storage.load_or_train(run, run.make_env, seed=stage.seed, folder=stage.folder)
