"""Ratios, exponents and crossovers of times against length, with bootstrap intervals.

Intervals of 95 % come from resampled turns. They cover the noise from turn to turn in one run;
they do not cover the choice of lengths, or another machine.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jax_s4rl.evaluation import bootstrap

Interval = bootstrap.Interval
Turns = Sequence[float]
"""Seconds of one model at one length, turn by turn."""
Curve = Mapping[int, Turns]
"""Turns by length."""

NUM_RESAMPLES = 5000
STATISTICS: dict[str, Callable[..., Any]] = {"median": np.median, "minimum": np.min}


def ratio(over: Turns, under: Turns, statistic: str = "median") -> Interval:
    """Returns the time of one model over that of another.

    Turns are resampled in pairs, as both models ran in each turn. If one of them has fewer turns,
    the others of the other do not count.

    Args:
        over: Turns of the model above the line.
        under: Turns of the model below the line.
        statistic: One of `STATISTICS`.

    Returns:
        The ratio with its interval; NaN at both ends if there is a single turn.

    Example:
        >>> ratio([2.0, 2.0], [1.0, 1.0])
        Interval(value=2.0, low=2.0, high=2.0)
    """
    of, shared = STATISTICS[statistic], min(len(over), len(under))
    over, under = over[:shared], under[:shared]
    drawn = np.exp(_log_ratios({0: over}, {0: under}, statistic)[:, 0])
    return _interval(float(of(over) / of(under)), drawn, shared)


def exponent(curve: Curve, statistic: str = "median") -> Interval:
    """Fits a power of the length: the slope of log time against log length, by least squares.

    Args:
        curve: Times by length; at least two lengths.
        statistic: One of `STATISTICS`.

    Returns:
        The exponent with its interval; NaN at both ends if a length has a single turn.

    Raises:
        ValueError: If there are fewer than two lengths.

    Example:
        >>> exponent({10: [1.0, 1.0], 100: [100.0, 100.0]})
        Interval(value=2.0, low=2.0, high=2.0)
    """
    if len(curve) < 2:
        raise ValueError(f"got times of {len(curve)} lengths; an exponent needs two or more")
    lengths, of = sorted(curve), STATISTICS[statistic]
    x = np.log(lengths)
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    rng = np.random.default_rng(0)
    drawn = np.stack([_drawn(curve[length], rng, of) for length in lengths], axis=1)
    times = np.array([of(curve[length]) for length in lengths])
    # Rounded, so that the same powers at all lengths give the same text on every machine.
    value = round(float(np.log(times) @ weights), 12)
    return _interval(
        value, np.round(np.log(drawn) @ weights, 12), min(len(curve[length]) for length in lengths)
    )


def crossover(over: Curve, under: Curve, statistic: str = "median") -> Interval:
    """Finds the length from which on one model is slower than another at all longer lengths.

    The logarithm of the ratio is interpolated over the logarithm of the length.

    Args:
        over: Times by length of the model that is slower in the end.
        under: Times by length of the other.
        statistic: One of `STATISTICS`.

    Returns:
        The length with its interval. 0 means before the shortest length, infinity after the
        longest.

    Raises:
        ValueError: If the two share fewer than two lengths.

    Example:
        >>> crossover({10: [1.0], 1000: [4.0]}, {10: [2.0], 1000: [2.0]}).value
        100.0
    """
    lengths = sorted(over.keys() & under.keys())
    if len(lengths) < 2:
        raise ValueError(
            f"the two models share {len(lengths)} lengths; a crossover needs two or more"
        )
    of = STATISTICS[statistic]
    logs = np.log(lengths)
    value = _crossed(
        logs, np.array([np.log(of(over[length]) / of(under[length])) for length in lengths])
    )
    drawn = [
        _crossed(logs, row)
        for row in _log_ratios(
            {length: over[length] for length in lengths}, under, statistic, NUM_RESAMPLES // 5
        )
    ]
    fewest = min(min(len(over[length]), len(under[length])) for length in lengths)
    return _interval(value, np.array(drawn), fewest)


def _log_ratios(
    over: Curve, under: Curve, statistic: str, num_resamples: int = NUM_RESAMPLES
) -> np.ndarray:
    """Returns resampled logarithms of ratios, [resamples, lengths]."""
    of, rng, columns = STATISTICS[statistic], np.random.default_rng(0), []
    for length in sorted(over):
        shared = min(len(over[length]), len(under[length]))
        places = rng.integers(0, shared, (num_resamples, shared))
        above, below = (np.asarray(turns[length])[places] for turns in (over, under))
        columns.append(np.log(of(above, axis=1) / of(below, axis=1)))
    return np.stack(columns, axis=1)


def _drawn(turns: Turns, rng: np.random.Generator, of: Callable[..., Any]) -> np.ndarray:
    places = rng.integers(0, len(turns), (NUM_RESAMPLES, len(turns)))
    return of(np.asarray(turns)[places], axis=1)


def _crossed(logs: np.ndarray, ratios: np.ndarray) -> float:
    """Returns the length of the last change from below 0 to above, to a thousandth."""
    below = np.flatnonzero(ratios < 0)
    if not below.size:
        return 0.0
    if (last := below[-1]) == len(logs) - 1:
        return float("inf")
    share = ratios[last] / (ratios[last] - ratios[last + 1])
    return round(float(np.exp(logs[last] + share * (logs[last + 1] - logs[last]))), 3)


def _interval(value: float, drawn: np.ndarray, fewest: int) -> Interval:
    if fewest < 2:
        return Interval(value, float("nan"), float("nan"))
    edge = (1 - bootstrap.CONFIDENCE) / 2
    # Quantiles are draws themselves: the mean of a length and infinity is no length.
    low, high = np.quantile(drawn, [edge, 1 - edge], method="inverted_cdf")
    return Interval(value, float(low), float(high))
