"""Environments of an online training: played side by side, recorded, each episode with its seed."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, Shaped

from jax_s4rl.collection import recording, seeding
from jax_s4rl.collection.ppo import policy
from jax_s4rl.data import episode_recorder, trajectories


class Step(NamedTuple):
    """What one step of B environments gave.

    Attributes:
        rewards: Rewards.
        terminations: Whether the environment ended the episode.
        truncations: Whether a time limit cut the episode.
        next_observations: True next observations, of an ended episode its last one.
        returns: Returns of the episodes that ended, in the order of the environments.
        episodes: The same episodes if they were recorded, otherwise none.
    """

    rewards: Float[np.ndarray, " B"]
    terminations: Bool[np.ndarray, " B"]
    truncations: Bool[np.ndarray, " B"]
    next_observations: Float[np.ndarray, "B O"]
    returns: list[float]
    episodes: list[trajectories.Episode]


class Environments:
    """Several environments with flat observations, which start anew in the step that ends them.

    Args:
        make_env: Function that makes one environment.
        num_envs: Number of environments.
        seed: Seed of the training.
        streams: Streams of its episodes' seeds, see `seeding.episode_seeds`, one after the other.

    Attributes:
        observations: Observations to act on next, `[B, O]`.

    Raises:
        ValueError: If an environment returns something else than its spaces say.

    Example:
        >>> envs = Environments(lambda: gymnasium.make("CartPole-v1"), 2, seed=0, streams=(15,))
        >>> envs.step(np.array([0, 1])).rewards.tolist()
        [1.0, 1.0]
        >>> envs.close()
    """

    def __init__(
        self, make_env: recording.MakeEnv, num_envs: int, *, seed: int, streams: Sequence[int]
    ):
        # Without copies, reset and step return the vector environment's own buffer of observations.
        self._envs = gymnasium.vector.SyncVectorEnv(
            [_view_maker(make_env, seed, streams, index, num_envs) for index in range(num_envs)],
            copy=False,
            autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
        )
        observations, _ = self._envs.reset()
        self.observations = observations.copy()
        self._returns = np.zeros(num_envs)
        self._recorders = [self._recorder(row, index) for index, row in enumerate(observations)]

    @property
    def one(self) -> gymnasium.Env:
        """The first environment, with the observations that it has by itself."""
        view = self._envs.envs[0]
        return view.env if isinstance(view, policy.PolicyView) else view

    def step(self, actions: Shaped[np.ndarray, "B *action"], *, records: bool = True) -> Step:
        """Plays one step in all environments.

        Args:
            actions: An action of each environment.
            records: Whether the step is recorded. Once a step was not, none should be any more.

        Returns:
            What the step gave; `observations` hold what to act on next.
        """
        after, rewards, terminations, truncations, infos = self._envs.step(actions)
        # The next step overwrites the buffer of the vector environment.
        after = after.copy()
        next_observations = after
        ended = np.flatnonzero(terminations | truncations)
        # The vector environment resets in the step that ends an episode: `after` then holds the
        # first observation of the next episode, and the infos the last of the ended one.
        if len(ended):
            next_observations = after.copy()
            for index in ended:
                next_observations[index] = infos["final_obs"][index]
        self._returns += rewards
        returns = [float(self._returns[index]) for index in ended]
        self._returns[ended] = 0.0
        episodes = []
        if records:
            for index, recorder in enumerate(self._recorders):
                recorder.write(actions[index], rewards[index], next_observations[index])
            episodes = [
                self._recorders[index].close(bool(terminations[index]), bool(truncations[index]))
                for index in ended
            ]
        for index in ended:
            self._recorders[index] = self._recorder(after[index], int(index))
        self.observations = after
        return Step(
            rewards.astype(np.float32),
            terminations,
            truncations,
            next_observations,
            returns,
            episodes,
        )

    def close(self) -> None:
        """Closes the environments."""
        self._envs.close()

    def _recorder(self, observation: np.ndarray, index: int) -> episode_recorder.EpisodeRecorder:
        return episode_recorder.EpisodeRecorder(observation, self._envs.envs[index].episode_seed)  # pyright: ignore[reportAttributeAccessIssue]


def _view_maker(
    make_env: recording.MakeEnv, seed: int, streams: Sequence[int], index: int, num_envs: int
) -> recording.MakeEnv:
    """Makes the constructor of one environment with its own seeds of the training's streams."""
    # A lambda in the caller's loop would bind the last index in all environments.
    return lambda: policy.PolicyView(make_env(), _seeds(seed, streams, index, num_envs), index)


def _seeds(seed: int, streams: Sequence[int], index: int, num_envs: int) -> Iterator[int]:
    """Counts through the seeds of one environment; the last stream raises at its end."""
    for stream in streams[:-1]:
        every = seeding.episode_seeds(seed, stream, index, num_envs)
        yield from itertools.islice(every, seeding.EPISODES_PER_STREAM // num_envs)
    yield from seeding.episode_seeds(seed, streams[-1], index, num_envs)
