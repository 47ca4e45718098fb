"""Sources of a dataset's episodes: a behavior and a number of episodes each."""

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
    """Environment, seeds and folder with which a part is recorded.

    Attributes:
        env_id: Id of the dataset's environment.
        env_kwargs: Arguments of the environment, which set the recorded observations, for instance.
        seed: Seed of the dataset.
        stream: Number of the part within the dataset; parts share no episode seed.
        folder: Folder of trained policies.
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
        """Records a behavior.

        Args:
            behavior: Behavior to record.
            num_episodes: Number of episodes.
            name: Name of the behavior in the progress bar.
            make_view: Function that makes the environment with the behavior's observations, if they
                differ from those of the dataset. The episodes are then played again to record the
                observations of the dataset.

        Returns:
            The episodes, with the observations of the dataset.
        """
        with _progress.show(f"recording {name} on {self.env_id}", num_episodes) as advance:
            record = recording.record_episodes(
                make_view or self.make_env,
                behavior,
                num_episodes,
                seed=self.seed,
                stream=self.stream,
                advance=advance,
            )
        return recording.reenact(self.make_env, record) if make_view else record


class Part(Protocol):
    """A source of some of a dataset's episodes."""

    def describe(self) -> dict[str, Any]:
        """Describes behavior and number of episodes in JSON."""
        ...

    def record(self, context: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        ...


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Actions drawn uniformly.

    Attributes:
        num_episodes: Number of episodes.
        legal: Whether to draw only from the actions that `info["action_mask"]` allows.
    """

    num_episodes: int
    legal: bool = False

    def describe(self) -> dict[str, Any]:
        """Describes behavior and number of episodes in JSON."""
        name = "uniform over legal actions" if self.legal else "uniform"
        return {"behavior": name, "num_episodes": self.num_episodes}

    def record(self, context: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        env = context.make_env()
        behavior = behaviors.uniform_legal if self.legal else behaviors.uniform(env.action_space)
        env.close()
        return context.record(behavior, self.num_episodes, "uniform actions")


@dataclasses.dataclass(frozen=True)
class Optimal:
    """The best policy in `envs.reference_policies`.

    Attributes:
        num_episodes: Number of episodes.
    """

    num_episodes: int

    def describe(self) -> dict[str, Any]:
        """Describes behavior and number of episodes in JSON."""
        return {"behavior": "optimal", "num_episodes": self.num_episodes}

    def record(self, context: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        return context.record(behaviors.Optimal(), self.num_episodes, "the optimal policy")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A policy of PPO at one strength.

    Attributes:
        run: Training of the policy.
        strength: Name of the strength: "expert" or one of the run's.
        num_episodes: Number of episodes.
        greedy: Whether to take the likeliest action; False samples, as in training.
    """

    run: storage.Run
    strength: str
    num_episodes: int
    greedy: bool = False

    def describe(self) -> dict[str, Any]:
        """Describes behavior and number of episodes in JSON."""
        kind = "greedy" if self.greedy else "sampled"
        described = {"behavior": f"PPO, {self.strength}, {kind}", "num_episodes": self.num_episodes}
        return {**described, "training": self.run.describe()}

    def record(self, context: RecordingContext) -> trajectories.Trajectories:
        """Records the episodes."""
        policies = load_policies(self.run, context)
        behavior = storage.behavior_of(
            policies, self.run.make_env, self.strength, greedy=self.greedy
        )
        # A policy that was trained on other observations (the full state, for instance) needs them.
        is_other = (self.run.env_id, self.run.env_kwargs) != (context.env_id, context.env_kwargs)
        view = self.run.make_env if is_other else None
        return context.record(behavior, self.num_episodes, f"PPO ({self.strength})", view)


@dataclasses.dataclass(frozen=True)
class Replay:
    """The episodes of a training itself.

    Attributes:
        run: Training whose episodes are recorded.
        until: Strength at which to stop, when it was first reached; None takes all kept episodes.
    """

    run: storage.Run
    until: str | None = None

    def describe(self) -> dict[str, Any]:
        """Describes the behavior in JSON."""
        end = f"until {self.until}" if self.until else f"the first {self.run.replay_steps} steps"
        return {"behavior": f"PPO while it trains, {end}", "training": self.run.describe()}

    def record(self, context: RecordingContext) -> trajectories.Trajectories:
        """Plays the episodes of the training again, to record the dataset's observations.

        Args:
            context: Environment, seeds and folder of the dataset.

        Returns:
            The episodes of the training.

        Raises:
            ValueError: If the training keeps no episodes.
        """
        policies = load_policies(self.run, context)
        if policies.replay is None:
            raise ValueError(
                f"got the training {self.run.name}, which keeps no episodes; set its replay_steps"
            )
        chosen = np.arange(policies.replay.num_episodes)
        if self.until is not None:
            chosen = np.flatnonzero(
                policies.replay_ends <= policies.snapshots[self.until].num_steps
            )
        return recording.reenact(context.make_env, policies.replay.select(chosen))


def load_policies(run: storage.Run, context: RecordingContext) -> storage.Policies:
    """Loads or trains the policies of a run, with the seed and in the folder of the context."""
    return storage.load_or_train(run, run.make_env, seed=context.seed, folder=context.folder)
