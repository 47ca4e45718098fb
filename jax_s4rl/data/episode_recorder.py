"""Recorder of one episode, step by step."""

from typing import Any

import numpy as np

from jax_s4rl.data import trajectories


class EpisodeRecorder:
    """Records one episode, step by step.

    Args:
        observation: Observation that `reset(seed=seed)` returned.
        seed: Seed of the episode.

    Example:
        >>> notes = EpisodeRecorder(np.zeros(2), seed=3)
        >>> notes.write(1, 0.5, np.ones(2))
        >>> episode = notes.close(terminated=True, truncated=False)
        >>> episode.rewards.tolist(), episode.final_observation.tolist(), episode.seed
        ([0.5], [1.0, 1.0], 3)
    """

    def __init__(self, observation: Any, seed: int):
        # Copies, here and in `write`: an environment may return the same array at every step.
        self.observations = [np.array(observation)]
        self.actions: list[Any] = []
        self.rewards: list[float] = []
        self.seed = seed

    def write(self, action: Any, reward: Any, observation: Any) -> None:
        """Adds one step.

        Args:
            action: Action of the step.
            reward: Reward of the step.
            observation: Observation after the action.
        """
        self.actions.append(action)
        self.rewards.append(reward)
        is_array = isinstance(observation, np.ndarray)
        self.observations.append(observation.copy() if is_array else np.array(observation))

    def close(self, terminated: bool, truncated: bool) -> trajectories.Episode:
        """Returns the episode.

        Args:
            terminated: Whether the last step terminated the episode.
            truncated: Whether the last step truncated the episode.

        Returns:
            The recorded episode; its flags are set at the last step only.
        """
        last = np.arange(len(self.rewards)) == len(self.rewards) - 1
        return trajectories.Episode(
            observations=np.stack(self.observations[:-1]),
            actions=np.array(self.actions),
            rewards=np.array(self.rewards, np.float64),
            terminations=last & terminated,
            truncations=last & truncated,
            final_observation=self.observations[-1],
            seed=self.seed,
        )
