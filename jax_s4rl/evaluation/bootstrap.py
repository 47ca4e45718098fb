"""Scores of several seeds on several tasks as one number with an interval: few runs, told honestly.

Scores are given as one list of runs for each task. Tasks may have different numbers of runs, and are never mixed when
runs are drawn again: the bootstrap is stratified by task. An interval covers what differs from run to run, and nothing
else: with training seeds on one data set as runs it says nothing of other data. Where few runs leave few draws, all of
them are listed (`resampling`), and the interval is exact; else it is that of so many draws by chance.

Source: Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4.
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

# What is cut off each end of the runs, so that the middle half remains.
CUT = 0.25
NUM_RESAMPLES = 10_000
# Sums in another order differ in their last digits, and must not decide what lies above zero.
DECIMALS = 9
CONFIDENCE = 0.95

Scores = Sequence[Sequence[float]] | Sequence[Float[np.ndarray, " runs"]] | Float[np.ndarray, "tasks runs"]
"""One list of runs for each task; a matrix [tasks, runs] is such a list."""
Groups = Sequence[str]
"""The group that each task belongs to."""


class Interval(NamedTuple):
    """A number measured, and where it would mostly lie if runs were made again as these were, on the same tasks.

    Attributes:
      value: of the runs at hand.
      low: lower end of the interval.
      high: upper end.
    """

    value: float
    low: float
    high: float


def interquartile_mean(
    scores: Scores, *, confidence: float = CONFIDENCE, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval:
    """Mean of the middle half of all runs of all tasks, with its interval.

    Of n runs the lowest and the highest `n // 4` are left out: a robust mean that still moves with many runs. Runs of
    all tasks are sorted together, so scores must be on one scale (normalized) where there are several tasks.

    Args:
      scores: one list of runs for each task.
      confidence: share of the bootstrap distribution inside the interval, above 0 and below 1.
      num_resamples: draws of the bootstrap, where not all of them are listed.
      seed: of the draws.

    Returns:
      Value and percentile interval. Where a task has a single run, nothing can be drawn again: both ends are NaN.

    Raises:
      ValueError: no task, a task without runs, a score that is no finite number, or an argument out of its range.

    Source: Agarwal et al. (2021), section 4.3; percentile bootstrap, stratified by task.

    Example:
      >>> interquartile_mean([[0.0, 1.0, 2.0, 3.0, 100.0]]).value
      2.0
    """
    return _interval(_middle_mean, [_check(scores)], confidence, num_resamples, seed)


def mean(
    scores: Scores, *, confidence: float = CONFIDENCE, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval:
    """Mean over tasks of their mean over runs, with its interval; arguments as in `interquartile_mean`.

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
    """Interquartile mean of one method minus that of another, with its interval; runs of the two are not paired.

    Args:
      scores: of the one method, a list of runs for each task.
      others: of the other, on the same tasks in the same order.
      confidence: as in `interquartile_mean`.
      num_resamples: likewise.
      seed: likewise.

    Returns:
      The difference; an interval without zero says that the methods differ.

    Raises:
      ValueError: as `interquartile_mean`, or if the methods have different numbers of tasks.

    Example:
      >>> difference([[3.0, 4.0, 5.0]], [[1.0, 2.0, 3.0]]).value
      2.0
    """
    return _interval(_middle_difference, _check_pair(scores, others), confidence, num_resamples, seed)


