"""Bootstrap intervals for the scores of several seeds on several tasks.

Scores are given as one list of runs for each task. Tasks may have different numbers of runs, and
resampling never mixes them: the bootstrap is stratified by task. An interval covers only what
differs from run to run: if the runs are training seeds on one dataset, the interval says nothing
about other datasets. If there are few runs, all distinct resamples are listed with their
probabilities, and the interval is exact; otherwise it comes from random resamples.

Source: Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", section 4.
"""

import collections
import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

# Share of the runs that is cut off at each end, so that the middle half remains.
CUT = 0.25
NUM_RESAMPLES = 10_000
# Sums in another order differ in their last digits. Rounding keeps these digits from deciding on
# which side of zero a value lies.
DECIMALS = 9
CONFIDENCE = 0.95

Scores = (
    Sequence[Sequence[float]]
    | Sequence[Float[np.ndarray, " runs"]]
    | Float[np.ndarray, "tasks runs"]
)
"""One list of runs for each task, or a matrix [tasks, runs]."""
Groups = Sequence[str]
"""Name of the group of each task."""


class Interval(NamedTuple):
    """A statistic of the runs with its bootstrap interval.

    The interval covers the values that the statistic would mostly take if runs were repeated in the
    same way on the same tasks.

    Attributes:
        value: Statistic of the given runs.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float


def interquartile_mean(
    scores: Scores,
    *,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Computes the mean of the middle half of all runs of all tasks, with its interval.

    Of n runs the lowest and the highest `n // 4` are left out: a robust mean that still depends on
    many runs. Runs of all tasks are sorted together, so with several tasks the scores must be
    normalized to one scale.

    Args:
        scores: One list of runs for each task.
        confidence: Share of the bootstrap distribution inside the interval, above 0 and below 1.
        num_resamples: Number of random resamples if not all resamples are listed.
        seed: Seed of the random resamples.

    Returns:
        Value and percentile interval. If a task has a single run, it cannot be resampled: both ends
        are NaN.

    Raises:
        ValueError: If there is no task, a task has no runs, a score is not finite, or an argument
            is out of its range.

    Source: Agarwal et al. (2021), section 4.3; percentile bootstrap, stratified by task.

    Example:
        >>> interquartile_mean([[0.0, 1.0, 2.0, 3.0, 100.0]]).value
        2.0
    """
    return _interval(_middle_mean, [_check(scores)], confidence, num_resamples, seed)


