"""Plays environments step by step, and checks everything that they return.

Environments are written by others: their observations may have another type or shape than their
space says, or be one array that changes at every step; rewards and flags may be arrays; `reset` may
be that of the old Gym. Whatever a player returns is what records hold and models read.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Shaped

from jax_s4rl.data import _values, actions, episode_recorder, observations, trajectories

INTERFACE = (
    "wanted Gymnasium's interface: reset(seed=...) returns an observation and a dictionary, "
    "step(action) returns observation, reward, terminated, truncated and a dictionary; wrap an "
    "environment of the old Gym with the package shimmy, or port it"
)


LARGEST = float(np.finfo(np.float32).max)


class Player:
    """Plays and records one environment, episode after episode.

    Args:
        env: Environment of Gymnasium's interface, with any spaces that can be encoded (see
            `observations` and `actions`).
        number: Index of the environment among several, for messages.

    Attributes:
        env: The environment.
        observation: Encoded observation of the current step.
        raw_observation: The same, as the environment returned it.
        info: Information that the environment returned with it.
        age: Number of steps of the current episode.

    Errors that the environment itself raises stay as they are, with a note that says where.

    Raises:
        ValueError: If the environment has another interface, or a space cannot be encoded.

    Example:
        >>> player = Player(gymnasium.make("CartPole-v1"))
        >>> player.reset(seed=3).shape
        (4,)
        >>> observation, reward, is_over = player.step(1)
        >>> reward, is_over, player.age
        (1.0, False, 1)
    """

    def __init__(self, env: Any, number: int = 0):
        check_interface(env)
        self.env, self.number = env, number
        self.observations = observations.encoder(env.observation_space)
        self.actions = actions.encoder(env.action_space)
        self.age = 0
        self.terminated = self.truncated = False
        self._recorder: episode_recorder.EpisodeRecorder | None = None

    def reset(self, seed: int) -> Shaped[np.ndarray, "*shape"]:
        """Starts an episode.

        Args:
            seed: Seed of the episode.

        Returns:
            The encoded observation.

        Raises:
            ValueError: If the environment returns something else than its space says.
        """
        self.age, self.seed, self._recorder = 0, seed, None
        try:
            returned = self.env.reset(seed=seed)
        except Exception as error:
            # Raised by the call itself, not by something within the environment.
            if isinstance(error, TypeError) and "reset() " in str(error):
                raise ValueError(f"got an environment whose {error}; {INTERFACE}") from None
            error.add_note(f"raised by {self._place()}")
            raise
        is_pair = isinstance(returned, tuple) and len(returned) == 2
        if not is_pair or not isinstance(returned[1], Mapping | None):
            raise ValueError(f"got {_brief(returned)} from reset of {self.env}; {INTERFACE}")
        try:
            self._look(*returned)
        except ValueError as error:
            raise self._located(error) from None
        self.terminated = self.truncated = False
        self._recorder = episode_recorder.EpisodeRecorder(self.observation, seed)
        return self.observation

    def step(self, action: Any) -> tuple[Shaped[np.ndarray, "*shape"], float, bool]:
        """Takes an action and records the step.

        Args:
            action: Encoded action (see `actions`): a whole number, or a vector.

        Returns:
            The encoded observation after it, the reward, and whether the episode is over.

        Raises:
            ValueError: If there was no reset, the episode is over, the action is not one of the
                environment, or the environment returns something else than its space says, or
                numbers that are not finite.
        """
        if self._recorder is None:
            raise ValueError("got a step before the first reset; call reset(seed) first")
        if self.terminated or self.truncated:
            raise self._located(ValueError("got a step after the end; call reset(seed) first"))
        returned, kept = self.send(action)
        reward = self.receive(returned)
        self._recorder.write(kept, reward, self.observation)
        return self.observation, reward, self.terminated or self.truncated

    def send(self, action: Any) -> tuple[Any, Any]:
        """Takes an action in the environment; nothing is recorded.

        Args:
            action: Encoded action.

        Returns:
            What the environment returned, and what a record holds of the action.

        Raises:
            ValueError: If the action is not one of the environment.
        """
        try:
            given, kept = self.actions.decode_and_keep(action)
        except ValueError as error:
            raise self._located(error) from None
        self.age += 1
        try:
            return self.env.step(given), kept
        except Exception as error:
            error.add_note(f"raised by {self._place()}")
            raise

    def receive(self, returned: Any) -> float:
        """Checks what the environment returned from a step, and keeps it in the attributes.

        Args:
            returned: First result of `send`.

        Returns:
            The reward.

        Raises:
            ValueError: If it is something else than the spaces say, or numbers are not finite.
        """
        if not isinstance(returned, tuple) or len(returned) != 5:
            raise ValueError(f"got {_brief(returned)} from step of {self.env}; {INTERFACE}")
        observation, reward, terminated, truncated, info = returned
        try:
            self._look(observation, info)
            reward = _number("reward", reward)
            self.terminated = _flag("terminated", terminated)
            self.truncated = _flag("truncated", truncated)
        except ValueError as error:
            raise self._located(error) from None
        return reward

    def episode(self, *, is_cut: bool = False) -> trajectories.Episode:
        """Returns the episode that was played since `reset`.

        Args:
            is_cut: Whether a limit of the caller ended it, which counts as a truncation.

        Returns:
            The episode, encoded.

        Raises:
            ValueError: If no step was played.
        """
        if self._recorder is None or not self.age:
            raise ValueError("got an episode without steps; call reset(seed), then step(action)")
        return self._recorder.close(self.terminated, self.truncated or is_cut)

    def _look(self, observation: Any, info: Any) -> None:
        """Copies and encodes an observation: several environments may write into one array."""
        self.raw_observation, self.info = _copied(observation), info
        encoded = self.observations.encode(self.raw_observation)
        if not _values.all_finite(encoded):
            raise ValueError(
                f"got the observation {encoded[~np.isfinite(encoded)].flat[0]}, wanted finite "
                "numbers; look into the environment"
            )
        self.observation = encoded

    def _located(self, error: ValueError) -> ValueError:
        """Adds to an error where it happened."""
        return ValueError(f"{self._place()}: {error}")

    def _place(self) -> str:
        return f"environment {self.number}, seed {self.seed}, step {self.age}"


@contextlib.contextmanager
def open_players(make_env: Any, count: int) -> Iterator[list[Player]]:
    """Makes environments that are played side by side, and closes them at the end.

    Args:
        make_env: Function that makes one environment.
        count: Number of environments.

    Yields:
        A player for each environment.

    Raises:
        ValueError: If `make_env` is not a function, two environments are the same object, or one
            cannot be played.
    """
    if not callable(make_env):
        raise ValueError(
            f"got {make_env!r}, wanted a function that makes a new environment at each call, for "
            "instance lambda: gymnasium.make(...)"
        )
    envs: list[Any] = []
    try:
        for _ in range(count):
            envs.append(make_env())
            check_interface(envs[-1])
        if len({id(getattr(env, "unwrapped", env)) for env in envs}) < count:
            raise ValueError(
                f"got {count} times the same environment; give a function that makes a new one at "
                "each call, for instance lambda: gymnasium.make(...)"
            )
        yield [Player(env, number) for number, env in enumerate(envs)]
    finally:
        for env in envs:
            if not isinstance(env, type):
                getattr(env, "close", lambda: None)()


def check_interface(env: Any) -> None:
    """Checks that an object is one environment of Gymnasium's interface, as far as can be seen.

    Args:
        env: Environment.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(env, type):
        raise ValueError(
            f"got the class {env.__name__}, wanted an environment; give the class itself where a "
            "function that makes one is wanted"
        )
    if isinstance(env, gymnasium.vector.VectorEnv) or hasattr(env, "single_observation_space"):
        raise ValueError(
            f"got the vector environment {env}, wanted a single one; give a function that makes "
            "one environment: as many as are needed are made and played side by side"
        )
    needed = ("reset", "step", "observation_space", "action_space")
    missing = [name for name in needed if not hasattr(env, name)]
    if missing:
        raise ValueError(f"got {env!r} without {', '.join(missing)}; {INTERFACE}")