def mean_difference(
    scores: Scores,
    others: Scores,
    *,
    confidence: float = CONFIDENCE,
    groups: Groups | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean over tasks of the difference of means, with its interval; arguments as in `probability_of_improvement`.

    Where tasks differ much, the interquartile mean of all runs leaves the hardest and the easiest tasks out; this
    weighs all tasks alike, or all groups of them. Scores must be on one scale.

    Example:
      >>> mean_difference([[3.0, 5.0], [1.0]], [[1.0, 3.0], [1.0, 1.0]]).value
      1.0
    """
    pair = _check_pair(scores, others)
    weights = _weigh(groups, len(pair[0]))
    return _interval(functools.partial(_difference_of_means, weights), pair, confidence, num_resamples, seed)


def probability_of_improvement(
    scores: Scores,
    others: Scores,
    *,
    confidence: float = CONFIDENCE,
    groups: Groups | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Chance that a run of one method beats a run of another, on a task drawn at random.

    `mean over tasks of P(X > Y) + P(X = Y) / 2`, over all pairs of runs of a task: Mann and Whitney's U over their
    number. With groups, the mean is taken within each group first, then over groups.

    Args:
      scores: of the one method, a list of runs for each task.
      others: of the other, on the same tasks in the same order.
      confidence: as in `interquartile_mean`.
      groups: name of the group of each task, for instance its environment: groups weigh alike, whatever the number of
        their tasks. Without, every task weighs alike.
      num_resamples: as in `interquartile_mean`; runs of both methods are drawn again.
      seed: likewise.

    Returns:
      Value and interval, between 0 and 1; 0.5 where neither is better.

    Raises:
      ValueError: as `interquartile_mean`, or if the methods have different numbers of tasks, or not every task has a
        group.

    Source: Agarwal et al. (2021), section 4.3, equation for P(X > Y).

    Example:
      >>> probability_of_improvement([[1.0, 2.0]], [[1.0, 0.0]]).value
      0.875
    """
    pair = _check_pair(scores, others)
    weights = _weigh(groups, len(pair[0]))
    return _interval(functools.partial(_improvement, weights), pair, confidence, num_resamples, seed)


def _middle_mean(samples: Sequence[np.ndarray]) -> Any:
    return scipy.stats.trim_mean(np.concatenate(samples, axis=-1), CUT, axis=-1)


def _mean_of_means(samples: Sequence[np.ndarray]) -> Any:
    return np.mean([sample.mean(axis=-1) for sample in samples], axis=0)


def _middle_difference(samples: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Any:
    return _middle_mean(samples) - _middle_mean(others)


def _difference_of_means(weights: np.ndarray, samples: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Any:
    gains = [sample.mean(axis=-1) - other.mean(axis=-1) for sample, other in zip(samples, others, strict=True)]
    return np.average(gains, axis=0, weights=weights)


def _improvement(weights: np.ndarray, samples: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Any:
    chances = []
    for sample, other in zip(samples, others, strict=True):
        wins = np.sign(sample[..., :, None] - other[..., None, :])
        chances.append(0.5 + wins.mean(axis=(-1, -2)) / 2)
    return np.average(chances, axis=0, weights=weights)


def _weigh(groups: Groups | None, num_tasks: int) -> np.ndarray:
    """Weight of each task, so that all groups weigh alike."""
    if groups is None:
        return np.ones(num_tasks)
    if len(groups) != num_tasks:
        raise ValueError(f"{len(groups)} tasks have a group, of {num_tasks}; name the group of every task")
    sizes = collections.Counter(groups)
    return np.array([1 / sizes[group] for group in groups])


def _interval(
    statistic: Any, methods: list[list[np.ndarray]], confidence: float, num_resamples: int, seed: int
) -> Interval:
    """The statistic of each method's runs; every task of every method is drawn again by itself."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it is a share above 0 and below 1, for instance 0.95")
    if num_resamples < 1:
        raise ValueError(f"num_resamples is {num_resamples}; draw at least once, better some thousand times")
    value = float(statistic(*methods))
    num_tasks = len(methods[0])
    samples = [sample for method in methods for sample in method]
    if min(map(len, samples)) < 2:
        return Interval(value, float("nan"), float("nan"))

    def of_resample(*drawn: np.ndarray, axis: int) -> Any:
        del axis  # SciPy asks for the last one
        return statistic(*(drawn[first : first + num_tasks] for first in range(0, len(drawn), num_tasks)))

    if count(samples) <= MOST:
        drawn, chances = every(samples)
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
        raise ValueError("got no task, wanted a list of runs for each of at least one")
    for number, sample in enumerate(samples):
        if sample.ndim != 1 or not len(sample):
            raise ValueError(f"task {number} has runs of shape {sample.shape}; give a list of at least one score")
        if not np.isfinite(sample).all():
            raise ValueError(f"task {number} has a score that is no finite number: {sample.tolist()}; repair that run")
    return samples


def _check_pair(scores: Scores, others: Scores) -> list[list[np.ndarray]]:
    pair = [_check(scores), _check(others)]
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"the methods have runs on {len(pair[0])} and {len(pair[1])} tasks; give both on the same")
    return pair


# More draws than this are not listed: one sample of up to eight runs, or two of up to five.
MOST = 20_000


def count(samples: Sequence[Float[np.ndarray, " runs"]]) -> int:
    """How many draws of all samples together differ in more than their order.

    Example:
      >>> count([np.arange(5.0)]), count([np.arange(5.0), np.arange(5.0)]), count([np.zeros(9)])
      (126, 15876, 1)
    """
    return math.prod(1 if _is_constant(sample) else math.comb(2 * len(sample) - 1, len(sample)) for sample in samples)


def every(
    samples: Sequence[Float[np.ndarray, " runs"]],
) -> tuple[list[Float[np.ndarray, "draws _"]], Float[np.ndarray, " draws"]]:
    """Every draw of each sample with every draw of the others, as many runs as the sample has, with replacement.

    Args:
      samples: runs of each; they are drawn by themselves.

    Returns:
      The runs drawn, an array [draws, runs] for each sample, and how likely each draw is; this adds up to one.

    Example:
      >>> (drawn,), chances = every([np.array([1.0, 2.0])])
      >>> drawn.tolist(), chances.tolist()
      ([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0]], [0.25, 0.5, 0.25])
    """
    alone = [_draws(sample) for sample in samples]
    places = np.indices([len(chances) for _, chances in alone]).reshape(len(alone), -1)
    drawn = [runs[place] for (runs, _), place in zip(alone, places, strict=True)]
    chances = [own[place] for (_, own), place in zip(alone, places, strict=True)]
    return drawn, np.prod(chances, axis=0)


def _draws(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(sample)
    if _is_constant(sample):
        return sample[None], np.ones(1)
    places = np.array(list(itertools.combinations_with_replacement(range(size), size)))
    repeats = (places[:, :, None] == np.arange(size)).sum(axis=1)
    orders = [math.factorial(size) / math.prod(map(math.factorial, counts)) for counts in repeats.tolist()]
    return sample[places], np.array(orders) / size**size


def _is_constant(sample: np.ndarray) -> bool:
    return bool((sample == sample[0]).all())
