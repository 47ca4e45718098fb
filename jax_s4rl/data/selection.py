"""Selects the better episodes for percentile behavior cloning, and relabels returns.

Behavior cloning is a decision transformer without conditioning on returns (`returns="none"`);
percentile behavior cloning is the same, trained on the episodes selected here. If returns take few
values, as in sparse tasks, ties decide the meaning of a share: with 3 % successes, the best tenth
is mostly failures. `successes` selects the successful episodes alone.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, Int

from jax_s4rl.data import returns, trajectories

FIRST, ALL = "first", "all"
TIES = (FIRST, ALL)


def top_episodes(
    record: trajectories.Trajectories, share: int | float, *, ties: str = FIRST
) -> Int[np.ndarray, " kept"]:
    """Selects the best share of the episodes by return.

    Args:
        record: The episodes.
        share: Share of the episodes to keep, above 0 and up to 1; their number is rounded up.
        ties: Rule for several episodes with the lowest return that is kept: "first" keeps those
            recorded first, so that the number is exact; "all" keeps all of them, so that the number
            is at least that.

    Returns:
        Indices of the selected episodes in the order of the record, for `record.select`.

    Raises:
        ValueError: If the share is out of its range, or there is no such rule for ties.

    Source:
        Chen et al. (2021), "Decision Transformer", section 5.1 (%BC).

    Example:
        >>> episodes = [
        ...     trajectories.Episode(
        ...         np.zeros(1), np.zeros(1, int), np.array([reward]), np.array([True]),
        ...         np.array([False]), np.zeros(()), seed=0)
        ...     for reward in (1, 3, 2, 2)]
        >>> record = trajectories.from_episodes(episodes)
        >>> top_episodes(record, 0.5).tolist(), top_episodes(record, 0.5, ties="all").tolist()
        ([1, 2], [1, 2, 3])
    """
    if not 0 < share <= 1:
        raise ValueError(
            f"got share={share}, wanted a share above 0 and up to 1, for instance 0.1 for the best "
            "tenth"
        )
    if ties not in TIES:
        raise ValueError(f"got ties={ties!r}, wanted one of {', '.join(TIES)}")
    episode_returns = record.episode_returns
    # Rounded before it is rounded up: 0.07 of 100 episodes is 7.000000000000001 in floating point,
    # and has to give 7, not 8.
    count = math.ceil(round(share * record.num_episodes, 9))
    # A stable order, so that ties are broken by the order of the record.
    selected = np.argsort(-episode_returns, kind="stable")[:count]
    if ties == ALL:
        return np.flatnonzero(episode_returns >= episode_returns[selected[-1]])
    return np.sort(selected)


def successes(
    record: trajectories.Trajectories, *, above: int | float = 0
) -> Int[np.ndarray, " kept"]:
    """Selects all episodes with a return above a bound.

    Args:
        record: The episodes.
        above: Bound of the return, itself excluded; 0 selects the successes if only they have a
            positive return.

    Returns:
        Indices of the selected episodes in the order of the record, for `record.select`.

    Raises:
        ValueError: If there is no such episode.

    Example:
        >>> episodes = [
        ...     trajectories.Episode(
        ...         np.zeros(1), np.zeros(1, int), np.array([reward]), np.array([True]),
        ...         np.array([False]), np.zeros(()), seed=0)
        ...     for reward in (0, 1, 0, 1)]
        >>> successes(trajectories.from_episodes(episodes)).tolist()
        [1, 3]
    """
    kept = np.flatnonzero(record.episode_returns > above)
    if not len(kept):
        highest = float(record.episode_returns.max())
        raise ValueError(
            f"got no episode with a return above {above}, the highest is {highest}; lower the bound"
        )
    return kept


def relabel_returns(record: trajectories.Trajectories) -> trajectories.Trajectories:
    """Relabels each step with the highest return that its action led to in the record.

    The new return-to-go is `g_t = r_t + V(o_{t+1})`, and `g_t = r_t` at terminations. Dynamic
    programming finds `V(o)`, the highest return of any sequence of recorded transitions that starts
    at the observation `o`, ends with a termination, and is no longer than the longest episode; its
    transitions may come from different episodes. If there is no such sequence, the recorded
    return-to-go stays. A sequence may not end with a truncation: a return that was only cut short
    must not count as a high one.

    Episodes are joined at equal observations, so the data should have few distinct observations,
    each of which determines the state.

    Args:
        record: The episodes.

    Returns:
        The same episodes with rewards that add up to the new returns-to-go: `g_t - g_{t+1}`.

    Source:
        Yamagata, Khalil and Santos-Rodriguez (2023), "Q-learning Decision Transformer", section
        4.2: relabeling with values; here the values are exact for the record, in the paper they are
        learned.

    Example:
        No episode went from 2 to the goal 0, but one went from 2 to 1, where it was truncated, and
        one from 1 to 0.

        >>> def walk(start, end, terminated):
        ...     return trajectories.Episode(
        ...         np.array([start]), np.array([end]), -np.ones(1), np.array([terminated]),
        ...         np.array([not terminated]), np.array(end), seed=0)
        >>> record = trajectories.from_episodes([walk(2, 1, False), walk(1, 0, True)])
        >>> relabel_returns(record).episode_returns.tolist()
        [-2.0, -1.0]
    """
    here, after = _states(record)
    values = _values(record, here, after)
    composed = record.rewards + np.where(record.terminations, 0.0, values[after])
    recorded = returns.returns_to_go(record.rewards, record.episode_lengths)
    # The value is minus infinity if no recorded transitions lead to a termination.
    new_returns = np.where(np.isfinite(composed), composed, recorded)
    is_last = np.append(
        np.diff(np.repeat(np.arange(record.num_episodes), record.episode_lengths)) > 0, True
    )
    # A record stores rewards, so each reward is the difference to the next step's return-to-go,
    # which is 0 behind the end of an episode.
    following = np.where(is_last, 0.0, np.append(new_returns[1:], 0.0))
    return dataclasses.replace(record, rewards=(new_returns - following).astype(np.float32))


def _states(
    record: trajectories.Trajectories,
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Numbers the observations before and after each step.

    Equal observations get equal numbers.
    """
    count = record.num_steps
    observations = np.concatenate(
        [
            record.observations.reshape(count, -1),
            record.final_observations.reshape(-1, _size(record)),
        ]
    )
    _, numbers = np.unique(observations, axis=0, return_inverse=True)
    # Some versions of NumPy return the inverse with a second axis.
    numbers = numbers.ravel()
    here = numbers[:count]
    # The observation after a step is the one before the next step, or the episode's final one.
    after = np.append(here[1:], 0)
    after[record.episode_starts + record.episode_lengths - 1] = numbers[count:]
    return here, after


def _size(record: trajectories.Trajectories) -> int:
    return int(np.prod(record.observations.shape[1:], dtype=int))


def _values(
    record: trajectories.Trajectories, here: Int[np.ndarray, " N"], after: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " states"]:
    """Computes the highest return from each observation to a termination.

    The value is minus infinity if no recorded transitions lead to a termination.
    """
    values = np.full(max(here.max(), after.max()) + 1, -np.inf)
    # Each sweep adds one step to the longest sequence.
    for _ in range(int(record.episode_lengths.max())):
        better = values.copy()
        # `np.maximum.at`, because several steps may start at one observation and all of them count.
        np.maximum.at(
            better, here, record.rewards + np.where(record.terminations, 0.0, values[after])
        )
        if (better == values).all():
            break
        values = better
    return values
