"""Writes an episode down while it happens."""

from typing import Any

import numpy as np

from jax_s4rl.data import trajectories


class EpisodeRecorder:
    """Writes down one episode, step by step.

    Example:
      >>> notes = EpisodeRecorder(np.zeros(2), seed=3)
      >>> notes.write(1, 0.5, np.ones(2))
      >>> episode = notes.close(terminated=True, truncated=False)
      >>> episode.rewards.tolist(), episode.final_observation.tolist(), episode.seed
      ([0.5], [1.0, 1.0], 3)
    """

    def __init__(self, observation: Any, seed: int):
        """Opens at the observation that `reset(seed=seed)` gave."""
        self.observations = [np.array(observation)]
        self.actions: list[Any] = []
        self.rewards: list[float] = []
        self.seed = seed

    def write(self, action: Any, reward: Any, observation: Any) -> None:
        """Adds one step: the action, what it earned, what was seen after it."""
        self.actions.append(action)
        self.rewards.append(reward)
        self.observations.append(np.array(observation))

    def close(self, terminated: bool, truncated: bool) -> trajectories.Episode:
        """Gives the episode; the flags belong to its last step."""
        last = np.arange(len(self.rewards)) == len(self.rewards) - 1
        return trajectories.Episode(
            observations=np.stack(self.observations[:-1]),
            actions=np.array(self.actions),
            rewards=np.array(self.rewards, np.float32),
            terminations=last & terminated,
            truncations=last & truncated,
            final_observation=self.observations[-1],
            seed=self.seed,
        )
