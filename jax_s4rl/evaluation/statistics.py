"""Statistics of returns: how well the return asked for steers the return achieved."""

import dataclasses

import numpy as np
import scipy.stats
from jaxtyping import Float


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
