"""Recorded episodes as flat arrays, and the checks that keep them honest."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

CHECKED_ROWS = 1 << 16


class Episode(NamedTuple):
    """One run of an environment, from reset to end.

    `observations[t]` is what was seen before `actions[t]`; `final_observation` is what was seen after the last one.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray
    final_observation: np.ndarray
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectories:
    """Episodes laid end to end: N steps of E episodes.

    An episode ends where a flag says so; one without a flag on its last step is a record that was cut.

    Attributes:
        observations: [N, *obs], seen before each action; any numeric type.
        actions: [N] int32 (discrete, from 0) or [N, A] float32 (continuous).
        rewards: [N] float32, finite.
        terminations: [N], the world ended.
        truncations: [N], the clock ended.
        episode_lengths: [E] int64, at least 1 each, adding up to N.
        final_observations: [E, *obs], seen after each episode's last action.
        episode_seeds: [E] int64, what the environment was reset with; -1 where nobody knows.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray
    episode_lengths: np.ndarray
    final_observations: np.ndarray
    episode_seeds: np.ndarray

    def __post_init__(self):
        """Refuses what is not a record, and freezes the rest."""
        for field in dataclasses.fields(self):
            array = np.asarray(getattr(self, field.name)).view()
            array.setflags(write=False)
            object.__setattr__(self, field.name, array)
        check_shapes(self)
        check_types(self)
        check_values(self)

    @property
    def num_steps(self) -> int:
        """Steps of all episodes together."""
        return len(self.rewards)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.episode_lengths)

    @property
    def is_discrete(self) -> bool:
        """Whether an action is one integer."""
        return self.actions.ndim == 1

    @property
    def episode_starts(self) -> Int[np.ndarray, " E"]:
        """Index of each episode's first step."""
        return np.cumsum(self.episode_lengths) - self.episode_lengths

    @property
    def episode_returns(self) -> Float[np.ndarray, " E"]:
        """Undiscounted sum of each episode's rewards, in float64."""
        return np.add.reduceat(self.rewards.astype(np.float64), self.episode_starts)

    def episode(self, index: int) -> Episode:
        """Looks at one episode; nothing is copied."""
        start = int(self.episode_starts[index])
        steps = slice(start, start + int(self.episode_lengths[index]))
        return Episode(
            observations=self.observations[steps],
            actions=self.actions[steps],
            rewards=self.rewards[steps],
            terminations=self.terminations[steps],
            truncations=self.truncations[steps],
            final_observation=self.final_observations[index],
            seed=int(self.episode_seeds[index]),
        )

    def episodes(self) -> Iterator[Episode]:
        """Goes through the episodes in order."""
        return map(self.episode, range(self.num_episodes))

    def select(self, indices: Sequence[int] | np.ndarray) -> "Trajectories":
        """Copies the named episodes, in the order named.

        Raises:
            ValueError: If no episode is named, or one that is not there.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= self.num_episodes:
            raise ValueError(
                f"got episode indices {_brief(chosen)}, wanted at least one, each from 0 to {self.num_episodes - 1}"
            )
        lengths = self.episode_lengths[chosen]
        begins = np.cumsum(lengths) - lengths
        steps = np.repeat(self.episode_starts[chosen] - begins, lengths) + np.arange(lengths.sum())
        return Trajectories(
            observations=self.observations[steps],
            actions=self.actions[steps],
            rewards=self.rewards[steps],
            terminations=self.terminations[steps],
            truncations=self.truncations[steps],
            episode_lengths=lengths,
            final_observations=self.final_observations[chosen],
            episode_seeds=self.episode_seeds[chosen],
        )


def from_episodes(episodes: Iterable[Episode]) -> Trajectories:
    """Lays episodes end to end; integer actions become int32, others float32, and rewards float32.

    Args:
        episodes: At least one, all with observations and actions of the same shape.

    Returns:
        The same episodes as flat arrays.

    Raises:
        ValueError: If there is no episode, or if they do not fit together.

    Example:
        >>> one = Episode(np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2), np.array([False, True]),
        ...               np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> from_episodes([one, one]).episode_returns.tolist()
        [2.0, 2.0]
    """
    kept = list(episodes)
    if not kept:
        raise ValueError("got no episodes, wanted at least one; record some first")
    for field in ("observations", "actions"):
        shapes = {np.shape(getattr(episode, field))[1:] for episode in kept}
        if len(shapes) > 1:
            raise ValueError(f"episodes have {field} of different shapes {sorted(shapes)}; record them from one space")
    actions = np.concatenate([np.asarray(episode.actions) for episode in kept])
    return Trajectories(
        observations=np.concatenate([np.asarray(episode.observations) for episode in kept]),
        actions=actions.astype(np.int32 if np.issubdtype(actions.dtype, np.integer) else np.float32),
        rewards=np.concatenate([np.asarray(episode.rewards, np.float32) for episode in kept]),
        terminations=np.concatenate([np.asarray(episode.terminations, bool) for episode in kept]),
        truncations=np.concatenate([np.asarray(episode.truncations, bool) for episode in kept]),
        episode_lengths=np.array([len(episode.rewards) for episode in kept], np.int64),
        final_observations=np.stack([np.asarray(episode.final_observation) for episode in kept]),
        episode_seeds=np.array([episode.seed for episode in kept], np.int64),
    )


def concatenate(parts: Sequence[Trajectories]) -> Trajectories:
    """Lays several records end to end.

    Raises:
        ValueError: If there is none, or if their observations or actions differ in shape or type.
    """
    if not parts:
        raise ValueError("got no trajectories to concatenate, wanted at least one")
    for field in ("observations", "actions"):
        kinds = {(getattr(part, field).shape[1:], str(getattr(part, field).dtype)) for part in parts}
        if len(kinds) > 1:
            raise ValueError(f"got {field} of different kinds {sorted(kinds)}; only records of one space can be joined")
    names = [field.name for field in dataclasses.fields(Trajectories)]
    return Trajectories(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def check_shapes(trajectories: Trajectories) -> None:
    """Raises `ValueError` unless every array has one entry per step, or per episode."""
    steps, episodes = trajectories.rewards.size, trajectories.episode_lengths.size
    if episodes == 0 or steps == 0:
        raise ValueError(f"got {episodes} episodes with {steps} steps, wanted at least one of each; record some first")
    for name in ("observations", "actions", "rewards", "terminations", "truncations"):
        _check_length(name, getattr(trajectories, name), steps, "step")
    for name in ("episode_lengths", "final_observations", "episode_seeds"):
        _check_length(name, getattr(trajectories, name), episodes, "episode")
    if trajectories.actions.ndim not in (1, 2):
        raise ValueError(f"got actions of shape {trajectories.actions.shape}, wanted [N] or [N, A]; flatten them")
    if trajectories.observations.shape[1:] != trajectories.final_observations.shape[1:]:
        raise ValueError(
            f"got observations of shape {trajectories.observations.shape[1:]} and final observations of shape "
            f"{trajectories.final_observations.shape[1:]}, wanted the same; take both from one environment"
        )


def check_types(trajectories: Trajectories) -> None:
    """Raises `ValueError` unless every array has the type that the class names."""
    wanted = {
        "actions": np.int32 if trajectories.is_discrete else np.float32,
        "rewards": np.float32,
        "terminations": np.bool_,
        "truncations": np.bool_,
        "episode_lengths": np.int64,
        "episode_seeds": np.int64,
        "final_observations": trajectories.observations.dtype,
    }
    for name, dtype in wanted.items():
        found = getattr(trajectories, name).dtype
        if found != dtype:
            raise ValueError(f"got {name} of type {found}, wanted {np.dtype(dtype)}; convert with `.astype`")
    if trajectories.observations.dtype.kind not in "fiub":
        raise ValueError(f"got observations of type {trajectories.observations.dtype}, wanted numbers; encode them")


def check_values(trajectories: Trajectories) -> None:
    """Raises `ValueError` where a value is not finite, or an episode does not end where a flag says so."""
    if trajectories.episode_lengths.min() < 1 or int(trajectories.episode_lengths.sum()) != trajectories.num_steps:
        raise ValueError(
            f"got episode lengths {_brief(trajectories.episode_lengths)} adding up to "
            f"{int(trajectories.episode_lengths.sum())}, wanted lengths of at least 1 adding up to the "
            f"{trajectories.num_steps} steps recorded; the file mixes episodes of different records"
        )
    for name in ("rewards", "observations", "final_observations", "actions"):
        row = _first_not_finite(getattr(trajectories, name))
        if row is not None:
            raise ValueError(f"got a {name} value at row {row} that is not finite; drop or repair the episode it is in")
    if trajectories.is_discrete and trajectories.actions.min() < 0:
        raise ValueError(f"got the discrete action {trajectories.actions.min()}, wanted actions counted from 0")
    flagged = trajectories.terminations | trajectories.truncations
    last = np.zeros(trajectories.num_steps, bool)
    last[trajectories.episode_starts + trajectories.episode_lengths - 1] = True
    if np.any(flagged & ~last):
        row = int(np.argmax(flagged & ~last))
        raise ValueError(f"step {row} ends an episode in the middle of it; split the episodes where a flag is set")


def _check_length(name: str, array: np.ndarray, wanted: int, unit: str) -> None:
    if array.ndim == 0 or len(array) != wanted:
        found = "a single value" if array.ndim == 0 else f"{len(array)} entries"
        raise ValueError(f"got {name} with {found}, wanted {wanted}, one per {unit}; the arrays are of unlike records")


def _first_not_finite(values: np.ndarray) -> int | None:
    """Looks block by block: the values may lie on the disk, and exceed the memory."""
    if values.dtype.kind != "f":
        return None
    for start in range(0, len(values), CHECKED_ROWS):
        block = np.isfinite(values[start : start + CHECKED_ROWS]).reshape(len(values[start : start + CHECKED_ROWS]), -1)
        if not block.all():
            return start + int(np.argmin(block.all(axis=1)))
    return None


def _brief(values: np.ndarray) -> str:
    return np.array2string(values, threshold=8, edgeitems=3)