def mean(
    scores: Scores,
    *,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Computes the mean over tasks of the means over runs, with its interval.

    Arguments and errors are those of `interquartile_mean`.

    Example:
        >>> mean([[0.0, 1.0], [3.0, 3.0, 3.0]]).value
        1.75
    """
    return _interval(_mean_of_means, [_check(scores)], confidence, num_resamples, seed)


def difference(
    scores: Scores,
    others: Scores,
    *,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Computes the interquartile mean of one method minus that of another, with its interval.

    Runs of the two methods are not paired.

    Args:
        scores: Scores of the first method, one list of runs for each task.
        others: Scores of the second method, on the same tasks in the same order.
        confidence: Share of the bootstrap distribution inside the interval, above 0 and below 1.
        num_resamples: Number of random resamples if not all resamples are listed.
        seed: Seed of the random resamples.

    Returns:
        The difference; if its interval excludes zero, the methods differ.

    Raises:
        ValueError: As in `interquartile_mean`, or if the methods have different numbers of tasks.

    Example:
        >>> difference([[3.0, 4.0, 5.0]], [[1.0, 2.0, 3.0]]).value
        2.0
    """
    return _interval(
        _middle_difference, _check_pair(scores, others), confidence, num_resamples, seed
    )


def mean_difference(
    scores: Scores,
    others: Scores,
    *,
    confidence: float = CONFIDENCE,
    groups: Groups | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Computes the mean over tasks of the difference of means, with its interval.

    Arguments and errors are those of `probability_of_improvement`. If tasks differ much, the
    interquartile mean of all runs leaves out the hardest and the easiest tasks; this mean weighs
    all tasks, or all groups of tasks, alike. Scores must be on one scale.

    Example:
        >>> mean_difference([[3.0, 5.0], [1.0]], [[1.0, 3.0], [1.0, 1.0]]).value
        1.0
    """
    pair = _check_pair(scores, others)
    weights = _weigh(groups, len(pair[0]))
    return _interval(
        functools.partial(_difference_of_means, weights), pair, confidence, num_resamples, seed
    )


def probability_of_improvement(
    scores: Scores,
    others: Scores,
    *,
    confidence: float = CONFIDENCE,
    groups: Groups | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Computes the probability that one method beats another on a task drawn at random.

    `mean over tasks of P(X > Y) + P(X = Y) / 2`, over all pairs of runs X and Y of a task: Mann and
    Whitney's U divided by the number of pairs. With groups, the mean is taken within each group
    first, then over groups.

    Args:
        scores: Scores of the first method, one list of runs for each task.
        others: Scores of the second method, on the same tasks in the same order.
        confidence: Share of the bootstrap distribution inside the interval, above 0 and below 1.
        groups: Name of the group of each task, for instance its environment. Groups weigh alike,
            however many tasks they have. If None, all tasks weigh alike.
        num_resamples: Number of random resamples if not all resamples are listed; runs of both
            methods are resampled.
        seed: Seed of the random resamples.

    Returns:
        Value and interval, between 0 and 1; 0.5 if neither method is better.

    Raises:
        ValueError: As in `interquartile_mean`, if the methods have different numbers of tasks, or
            if not every task has a group.

    Source: Agarwal et al. (2021), section 4.3, equation for P(X > Y).

    Example:
        >>> probability_of_improvement([[1.0, 2.0]], [[1.0, 0.0]]).value
        0.875
    """
    pair = _check_pair(scores, others)
    weights = _weigh(groups, len(pair[0]))
    return _interval(
        functools.partial(_improvement, weights), pair, confidence, num_resamples, seed
    )


def _middle_mean(samples: Sequence[np.ndarray]) -> Any:
    return scipy.stats.trim_mean(np.concatenate(samples, axis=-1), CUT, axis=-1)


def _mean_of_means(samples: Sequence[np.ndarray]) -> Any:
    return np.mean([sample.mean(axis=-1) for sample in samples], axis=0)


def _middle_difference(samples: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Any:
    return _middle_mean(samples) - _middle_mean(others)


def _difference_of_means(
    weights: np.ndarray, samples: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> Any:
    gains = [
        sample.mean(axis=-1) - other.mean(axis=-1)
        for sample, other in zip(samples, others, strict=True)
    ]
    return np.average(gains, axis=0, weights=weights)


def _improvement(
    weights: np.ndarray, samples: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> Any:
    chances = []
    for sample, other in zip(samples, others, strict=True):
        # Compares all pairs of runs: [..., runs, 1] with [..., 1, other runs].
        wins = np.sign(sample[..., :, None] - other[..., None, :])
        chances.append(0.5 + wins.mean(axis=(-1, -2)) / 2)
    return np.average(chances, axis=0, weights=weights)


def _weigh(groups: Groups | None, num_tasks: int) -> np.ndarray:
    """Returns the weight of each task; all groups have the same total weight."""
    if groups is None:
        return np.ones(num_tasks)
    if len(groups) != num_tasks:
        raise ValueError(
            f"got {len(groups)} groups for {num_tasks} tasks; name the group of every task"
        )
    sizes = collections.Counter(groups)
    return np.array([1 / sizes[group] for group in groups])


def _interval(
    statistic: Any,
    methods: list[list[np.ndarray]],
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Interval:
    """Computes a statistic and its interval; resamples every task of every method separately."""
    if not 0 < confidence < 1:
        raise ValueError(
            f"got confidence {confidence}; give a share above 0 and below 1, for instance 0.95"
        )
    if num_resamples < 1:
        raise ValueError(
            f"got num_resamples {num_resamples}; give at least 1, better some thousands"
        )
    value = float(statistic(*methods))
    num_tasks = len(methods[0])
    samples = [sample for method in methods for sample in method]
    if min(map(len, samples)) < 2:
        return Interval(value, float("nan"), float("nan"))

    def of_resample(*drawn: np.ndarray, axis: int) -> Any:
        del axis  # SciPy always passes the last axis.
        # SciPy passes the samples of all methods in one list; each method has `num_tasks` of them.
        return statistic(
            *(drawn[first : first + num_tasks] for first in range(0, len(drawn), num_tasks))
        )

    if count_resamples(samples) <= MAX_LISTED_RESAMPLES:
        drawn, chances = all_resamples(samples)
        # The resamples have different probabilities: only `inverted_cdf` takes them as weights.
        values = np.round(of_resample(*drawn, axis=-1), DECIMALS)
        ends = (1 - confidence) / 2, (1 + confidence) / 2
        low, high = np.quantile(values, ends, weights=chances, method="inverted_cdf")
        return Interval(value, float(low), float(high))
    bootstrapped = scipy.stats.bootstrap(
        samples,
        of_resample,
        n_resamples=num_resamples,
        vectorized=True,
        paired=False,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = bootstrapped.confidence_interval
    return Interval(value, float(low), float(high))


def _check(scores: Scores) -> list[np.ndarray]:
    samples = [np.asarray(runs, np.float64) for runs in scores]
    if not samples:
        raise ValueError("got no task; give a list of runs for each of at least one task")
    for number, sample in enumerate(samples):
        if sample.ndim != 1 or not len(sample):
            raise ValueError(
                f"got runs of shape {sample.shape} for task {number}; give at least one score"
            )
        if not np.isfinite(sample).all():
            raise ValueError(
                f"got scores that are not finite for task {number}: {sample.tolist()}; "
                "repair those runs or leave them out"
            )
    return samples


def _check_pair(scores: Scores, others: Scores) -> list[list[np.ndarray]]:
    pair = [_check(scores), _check(others)]
    if len(pair[0]) != len(pair[1]):
        raise ValueError(
            f"got scores on {len(pair[0])} and {len(pair[1])} tasks; "
            "give scores of both methods on the same tasks"
        )
    return pair


# Up to this number of draws all are listed: one sample of up to eight runs, or two of up to five.
MAX_LISTED_RESAMPLES = 20_000


def count_resamples(samples: Sequence[Float[np.ndarray, " runs"]]) -> int:
    """Counts the draws of all samples together that differ in more than their order.

    Example:
        >>> five = np.arange(5.0)
        >>> count_resamples([five]), count_resamples([five, five]), count_resamples([np.zeros(9)])
        (126, 15876, 1)
    """
    return math.prod(
        1 if _is_constant(sample) else math.comb(2 * len(sample) - 1, len(sample))
        for sample in samples
    )


def all_resamples(
    samples: Sequence[Float[np.ndarray, " runs"]],
) -> tuple[list[Float[np.ndarray, "draws _"]], Float[np.ndarray, " draws"]]:
    """Lists all combinations of draws from several samples, with their probabilities.

    Each draw takes as many runs as its sample has, with replacement.

    Args:
        samples: Runs of each sample; samples are drawn independently.

    Returns:
        The drawn runs, an array [draws, runs] for each sample, and the probability of each draw;
        the probabilities add up to one.

    Example:
        >>> (drawn,), chances = all_resamples([np.array([1.0, 2.0])])
        >>> drawn.tolist(), chances.tolist()
        ([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0]], [0.25, 0.5, 0.25])
    """
    single = [_draws(sample) for sample in samples]
    # One row of indices for each sample, one column for each combination of draws.
    rows = np.indices([len(chances) for _, chances in single]).reshape(len(single), -1)
    drawn = [runs[row] for (runs, _), row in zip(single, rows, strict=True)]
    chances = [own[row] for (_, own), row in zip(single, rows, strict=True)]
    return drawn, np.prod(chances, axis=0)


def _draws(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists the draws of one sample that differ in more than their order, with probabilities."""
    size = len(sample)
    if _is_constant(sample):
        return sample[None], np.ones(1)
    positions = np.array(list(itertools.combinations_with_replacement(range(size), size)))
    repeats = (positions[:, :, None] == np.arange(size)).sum(axis=1)
    # A draw comes in as many orders as its multinomial coefficient says, out of size ** size.
    orders = [
        math.factorial(size) / math.prod(map(math.factorial, counts)) for counts in repeats.tolist()
    ]
    return sample[positions], np.array(orders) / size**size


def _is_constant(sample: np.ndarray) -> bool:
    return bool((sample == sample[0]).all())
