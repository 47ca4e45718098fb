"""Keeps the better episodes: what percentile behavior cloning learns from.

Behavior cloning is a decision model that is told no return (`returns="none"`); percentile behavior cloning is the same,
trained on what is kept here. Where returns are few values, as in sparse tasks, ties decide what a share means: with 3 %
successes, the best tenth is mostly failures. `successes` keeps those that were paid and nothing else.
"""

import math

import numpy as np
from jaxtyping import Int

from jax_s4rl.data import trajectories

FIRST, ALL = "first", "all"
TIES = (FIRST, ALL)


def best(record: trajectories.Trajectories, share: int | float, *, ties: str = FIRST) -> Int[np.ndarray, " kept"]:
    """Names the best share of the episodes by return, in the order of the record.

    Args:
        record: The episodes.
        share: Above 0 and up to 1; the number kept is rounded up.
        ties: Which of several episodes with the least return that is kept: the "first" ones recorded, so that the
            number is exact, or "all" of them, so that the number is at least that.

    Returns:
        Their indices, for `record.select`.

    Raises:
        ValueError: If the share or `ties` is out of its range.

    Source:
        Chen et al. (2021), "Decision Transformer", section 5.1 (%BC).

    Example:
        >>> episodes = [trajectories.Episode(np.zeros(1), np.zeros(1, int), np.array([reward]), np.array([True]),
        ...                                  np.array([False]), np.zeros(()), seed=0) for reward in (1, 3, 2, 2)]
        >>> record = trajectories.from_episodes(episodes)
        >>> best(record, 0.5).tolist(), best(record, 0.5, ties="all").tolist()
        ([1, 2], [1, 2, 3])
    """
    if not 0 < share <= 1:
        raise ValueError(f"got share={share}, wanted a share above 0 and up to 1, for instance 0.1 for the best tenth")
    if ties not in TIES:
        raise ValueError(f"got ties={ties!r}, wanted one of {', '.join(TIES)}")
    returns = record.episode_returns
    # A share times a number of episodes is whole only up to rounding: 0.07 of 100 are 7, not 8.
    order = np.argsort(-returns, kind="stable")[: math.ceil(round(share * record.num_episodes, 9))]
    if ties == ALL:
        return np.flatnonzero(returns >= returns[order[-1]])
    return np.sort(order)


def successes(record: trajectories.Trajectories, *, above: int | float = 0) -> Int[np.ndarray, " kept"]:
    """Names all episodes whose return is above a bound, in the order of the record.

    Args:
        record: The episodes.
        above: The bound; 0 keeps what was paid at all, where nothing but success is.

    Returns:
        Their indices, for `record.select`.

    Raises:
        ValueError: If there is none.

    Example:
        >>> episodes = [trajectories.Episode(np.zeros(1), np.zeros(1, int), np.array([reward]), np.array([True]),
        ...                                  np.array([False]), np.zeros(()), seed=0) for reward in (0, 1, 0, 1)]
        >>> successes(trajectories.from_episodes(episodes)).tolist()
        [1, 3]
    """
    kept = np.flatnonzero(record.episode_returns > above)
    if not len(kept):
        highest = float(record.episode_returns.max())
        raise ValueError(f"got no episode with a return above {above}, the highest is {highest}; lower the bound")
    return kept
