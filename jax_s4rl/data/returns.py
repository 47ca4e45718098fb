"""Alignment of returns-to-go in data with target returns while acting."""

from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

Value = TypeVar("Value")


def returns_to_go(
    rewards: Shaped[np.ndarray, " steps"], episode_lengths: Int[np.ndarray, " episodes"]
) -> Float[np.ndarray, " steps"]:
    """Sums the rewards from each step to the end of its episode.

    `g_t = r_t + r_{t+1} + ... + r_T`: undiscounted, the step's own reward included. The sums run in
    float64, because a float32 running sum over millions of steps loses the small rewards.

    Args:
        rewards: Rewards of all episodes, one after the other.
        episode_lengths: Number of steps of each episode, in the same order; they add up to `steps`.

    Returns:
        The returns-to-go in float32.

    Raises:
        ValueError: If the lengths do not add up to the number of rewards.

    Example:
        >>> returns_to_go(np.array([1.0, 2.0, 3.0, 5.0]), np.array([3, 1])).tolist()
        [6.0, 5.0, 3.0, 5.0]
    """
    if int(episode_lengths.sum()) != len(rewards):
        raise ValueError(
            f"episode_lengths add up to {int(episode_lengths.sum())} steps but there are "
            f"{len(rewards)} rewards; give one reward per step of every episode"
        )
    # One running sum over all episodes: the sum at an episode's end minus the sum before a step is
    # the step's return-to-go.
    sums = np.concatenate([np.zeros(1), np.cumsum(rewards, dtype=np.float64)])
    ends = np.cumsum(episode_lengths)
    return (np.repeat(sums[ends], episode_lengths) - sums[:-1]).astype(np.float32)


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
