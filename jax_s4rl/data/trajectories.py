"""Recorded episodes as flat arrays, and checks of their shapes, types and values."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jax_s4rl.data import _narrowing, _values, actions

# Rows that the check of finite values reads at once.
CHECKED_ROWS = 1 << 16


class Episode(NamedTuple):
    """One episode in an environment, from reset to end.

    Attributes:
        observations: [T, *obs], observation before each action.
        actions: [T] (discrete) or [T, A] (continuous), action of each step.
        rewards: [T], reward of each step.
        terminations: [T], True at the last step if it terminated the episode.
        truncations: [T], True at the last step if it truncated the episode.
        final_observation: [*obs], observation after the last action.
        seed: Seed of the environment's reset; -1 if it is unknown.
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

    A flag marks the end of an episode; an episode without a flag on its last step was cut in
    recording. The arrays are read-only.

    Attributes:
        observations: [N, *obs], observation before each action; any numeric type.
        actions: [N] int32 (discrete, from 0) or [N, A] float32 (continuous), action of each step.
        rewards: [N] float32, finite reward of each step.
        terminations: [N] bool, True at steps that terminated their episode.
        truncations: [N] bool, True at steps at which a time limit ended their episode.
        episode_lengths: [E] int64, number of steps of each episode, at least 1, adding up to N.
        final_observations: [E, *obs], observation after each episode's last action.
        episode_seeds: [E] int64, seed of each reset of the environment; -1 if it is unknown.

    Raises:
        ValueError: If shapes, types or values do not make a record.
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
        """Makes the arrays read-only and checks them."""
        for field in dataclasses.fields(self):
            # A view, so that the caller's own array stays writable.
            array = np.asarray(getattr(self, field.name)).view()
            array.setflags(write=False)
            # Not by assignment, which a frozen dataclass refuses.
            object.__setattr__(self, field.name, array)
        check_shapes(self)
        check_types(self)
        check_values(self)

    @property
    def num_steps(self) -> int:
        """Number of steps of all episodes together."""
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
        """Returns views of one episode; nothing is copied.

        Args:
            index: Index of the episode.

        Returns:
            The episode.
        """
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
        """Iterates over the episodes in order; nothing is copied."""
        return map(self.episode, range(self.num_episodes))

    def select(self, indices: Sequence[int] | np.ndarray) -> "Trajectories":
        """Copies the given episodes.

        Args:
            indices: Indices of episodes, in the order wanted.

        Returns:
            The episodes in the order of `indices`.

        Raises:
            ValueError: If there is no index, or an index is out of range.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= self.num_episodes:
            raise ValueError(
                f"got episode indices {_brief(chosen)}, wanted at least one, each from 0 to "
                f"{self.num_episodes - 1}"
            )
        lengths = self.episode_lengths[chosen]
        # Within each chosen episode, the old and the new index of a step differ by a constant.
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
    """Lays episodes end to end.

    Whole numbers as actions become int32, others float32; rewards become float32.

    Args:
        episodes: At least one episode, all with observations and actions of the same shape.

    Returns:
        The same episodes as flat arrays.

    Raises:
        ValueError: If there is no episode, if they do not fit together, or if numbers of 32 bits
            cannot hold their rewards.

    Example:
        >>> one = Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> from_episodes([one, one]).episode_returns.tolist()
        [2.0, 2.0]
    """
    kept = list(episodes)
    if not kept:
        raise ValueError("got no episodes, wanted at least one; record some first")
    for field in ("observations", "actions"):
        shapes = {np.shape(getattr(episode, field))[1:] for episode in kept}
        if len(shapes) > 1:
            raise ValueError(
                f"episodes have {field} of different shapes {sorted(shapes)}, wanted one shape; "
                "record them in one environment"
            )
    taken = np.concatenate([np.asarray(episode.actions) for episode in kept])
    rewards = np.concatenate([_values.per_step("rewards", episode.rewards) for episode in kept])
    observed = np.concatenate(
        [_values.numeric("observations", episode.observations) for episode in kept]
    )
    final = _values.numeric("observations", [episode.final_observation for episode in kept])
    return Trajectories(
        observations=observed,
        actions=_to_actions(taken),
        rewards=_narrowing.to_float("rewards", rewards),
        terminations=np.concatenate(
            [_values.flags("terminations", episode.terminations) for episode in kept]
        ),
        truncations=np.concatenate(
            [_values.flags("truncations", episode.truncations) for episode in kept]
        ),
        episode_lengths=np.array([len(episode.rewards) for episode in kept], np.int64),
        final_observations=_values.cast("observation", final, observed.dtype),
        episode_seeds=np.array([episode.seed for episode in kept], np.int64),
    )


def _to_actions(taken: np.ndarray) -> np.ndarray:
    if _values.numeric("actions", taken).dtype.kind != "f":
        return actions.encoder(actions.infer_space(taken)).encode_all(taken)
    return _narrowing.to_float("actions", taken.reshape(len(taken), *(taken.shape[1:] or (1,))))


def concatenate(parts: Sequence[Trajectories]) -> Trajectories:
    """Lays several records end to end.

    Args:
        parts: At least one record, all with observations and actions of the same shape and type.

    Returns:
        The episodes of all records, in order.

    Raises:
        ValueError: If there is no record, or if observations or actions differ in shape or type.
    """
    if not parts:
        raise ValueError("got no trajectories to concatenate, wanted at least one; give some")
    for field in ("observations", "actions"):
        kinds = {
            (getattr(part, field).shape[1:], str(getattr(part, field).dtype)) for part in parts
        }
        if len(kinds) > 1:
            raise ValueError(
                f"got {field} of different kinds {sorted(kinds)}, wanted one shape and type; join "
                "only records of one environment"
            )
    names = [field.name for field in dataclasses.fields(Trajectories)]
    return Trajectories(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def check_shapes(trajectories: Trajectories) -> None:
    """Checks that every array has one entry per step, or per episode.

    Args:
        trajectories: Record to check.

    Raises:
        ValueError: If there is no step, or an array has another shape.
    """
    steps, episodes = trajectories.rewards.size, trajectories.episode_lengths.size
    if episodes == 0 or steps == 0:
        raise ValueError(
            f"got {episodes} episodes with {steps} steps, wanted at least one of each; record some "
            "first"
        )
    for name in ("observations", "actions", "rewards", "terminations", "truncations"):
        _check_length(name, getattr(trajectories, name), steps, "step")
    for name in ("episode_lengths", "final_observations", "episode_seeds"):
        _check_length(name, getattr(trajectories, name), episodes, "episode")
    for name in ("rewards", "terminations", "truncations", "episode_lengths", "episode_seeds"):
        if getattr(trajectories, name).ndim != 1:
            raise ValueError(
                f"got {name} of shape {getattr(trajectories, name).shape}, wanted one axis; drop "
                "the others, for instance with `.reshape(-1)`"
            )
    if trajectories.actions.ndim not in (1, 2):
        raise ValueError(
            f"got actions of shape {trajectories.actions.shape}, wanted [N] or [N, A]; flatten them"
        )
    for name in ("observations", "actions"):
        if 0 in getattr(trajectories, name).shape:
            raise ValueError(
                f"got {name} of shape {getattr(trajectories, name).shape}, wanted at least one "
                "number for each step; record some"
            )
    if trajectories.observations.shape[1:] != trajectories.final_observations.shape[1:]:
        raise ValueError(
            f"got observations of shape {trajectories.observations.shape[1:]} and final "
            f"observations of shape {trajectories.final_observations.shape[1:]}, wanted the same; "
            "take both from one environment"
        )


def check_types(trajectories: Trajectories) -> None:
    """Checks that every array has the type given in `Trajectories`.

    Args:
        trajectories: Record to check.

    Raises:
        ValueError: If an array has another type.
    """
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
        actual = getattr(trajectories, name).dtype
        if actual != dtype:
            raise ValueError(
                f"got {name} of type {actual}, wanted {np.dtype(dtype)}; convert with `.astype`"
            )
    if trajectories.observations.dtype.kind not in "fiub":
        raise ValueError(
            f"got observations of type {trajectories.observations.dtype}, wanted numbers; encode "
            "them"
        )


def check_values(trajectories: Trajectories) -> None:
    """Checks that lengths add up, values are finite and flags stand only at ends of episodes.

    Args:
        trajectories: Record to check.

    Raises:
        ValueError: If lengths do not add up to the steps, a value is not finite, a discrete action
            is negative, or a flag is set before the last step of an episode.
    """
    if (
        trajectories.episode_lengths.min() < 1
        or int(trajectories.episode_lengths.sum()) != trajectories.num_steps
    ):
        raise ValueError(
            f"got episode lengths {_brief(trajectories.episode_lengths)} adding up to "
            f"{int(trajectories.episode_lengths.sum())}, wanted lengths of at least 1 adding up to "
            f"the {trajectories.num_steps} steps recorded; take all arrays from one record"
        )
    for name in ("rewards", "observations", "final_observations", "actions"):
        row = _first_not_finite(getattr(trajectories, name))
        if row is not None:
            raise ValueError(
                f"got a {name} value at row {row} that is not finite; drop or repair its episode"
            )
    if trajectories.is_discrete and trajectories.actions.min() < 0:
        raise ValueError(
            f"got the discrete action {trajectories.actions.min()}, wanted actions from 0 on; "
            "renumber them"
        )
    flagged = trajectories.terminations | trajectories.truncations
    last = np.zeros(trajectories.num_steps, bool)
    last[trajectories.episode_starts + trajectories.episode_lengths - 1] = True
    if np.any(flagged & ~last):
        row = int(np.argmax(flagged & ~last))
        raise ValueError(
            f"step {row} ends an episode in the middle of it; split the episodes where a flag is "
            "set"
        )


def _check_length(name: str, array: np.ndarray, wanted: int, unit: str) -> None:
    if array.ndim == 0 or len(array) != wanted:
        actual = "a single value" if array.ndim == 0 else f"{len(array)} entries"
        raise ValueError(
            f"got {name} with {actual}, wanted {wanted}, one per {unit}; take all arrays from one "
            "record"
        )


def _first_not_finite(values: np.ndarray) -> int | None:
    """Finds the first row with a value that is not finite."""
    if values.dtype.kind != "f":
        return None
    # Block by block: the values may lie on the disk and exceed the memory.
    for start in range(0, len(values), CHECKED_ROWS):
        block = np.isfinite(values[start : start + CHECKED_ROWS]).reshape(
            len(values[start : start + CHECKED_ROWS]), -1
        )
        if not block.all():
            return start + int(np.argmin(block.all(axis=1)))
    return None


def _brief(values: np.ndarray) -> str:
    return np.array2string(values, threshold=8, edgeitems=3)
