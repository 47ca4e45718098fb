"""Credit-assignment metrics from predicted values along episodes and attributions of actions."""

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int, Shaped

from jax_s4rl.data import trajectories

# Step index of an event that did not happen.
NEVER = -1


def mean_along(
    values: Float[np.ndarray, " N"],
    record: trajectories.Trajectories,
    groups: Shaped[np.ndarray, " E"],
) -> dict[object, Float[np.ndarray, " steps"]]:
    """Computes the mean value at every step of an episode, for each group of episodes.

    These are the curves of a running prediction.

    Args:
        values: Value of each recorded step, for instance the predicted return-to-go.
        record: Recorded episodes.
        groups: Group of each episode, for instance whether the key was taken and the door opened.

    Returns:
        For each group, the means from step 0 to the last step of its longest episode; each mean is
        over the episodes that last until that step.

    Raises:
        ValueError: If the number of values is not that of the steps, or the number of groups is not
            that of the episodes.

    Source: Chen et al. (2021), "Decision Transformer", section 5.5 (running return prediction by
    outcome).
    """
    _check(values, record)
    if len(groups) != record.num_episodes:
        raise ValueError(
            f"got {len(groups)} groups for {record.num_episodes} episodes; give one per episode"
        )
    group_of_step = np.repeat(groups, record.episode_lengths)
    # Index of each recorded step within its episode.
    step = np.arange(record.num_steps) - np.repeat(record.episode_starts, record.episode_lengths)
    curves: dict[object, np.ndarray] = {}
    for group in np.unique(groups).tolist():
        in_group = group_of_step == group
        sums = np.bincount(step[in_group], np.asarray(values, np.float64)[in_group])
        curves[group] = sums / np.bincount(step[in_group])
    return curves


def jump(
    values: Float[np.ndarray, " N"], record: trajectories.Trajectories, steps: Int[np.ndarray, " E"]
) -> Float[np.ndarray, " episodes"]:
    """Computes the rise of the value by the action of a given step: `v(step + 1) - v(step)`.

    Args:
        values: Value of each recorded step, predicted before the action of that step was known.
        record: Recorded episodes.
        steps: One step of each episode, for instance the one that took the key; -1 for no step.

    Returns:
        The rises, of those episodes that have such a step and go on after it.

    Raises:
        ValueError: If the number of values is not that of the steps.

    Example:
        >>> one = trajectories.Episode(
        ...     np.zeros((3, 1)), np.zeros(3, int), np.zeros(3), np.array([False, False, True]),
        ...     np.zeros(3, bool), np.zeros(1), seed=0)
        >>> record = trajectories.from_episodes([one])
        >>> jump(np.array([1.0, 2.0, 5.0]), record, np.array([1])).tolist()
        [3.0]
    """
    _check(values, record)
    has_next = (steps != NEVER) & (steps + 1 < record.episode_lengths)
    rows = (record.episode_starts + steps)[has_next]
    return values[rows + 1] - values[rows]


def brier(predicted: Float[np.ndarray, " E"], happened: Bool[np.ndarray, " E"]) -> float:
    """Computes the mean squared error of predicted probabilities (Brier score).

    Args:
        predicted: Success probability of each episode, as predicted at one step; values outside [0,
            1] are clipped.
        happened: Whether each episode succeeded.

    Returns:
        From 0 (perfect) to 1; always predicting one half has 0.25.

    Source: Brier (1950), "Verification of forecasts expressed in terms of probability".

    Example:
        >>> brier(np.array([1.0, 0.5]), np.array([True, False]))
        0.125
    """
    return float(np.mean(np.square(np.clip(predicted, 0, 1) - happened)))


def auroc(predicted: Float[np.ndarray, " E"], happened: Bool[np.ndarray, " E"]) -> float:
    """Computes the area under the ROC curve of values that predict success.

    This is the probability that a successful episode has a higher value than an unsuccessful one;
    ties count one half.

    Args:
        predicted: Value of each episode, on any scale.
        happened: Whether each episode succeeded.

    Returns:
        From 0 to 1, 0.5 for values without information; NaN if all episodes ended alike.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
        0.75
    """
    happened = np.asarray(happened, bool)
    positive, negative = int(happened.sum()), int((~happened).sum())
    if not positive or not negative:
        return float("nan")
    # Mann and Whitney's U from the sum of ranks; tied values share their mean rank.
    rank_sum = scipy.stats.rankdata(predicted)[happened].sum()
    return float((rank_sum - positive * (positive + 1) / 2) / (positive * negative))


def share_near(
    weights: Float[np.ndarray, "E steps"], steps: Int[np.ndarray, " E"], *, radius: int = 1
) -> Float[np.ndarray, " E"]:
    """Computes the share of an attribution that lies within `radius` steps of a given step.

    Args:
        weights: Weight of each step of each episode, at least zero: attention or gradient norms,
            zero after the step that is explained.
        steps: One step of each episode, for instance the one that took the key.
        radius: Number of steps on either side that count as near.

    Returns:
        Shares from 0 to 1; NaN if all weights are zero.

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
    """Computes `share_near` of equal weights on all steps up to the one that is explained.

    Args:
        explained: Step of each episode whose action is explained.
        steps: Earlier step of each episode, for instance the one that took the key.
        radius: Number of steps on either side that count as near.

    Returns:
        Shares from 0 to 1.

    Example:
        >>> uniform_share(np.array([9, 9]), np.array([4, 0])).tolist()
        [0.3, 0.2]
    """
    near = np.minimum(steps + radius, explained) - np.maximum(steps - radius, 0) + 1
    return np.maximum(near, 0) / (explained + 1)


def rank_of(
    weights: Float[np.ndarray, "E steps"], steps: Int[np.ndarray, " E"]
) -> Int[np.ndarray, " E"]:
    """Computes the rank of a given step among all steps of its episode, by weight.

    Args:
        weights: Weight of each step of each episode.
        steps: One step of each episode.

    Returns:
        Ranks from 1, the heaviest step; tied steps all have the best rank among them.

    Example:
        >>> rank_of(np.array([[0.5, 3.0, 2.0]]), np.array([2])).tolist()
        [2]
    """
    own = np.take_along_axis(weights, steps[:, None], axis=1)
    return 1 + (weights > own).sum(axis=1)


def _check(values: Float[np.ndarray, " N"], record: trajectories.Trajectories) -> None:
    if np.shape(values) != (record.num_steps,):
        raise ValueError(
            f"got values of shape {np.shape(values)} for {record.num_steps} steps; "
            "give one for each step"
        )
