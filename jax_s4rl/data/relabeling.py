"""Returns that nobody earned in one episode, but that recorded transitions can be put together to."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from jax_s4rl.data import returns, trajectories


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
