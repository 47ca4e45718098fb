"""Keeps the better episodes: what percentile behavior cloning learns from.

Behavior cloning is a decision model that is told no return (`returns="none"`); percentile behavior cloning is the same,
trained on what is kept here. Where returns are few values, as in sparse tasks, ties decide what a share means: with 3 %
successes, the best tenth is mostly failures. `successes` keeps those that were paid and nothing else.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, Int

from jax_s4rl.data import returns, trajectories

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


def compose(record: trajectories.Trajectories) -> trajectories.Trajectories:
    """Relabels a record: the return-to-go of a step becomes the best that its action led to, by dynamic programming.

    `g_t = r_t + V(o_{t+1})`, and `g_t = r_t` where the world ended. `V(o)` is the highest return of any sequence of
    recorded transitions that starts at the observation `o`, ends where some episode terminated, and is no longer than
    the longest episode, whichever episodes its transitions are from. Where there is no such sequence, the recorded
    return-to-go stays. The clock's end is no end: a return that was only cut short is not taken for a high one.

    Episodes are joined where observations are equal, so this is for few observations that say all about the state.

    Args:
        record: The episodes.

    Returns:
        The same episodes with rewards that add up to the new returns-to-go: `g_t - g_{t+1}`.

    Source:
        Yamagata, Khalil and Santos-Rodriguez (2023), "Q-learning Decision Transformer", section 4.2: relabeling with
        values; here they are exact for the record, where the paper learns them.

    Example:
        Nobody went from 2 to the goal 0, but one went from 2 to 1, where the clock ended, and one from 1 to 0.

        >>> def walk(start, end, terminated):
        ...     return trajectories.Episode(np.array([start]), np.array([end]), -np.ones(1), np.array([terminated]),
        ...                                 np.array([not terminated]), np.array(end), seed=0)
        >>> compose(trajectories.from_episodes([walk(2, 1, False), walk(1, 0, True)])).episode_returns.tolist()
        [-2.0, -1.0]
    """
    here, after = _states(record)
    values = _values(record, here, after)
    composed = record.rewards + np.where(record.terminations, 0.0, values[after])
    recorded = returns.returns_to_go(record.rewards, record.episode_lengths)
    left = np.where(np.isfinite(composed), composed, recorded)
    is_last = np.append(np.diff(np.repeat(np.arange(record.num_episodes), record.episode_lengths)) > 0, True)
    following = np.where(is_last, 0.0, np.append(left[1:], 0.0))
    return dataclasses.replace(record, rewards=(left - following).astype(np.float32))


def _states(record: trajectories.Trajectories) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Number of the observation before and after each step; equal observations have equal numbers."""
    count = record.num_steps
    seen = np.concatenate(
        [record.observations.reshape(count, -1), record.final_observations.reshape(-1, _size(record))]
    )
    _, numbers = np.unique(seen, axis=0, return_inverse=True)
    numbers = numbers.ravel()
    here = numbers[:count]
    after = np.append(here[1:], 0)
    after[record.episode_starts + record.episode_lengths - 1] = numbers[count:]
    return here, after


def _size(record: trajectories.Trajectories) -> int:
    return int(np.prod(record.observations.shape[1:], dtype=int))


def _values(
    record: trajectories.Trajectories, here: Int[np.ndarray, " N"], after: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " states"]:
    """Highest return from each observation to a termination; minus infinity where no recorded transitions lead to one.

    One sweep adds one step to the longest sequence.
    """
    values = np.full(max(here.max(), after.max()) + 1, -np.inf)
    for _ in range(int(record.episode_lengths.max())):
        better = values.copy()
        np.maximum.at(better, here, record.rewards + np.where(record.terminations, 0.0, values[after]))
        if (better == values).all():
            break
        values = better
    return values
