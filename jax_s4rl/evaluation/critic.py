"""Did credit reach the step that mattered? Judges predicted values along episodes, and where actions come from."""

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int, Shaped

from jax_s4rl.data import trajectories

NEVER = -1


def mean_along(
    values: Float[np.ndarray, " N"], record: trajectories.Trajectories, groups: Shaped[np.ndarray, " E"]
) -> dict[object, Float[np.ndarray, " steps"]]:
    """Mean value at every step of an episode, for each group of episodes: the curves of a running prediction.

    Args:
      values: one for each recorded step, for instance the predicted return-to-go.
      record: the episodes.
      groups: to which each episode belongs, for instance whether the key was taken and the door opened.

    Returns:
      For each group, means from step 0 to the longest of its episodes; each over the episodes that last so long.

    Raises:
      ValueError: there is not one value for each step, or not one group for each episode.

    Source: Chen et al. (2021), "Decision Transformer", section 5.5 (running return prediction by outcome).
    """
    _check(values, record)
    if len(groups) != record.num_episodes:
        raise ValueError(f"got {len(groups)} groups for {record.num_episodes} episodes; give one for each")
    of_step = np.repeat(groups, record.episode_lengths)
    step = np.arange(record.num_steps) - np.repeat(record.episode_starts, record.episode_lengths)
    found: dict[object, np.ndarray] = {}
    for group in np.unique(groups).tolist():
        chosen = of_step == group
        found[group] = np.bincount(step[chosen], np.asarray(values, np.float64)[chosen]) / np.bincount(step[chosen])
    return found


def jump(
    values: Float[np.ndarray, " N"], record: trajectories.Trajectories, steps: Int[np.ndarray, " E"]
) -> Float[np.ndarray, " episodes"]:
    """How much the value rises with the action of a given step: `v(step + 1) - v(step)`.

    Args:
      values: one for each recorded step, each made before the step's action was known.
      record: the episodes.
      steps: of each episode, for instance the one that took the key; -1 where there is none.

    Returns:
      The jumps, of those episodes that have such a step and go on after it.

    Raises:
      ValueError: there is not one value for each step.

    Example:
      >>> one = trajectories.Episode(np.zeros((3, 1)), np.zeros(3, int), np.zeros(3), np.array([False, False, True]),
      ...                            np.zeros(3, bool), np.zeros(1), seed=0)
      >>> jump(np.array([1.0, 2.0, 5.0]), trajectories.from_episodes([one]), np.array([1])).tolist()
      [3.0]
    """
    _check(values, record)
    follows = (steps != NEVER) & (steps + 1 < record.episode_lengths)
    rows = (record.episode_starts + steps)[follows]
    return values[rows + 1] - values[rows]


def brier(predicted: Float[np.ndarray, " E"], happened: Bool[np.ndarray, " E"]) -> float:
    """Mean squared error of predicted chances: 0 is perfect, 0.25 what always saying one half has.

    Args:
      predicted: chance of success of each episode, as predicted at one step; values outside [0, 1] are clipped.
      happened: whether it succeeded.

    Source: Brier (1950), "Verification of forecasts expressed in terms of probability".

    Example:
      >>> brier(np.array([1.0, 0.5]), np.array([True, False]))
      0.125
    """
    return float(np.mean(np.square(np.clip(predicted, 0, 1) - happened)))


def auroc(predicted: Float[np.ndarray, " E"], happened: Bool[np.ndarray, " E"]) -> float:
    """Chance that an episode that succeeded was given a higher value than one that did not; ties count one half.

    Args:
      predicted: value of each episode, on any scale.
      happened: whether it succeeded.

    Returns:
      From 0 to 1, 0.5 for values that tell nothing; NaN where all episodes ended alike.

    Example:
      >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
      0.75
    """
    happened = np.asarray(happened, bool)
    positive, negative = int(happened.sum()), int((~happened).sum())
    if not positive or not negative:
        return float("nan")
    ranks = scipy.stats.rankdata(predicted)[happened].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def share_near(
    weights: Float[np.ndarray, "E steps"], steps: Int[np.ndarray, " E"], *, radius: int = 1
) -> Float[np.ndarray, " E"]:
    """Share of an attribution that lies on a given step or within `radius` steps of it.

    Args:
      weights: of each step of each episode, at least zero; attention or gradient norms, zero after the step explained.
      steps: for instance the step that took the key.
      radius: how far around.

    Returns:
      Shares from 0 to 1; NaN where all weights are zero.

    Example:
      >>> share_near(np.array([[1.0, 1.0, 6.0, 0.0, 2.0]]), np.array([1])).tolist()
      [0.8]
    """
    near = np.abs(np.arange(weights.shape[1]) - steps[:, None]) <= radius
    total = weights.sum(axis=1)
    return np.where(near, weights, 0).sum(axis=1) / np.where(total > 0, total, np.nan)


def uniform_share(
    explained: Int[np.ndarray, " E"], steps: Int[np.ndarray, " E"], *, radius: int = 1
) -> Float[np.ndarray, " E"]:
    """What `share_near` would be if all steps up to the one explained had the same weight.

    Args:
      explained: step whose action is explained.
      steps: for instance the step that took the key, before it.
      radius: how far around.

    Example:
      >>> uniform_share(np.array([9, 9]), np.array([4, 0])).tolist()
      [0.3, 0.2]
    """
    near = np.minimum(steps + radius, explained) - np.maximum(steps - radius, 0) + 1
    return np.maximum(near, 0) / (explained + 1)


def rank_of(weights: Float[np.ndarray, "E steps"], steps: Int[np.ndarray, " E"]) -> Int[np.ndarray, " E"]:
    """Place of a given step among all steps of its episode, by weight: 1 is the heaviest; of ties, the best place.

    Example:
      >>> rank_of(np.array([[0.5, 3.0, 2.0]]), np.array([2])).tolist()
      [2]
    """
    own = np.take_along_axis(weights, steps[:, None], axis=1)
    return 1 + (weights > own).sum(axis=1)


def _check(values: Float[np.ndarray, " N"], record: trajectories.Trajectories) -> None:
    if np.shape(values) != (record.num_steps,):
        raise ValueError(f"got values of shape {np.shape(values)} for {record.num_steps} steps; give one for each")