def _copied(observation: Any) -> Any:
    """Copies the arrays of an observation, in the parts of which it may consist."""
    if isinstance(observation, np.ndarray):
        return observation.copy()
    if isinstance(observation, dict):
        return {name: _copied(part) for name, part in observation.items()}
    if isinstance(observation, list | tuple):
        return [_copied(part) for part in observation]
    return observation


def _number(name: str, value: Any) -> float:
    if type(value) is not float:
        array = _values.numeric(f"the {name}", value)
        if array.size != 1:
            raise ValueError(
                f"got the {name} {_brief(value)}, wanted one number; look into the environment"
            )
        value = float(array.reshape(()))
    if not abs(value) <= LARGEST:
        raise ValueError(
            f"got the {name} {value}, wanted a finite number of at most 3.4e+38; look into the "
            "environment"
        )
    return value


def _flag(name: str, value: Any) -> bool:
    if type(value) is bool:
        return value
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub" or array.reshape(()) not in (0, 1):
        raise ValueError(
            f"got {_brief(value)} as `{name}`, wanted True or False; look into the environment"
        )
    return bool(array.reshape(()))


def _brief(value: Any) -> str:
    """Describes a value in a few words."""
    if isinstance(value, tuple):
        return f"{len(value)} values"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"{type(value).__name__} {str(value)[:60]}"
