"""Sweeps of target returns: what to ask for, what the data can support of it, and what was achieved."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from jax_s4rl.evaluation import bootstrap

# A target is supported if some recorded return is nearer to it than this share of the range of returns.
TOLERANCE = 0.05


class Plan(NamedTuple):
    """Targets to ask for.

    Attributes:
      targets: in rising order, all different.
      supported: whether an episode with about that return was recorded; the others ask the model to extrapolate.
      reached: share of recorded episodes that earned the target or more.
    """

    targets: Float[np.ndarray, " targets"]
    supported: Bool[np.ndarray, " targets"]
    reached: Float[np.ndarray, " targets"]


def plan(recorded: Float[np.ndarray, " episodes"], *, count: int = 10, extra: Sequence[float] = ()) -> Plan:
    """Quantiles of the recorded returns, evenly spread from the lowest to the highest, and further targets.

    Args:
      recorded: returns of the data.
      count: number of quantiles, 2 or more; those that are equal are asked for once.
      extra: more targets, for instance the optimum, or what nobody has achieved.

    Returns:
      The targets, with what the data say of them.

    Raises:
      ValueError: fewer than two quantiles, or a target that is no finite number.

    Example:
      >>> found = plan(np.array([0.0, 0.0, 0.0, 1.0]), count=3, extra=(0.5, 2.0))
      >>> found.targets.tolist(), found.supported.tolist(), found.reached.tolist()
      ([0.0, 0.5, 1.0, 2.0], [True, False, True, False], [1.0, 0.25, 0.25, 0.0])
    """
    if count < 2:
        raise ValueError(f"count is {count}; a sweep asks for at least 2 quantiles, the lowest and the highest return")
    if not np.isfinite(np.asarray(extra, np.float64)).all():
        raise ValueError(f"got the targets {list(extra)}, wanted finite numbers")
    # Returns that were recorded, not points between them, which may be ones that nobody can earn.
    quantiles = np.quantile(recorded, np.linspace(0, 1, count), method="nearest")
    targets = np.unique(np.concatenate([quantiles, np.asarray(extra, np.float64)]))
    nearest = np.abs(targets[:, None] - np.unique(recorded)[None]).min(axis=1)
    reached = (recorded[None] >= targets[:, None]).mean(axis=1)
    return Plan(targets, nearest <= TOLERANCE * np.ptp(recorded), reached)


def means(
    asked: Float[np.ndarray, " episodes"],
    values: Float[np.ndarray, " episodes"],
    targets: Float[np.ndarray, " targets"],
) -> Float[np.ndarray, " targets"]:
    """Mean of a value over the episodes of each target; NaN where a target was not asked for.

    Args:
      asked: target of each episode, perhaps in single precision.
      values: of each episode, for instance its return.
      targets: of the plan.

    Example:
      >>> means(np.array([1.0, 1.0, 2.0]), np.array([3.0, 5.0, 9.0]), np.array([1.0, 2.0])).tolist()
      [4.0, 9.0]
    """
    of_target = np.asarray(asked, np.float32)[None] == np.asarray(targets, np.float32)[:, None]
    counts = of_target.sum(axis=1)
    return np.where(counts > 0, (of_target * values).sum(axis=1) / np.maximum(counts, 1), np.nan)


def curve(runs: Float[np.ndarray, "seeds targets"], *, seed: int = 0) -> list[bootstrap.Interval]:
    """Mean over seeds for each target, with its interval.

    Args:
      runs: what `means` gave for each training seed.
      seed: of the bootstrap.

    Returns:
      One interval for each target.

    Example:
      >>> curve(np.array([[1.0, 4.0], [3.0, 4.0]]))[1]
      Interval(value=4.0, low=4.0, high=4.0)
    """
    return [bootstrap.mean([column], seed=seed) for column in np.asarray(runs).T]


@dataclasses.dataclass(frozen=True)
class Controllability:
    """How achieved returns follow the returns asked for.

    Attributes:
      rank_correlation: Spearman's; 1 if more asked always means more achieved, 0 if asking changes nothing.
      slope: of the least-squares line; 1 where the policy delivers what is asked.
    """

    rank_correlation: float
    slope: float


def controllability(asked: Float[np.ndarray, " episodes"], achieved: Float[np.ndarray, " episodes"]) -> Controllability:
    """Measures how achieved returns follow the returns asked for.

    Args:
      asked: target return of each episode; at least two different ones.
      achieved: undiscounted return of each episode.

    Returns:
      Rank correlation and slope; both 0 where all episodes achieved the same.

    Raises:
      ValueError: only one target was asked for.

    Example:
      >>> asked = np.array([1.0, 2.0, 3.0])
      >>> round(controllability(asked, 2 * asked).slope, 6)
      2.0
    """
    asked, achieved = np.asarray(asked, np.float64), np.asarray(achieved, np.float64)
    if np.ptp(asked) == 0:
        raise ValueError(f"all {len(asked)} episodes were asked for the same return; sweep at least two targets")
    if np.ptp(achieved) == 0:
        return Controllability(0.0, 0.0)
    # Spearman's correlation is Pearson's of the ranks.
    rank_correlation = np.corrcoef(scipy.stats.rankdata(asked), scipy.stats.rankdata(achieved))[0, 1]
    slope, _ = np.polyfit(asked, achieved, deg=1)
    return Controllability(float(rank_correlation), float(slope))
