"""Alignment of returns-to-go in data with target returns while acting; values after a step."""

from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

Value = TypeVar("Value")


def returns_to_go(
    rewards: Shaped[np.ndarray, " steps"], episode_lengths: Int[np.ndarray, " episodes"]
) -> Float[np.ndarray, " steps"]:
    """Sums the rewards from each step to the end of its episode.

    `g_t = r_t + r_{t+1} + ... + r_T`: undiscounted, the step's own reward included. Each episode is
    summed by itself, from its end, in float64: a reward changes no sum but those before it.

    Args:
        rewards: Rewards of all episodes, one after the other.
        episode_lengths: Number of steps of each episode, in the same order; they add up to `steps`.

    Returns:
        The returns-to-go in float32.

    Raises:
        ValueError: If the lengths do not add up to the number of rewards, or a sum is too large for
            float32.

    Example:
        >>> returns_to_go(np.array([1.0, 2.0, 3.0, 5.0]), np.array([3, 1])).tolist()
        [6.0, 5.0, 3.0, 5.0]
    """
    if int(episode_lengths.sum()) != len(rewards):
        raise ValueError(
            f"episode_lengths add up to {int(episode_lengths.sum())} steps but there are "
            f"{len(rewards)} rewards; give one reward per step of every episode"
        )
    sums = np.empty(len(rewards), np.float64)
    end = 0
    for length in episode_lengths:
        start, end = end, end + int(length)
        # Backwards, so that a huge reward does not take the digits of those behind it.
        sums[start:end] = np.cumsum(rewards[start:end][::-1], dtype=np.float64)[::-1]
    if len(sums) and np.abs(sums).max() > np.finfo(np.float32).max:
        raise ValueError(
            f"got rewards that add up to {sums[np.argmax(np.abs(sums))]:.3g} in an episode, wanted "
            "returns of at most 3.4e+38 (float32); rescale the rewards"
        )
    return sums.astype(np.float32)


def values_after(
    rewards: Shaped[np.ndarray, " steps"],
    episode_lengths: Int[np.ndarray, " episodes"],
    discount: float,
) -> Float[np.ndarray, " steps"]:
    """Sums the discounted rewards after each step, its own reward excluded.

    `V_t = r_{t+1} + d r_{t+2} + ...` to the end of the episode, so `r_t + d V_t = V_{t-1}`, and the
    last value of an episode is 0.

    Args:
        rewards: Rewards of all episodes, one after the other.
        episode_lengths: Number of steps of each episode, in the same order; they add up to `steps`.
        discount: Weight d of the next reward, from 0 to 1.

    Returns:
        The values in float32.

    Raises:
        ValueError: If the discount is out of its range.

    Source:
        Janner et al. (2021), "Offline Reinforcement Learning as One Big Sequence Modeling Problem",
        section 3.2.

    Example:
        >>> values_after(np.array([1.0, 2.0, 4.0, 8.0]), np.array([3, 1]), 0.5).tolist()
        [4.0, 4.0, 0.0, 0.0]
    """
    if not 0 <= discount <= 1:
        raise ValueError(f"discount is {discount}; choose a number from 0 to 1")
    values = np.zeros(len(rewards), np.float64)
    is_last = np.zeros(len(rewards), bool)
    is_last[np.cumsum(episode_lengths) - 1] = True
    for step in np.flatnonzero(~is_last)[::-1]:
        values[step] = rewards[step + 1] + discount * values[step + 1]
    return values.astype(np.float32)


def next_target(target: Value, reward: Value) -> Value:
    """Computes the target return after a reward: `g_{t+1} = g_t - r_t`.

    Acting uses this rule alone, so that a policy observes the same sequence that `returns_to_go`
    stores.

    Args:
        target: Target return before the step (a number or an array of numbers).
        reward: Reward of the step, in the same unit.

    Returns:
        The target return of the next step.

    Example:
        >>> next_target(6.0, 1.0)
        5.0
    """
    return target - reward  # pyright: ignore[reportOperatorIssue]
