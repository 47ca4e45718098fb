"""Replays recorded actions in an environment, and compares what it returns with the data."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from jax_s4rl.agents import alignment
from jax_s4rl.data import player, trajectories

# Number of steps and of episodes that are played.
STEPS = 50
EPISODES = 5
# Number of spreads, or factor of sizes, from which on two sides are in different units.
FAR = 10.0


class Played(NamedTuple):
    """An episode that was played in the environment.

    Attributes:
        episode: The episode, encoded.
        raw_observations: Its observations as the environment returned them.
    """

    episode: trajectories.Episode
    raw_observations: list[Any]


def play(env: gymnasium.Env, actions: Any, seed: int) -> Played:
    """Plays actions in an environment until they or the episode end.

    Args:
        env: Environment.
        actions: Encoded actions, one for each step; None for random ones.
        seed: Seed of the reset, and of random actions.

    Returns:
        The episode.

    Raises:
        ValueError: If the environment returns something that its spaces do not describe.
    """
    one, raw = player.Player(env), []
    one.reset(seed)
    space: Any = one.actions.encoded_space
    space.seed(seed)
    for step in range(STEPS if actions is None else min(len(actions), STEPS)):
        # Copied, because an environment may change its own array at the next step.
        raw.append(_copy(one.raw_observation))
        action = _random(space) if actions is None else actions[step]
        if one.step(action)[2]:
            break
    return Played(one.episode(is_cut=True), raw)


def against_record(
    make_env: Callable[[], gymnasium.Env], record: trajectories.Trajectories
) -> tuple[alignment.Mismatch | str | None, Played]:
    """Plays recorded actions again, and compares the observations.

    An episode with a known seed is compared step by step if the environment repeats itself; others
    by the size and spread of each feature over the same steps.

    Args:
        make_env: Function that makes one environment.
        record: Episodes.

    Returns:
        The first mismatch (or a sentence about one), None without any; and an episode played.
    """
    known = np.flatnonzero(record.episode_seeds >= 0)
    index = int(known[0]) if len(known) else 0
    recorded = record.episode(index)
    with contextlib.closing(make_env()) as env:
        first = play(env, recorded.actions, max(recorded.seed, 0))
        if len(known) and _is_repeated(env, recorded, first):
            return _first_difference(recorded, first), first
        others = [
            play(env, record.episode(n % record.num_episodes).actions, 1000 + n)
            for n in range(EPISODES)
        ]
    return _different_units(record, [first, *others]), first


def _is_repeated(env: gymnasium.Env, recorded: trajectories.Episode, first: Played) -> bool:
    """Returns whether the same seed gives the same episode twice."""
    second = play(env, recorded.actions, recorded.seed)
    return np.array_equal(first.episode.observations, second.episode.observations)


def _first_difference(
    recorded: trajectories.Episode, played: Played
) -> alignment.Mismatch | str | None:
    """Compares an episode with its recording."""
    length = len(played.episode.rewards)
    sides = ("the data", "the environment")
    found = alignment.first_mismatch(
        _observed(recorded, length), _observed(played.episode, length), sides
    )
    if found is not None:
        name = "rewards" if found.what == "returns_to_go" else found.what
        return found._replace(what=name)
    if length < min(len(recorded.rewards), STEPS):
        return f"the environment ends after {length} steps, the data after {len(recorded.rewards)}"
    return None


def _observed(episode: trajectories.Episode, length: int) -> alignment.Inputs:
    """Returns what an environment gave, with the rewards in the place of returns-to-go."""
    return alignment.Inputs(
        episode.rewards[:length],
        episode.observations[:length],
        episode.actions[:length],
        np.arange(length),
        np.ones(length, bool),
    )


def _different_units(record: trajectories.Trajectories, played: list[Played]) -> str | None:
    """Compares the size and spread of each feature over the first steps."""
    longest = max(len(one.episode.rewards) for one in played)
    starts, lengths = record.episode_starts, record.episode_lengths
    steps = np.concatenate(
        [
            np.arange(start, start + min(length, longest))
            for start, length in zip(starts, lengths, strict=True)
        ]
    )
    data = _columns(record.observations[steps])
    env = _columns(np.concatenate([one.episode.observations for one in played]))
    for feature in range(data.shape[1]):
        sentence = compare_feature(
            feature,
            env[:, feature],
            float(data[:, feature].mean()),
            float(data[:, feature].std()),
            float(np.sqrt(np.square(data[:, feature]).mean())),
        )
        if sentence is not None:
            return sentence
    return None


def compare_feature(
    feature: int, values: np.ndarray, mean: float, std: float, size: float
) -> str | None:
    """Compares the values of a feature in the environment with statistics of the data.

    Args:
        feature: Index of the feature.
        values: Its values in the environment.
        mean: Its mean in the data.
        std: Its standard deviation in the data.
        size: Root of its mean square in the data.

    Returns:
        A sentence if the two seem to be in different units, None otherwise.

    Example:
        >>> compare_feature(0, np.array([0.1, -0.1]), 0.0, 0.1, 0.1)
    """
    own = float(np.sqrt(np.square(values).mean()))
    spread = max(std, 1e-7 * size, 1e-12)
    is_far = abs(float(np.median(values)) - mean) > FAR * spread
    is_other_size = own > FAR * max(size, 1e-12) or own * FAR < size
    # Two constants that agree are no problem, whatever their size.
    if not (is_far or is_other_size) or bool(np.abs(values - mean).max() <= spread):
        return None
    return (
        f"observation {feature} has the mean {values.mean():.4g} and the size {own:.4g} in the "
        f"environment, {mean:.4g} and {size:.4g} in the data: look for another unit, scale or "
        "order of features"
    )


def _columns(observations: np.ndarray) -> np.ndarray:
    values = observations.astype(np.float64)
    return values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[:, None]


def _random(space: Any) -> np.ndarray:
    """Draws an action; a component without limits is drawn near zero."""
    return np.asarray(space.sample())


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_copy(part) for part in value)
    return np.copy(value) if isinstance(value, np.ndarray) else value
