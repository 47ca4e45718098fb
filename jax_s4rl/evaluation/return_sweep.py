"""Sweeps of target returns: choice of targets, support in the data and achieved returns."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from jax_s4rl.evaluation import bootstrap

# A target is supported if some recorded return is within this share of the range of returns from
# it.
TOLERANCE = 0.05


class SweepTargets(NamedTuple):
    """Target returns of a sweep.

    Attributes:
        targets: Target returns in rising order, all different.
        supported: Whether an episode with about that return was recorded; other targets ask the
            model to extrapolate.
        reached: Share of recorded episodes that earned the target or more.
    """

    targets: Float[np.ndarray, " targets"]
    supported: Bool[np.ndarray, " targets"]
    reached: Float[np.ndarray, " targets"]


def choose_targets(
    recorded: Float[np.ndarray, " episodes"], *, count: int = 10, extra: Sequence[float] = ()
) -> SweepTargets:
    """Chooses target returns: evenly spread quantiles of the recorded returns, and further targets.

    Args:
        recorded: Returns of the recorded episodes.
        count: Number of quantiles from the lowest to the highest return, at least 2; equal ones
            give one target.
        extra: Further targets, for instance the optimum, or a return above all that were achieved.

    Returns:
        The targets and their support in the data.

    Raises:
        ValueError: If there are fewer than two quantiles, or a target is not finite.

    Example:
        >>> sweep = choose_targets(np.array([0.0, 0.0, 0.0, 1.0]), count=3, extra=(0.5, 2.0))
        >>> sweep.targets.tolist(), sweep.supported.tolist(), sweep.reached.tolist()
        ([0.0, 0.5, 1.0, 2.0], [True, False, True, False], [1.0, 0.25, 0.25, 0.0])
    """
    if count < 2:
        raise ValueError(
            f"got count {count}; give at least 2, for the lowest and the highest return"
        )
    if not np.isfinite(np.asarray(extra, np.float64)).all():
        raise ValueError(f"got the extra targets {list(extra)}; give finite numbers")
    # "nearest" picks recorded returns; a point between two of them may be one that no episode can
    # earn.
    quantiles = np.quantile(recorded, np.linspace(0, 1, count), method="nearest")
    targets = np.unique(np.concatenate([quantiles, np.asarray(extra, np.float64)]))
    nearest = np.abs(targets[:, None] - np.unique(recorded)[None]).min(axis=1)
    reached = (recorded[None] >= targets[:, None]).mean(axis=1)
    return SweepTargets(targets, nearest <= TOLERANCE * np.ptp(recorded), reached)


def means(
    episode_targets: Float[np.ndarray, " episodes"],
    values: Float[np.ndarray, " episodes"],
    targets: Float[np.ndarray, " targets"],
) -> Float[np.ndarray, " targets"]:
    """Computes the mean of a value over the episodes of each target.

    Args:
        episode_targets: Target of each episode, in single or double precision.
        values: Value of each episode, for instance its return.
        targets: Targets of the sweep.

    Returns:
        One mean for each target; NaN if no episode had that target.

    Example:
        >>> episode_targets, values = np.array([1.0, 1.0, 2.0]), np.array([3.0, 5.0, 9.0])
        >>> means(episode_targets, values, np.array([1.0, 2.0])).tolist()
        [4.0, 9.0]
    """
    # Rollouts keep targets in single precision, so both sides are compared in it.
    of_target = (
        np.asarray(episode_targets, np.float32)[None] == np.asarray(targets, np.float32)[:, None]
    )
    counts = of_target.sum(axis=1)
    return np.where(counts > 0, (of_target * values).sum(axis=1) / np.maximum(counts, 1), np.nan)


def curve(runs: Float[np.ndarray, "seeds targets"], *, seed: int = 0) -> list[bootstrap.Interval]:
    """Computes the mean over seeds for each target, with its bootstrap interval.

    Args:
        runs: Results of `means` for each training seed.
        seed: Seed of the bootstrap.

    Returns:
        One interval for each target.

    Example:
        >>> curve(np.array([[1.0, 4.0], [3.0, 4.0]]))[1]
        Interval(value=4.0, low=4.0, high=4.0)
    """
    return [bootstrap.mean([column], seed=seed) for column in np.asarray(runs).T]


@dataclasses.dataclass(frozen=True)
class Controllability:
    """Dependence of achieved returns on target returns.

    Attributes:
        rank_correlation: Spearman's rank correlation; 1 if a higher target always achieves more, 0
            if the target changes nothing.
        slope: Slope of the least-squares line; 1 if the policy achieves its targets.
    """

    rank_correlation: float
    slope: float


def controllability(
    episode_targets: Float[np.ndarray, " episodes"], achieved: Float[np.ndarray, " episodes"]
) -> Controllability:
    """Measures how achieved returns depend on target returns.

    Args:
        episode_targets: Target return of each episode; at least two different ones.
        achieved: Undiscounted return of each episode.

    Returns:
        Rank correlation and slope; both 0 if all episodes achieved the same return.

    Raises:
        ValueError: If all episodes have the same target.

    Example:
        >>> episode_targets = np.array([1.0, 2.0, 3.0])
        >>> round(controllability(episode_targets, 2 * episode_targets).slope, 6)
        2.0
    """
    episode_targets = np.asarray(episode_targets, np.float64)
    achieved = np.asarray(achieved, np.float64)
    if np.ptp(episode_targets) == 0:
        raise ValueError(
            f"got the same target return for all {len(episode_targets)} episodes; "
            "sweep at least two targets"
        )
    if np.ptp(achieved) == 0:
        return Controllability(0.0, 0.0)
    # Spearman's correlation is Pearson's of the ranks.
    ranks = scipy.stats.rankdata(episode_targets), scipy.stats.rankdata(achieved)
    rank_correlation = np.corrcoef(*ranks)[0, 1]
    slope, _ = np.polyfit(episode_targets, achieved, deg=1)
    return Controllability(float(rank_correlation), float(slope))
