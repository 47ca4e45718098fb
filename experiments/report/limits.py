"""Limits that the runs of some methods have to keep, for bars of tasks."""

import itertools
import statistics
from collections.abc import Callable, Sequence

# Values of the runs of each method.
Runs = Sequence[Sequence[float]]


def at_least(limit: float) -> Callable[[Runs], bool]:
    """Returns whether the mean of every method reaches a limit.

    Example:
        >>> at_least(0.95)([[0.9, 1.0], [0.96]]), at_least(0.95)([[0.9, 1.0], [0.94]])
        (True, False)
    """
    return lambda runs: all(statistics.fmean(values) >= limit for values in runs)


def at_most(limit: float) -> Callable[[Runs], bool]:
    """Returns whether the mean of no method is above a limit.

    Example:
        >>> at_most(0.02)([[0.01, 0.02]]), at_most(0.02)([[0.01], [0.03]])
        (True, False)
    """
    return lambda runs: all(statistics.fmean(values) <= limit for values in runs)


def in_each(above: float) -> Callable[[Runs], bool]:
    """Returns whether every run of every method is above a number.

    Example:
        >>> in_each(0.0)([[0.1, 0.2]]), in_each(0.0)([[0.1, -0.2]])
        (True, False)
    """
    return lambda runs: all(value > above for values in runs for value in values)


def in_most(limit: float, share: float) -> Callable[[Runs], bool]:
    """Returns whether a share of the runs of every method reaches a limit.

    Example:
        >>> in_most(0.9, 0.8)([[1.0, 1.0, 0.9, 1.0, 0.2]]), in_most(0.9, 0.8)([[1.0, 0.2]])
        (True, False)
    """
    return lambda runs: all(
        statistics.fmean(value >= limit for value in values) >= share for values in runs
    )


def first_at_most(share: float) -> Callable[[Runs], bool]:
    """Returns whether the mean of the first method is at most a share of that of each other.

    Example:
        >>> first_at_most(1 / 3)([[1.0], [3.0]]), first_at_most(1 / 3)([[1.0], [2.0]])
        (True, False)
    """

    def is_met(runs: Runs) -> bool:
        first, *others = map(statistics.fmean, runs)
        return all(first <= share * other for other in others)

    return is_met


def first_is_least(runs: Runs) -> bool:
    """Returns whether the mean of the first method is below that of each other.

    Example:
        >>> first_is_least([[1.0], [1.5]]), first_is_least([[float("inf")], [float("inf")]])
        (True, False)
    """
    first, *others = map(statistics.fmean, runs)
    return all(first < other for other in others)


def first_is_not_below(runs: Runs) -> bool:
    """Returns whether the mean of the first method is at least that of each other.

    Example:
        >>> first_is_not_below([[1.0], [1.0]]), first_is_not_below([[0.9], [1.0]])
        (True, False)
    """
    first, *others = map(statistics.fmean, runs)
    return all(first >= other for other in others)


def in_order(runs: Runs) -> bool:
    """Returns whether the mean of each method is above that of the next one.

    Example:
        >>> in_order([[0.9], [0.5], [0.2]]), in_order([[0.9], [0.2], [0.5]])
        (True, False)
    """
    means = list(map(statistics.fmean, runs))
    return all(one > other for one, other in itertools.pairwise(means))


def first_is_most(runs: Runs) -> bool:
    """Returns whether the mean of the first method is above that of each other.

    Example:
        >>> first_is_most([[0.9], [0.5], [0.8]]), first_is_most([[0.9], [0.9]])
        (True, False)
    """
    first, *others = map(statistics.fmean, runs)
    return all(first > other for other in others)
