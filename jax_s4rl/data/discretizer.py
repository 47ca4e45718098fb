"""Discretizes each dimension of a transition: bins, or exact categories if values are few.

A bin is known by its lower edge and its center. Bins of equal counts would be empty where a value
is frequent, as zeros are in sparse rewards; such a value has a category of its own instead.
"""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

QUANTILE, UNIFORM = "quantile", "uniform"
KINDS = (QUANTILE, UNIFORM)


@dataclasses.dataclass(frozen=True)
class Discretizer:
    """Bins of D dimensions; dimension d has K_d of them.

    Attributes:
        edges: For each dimension, the K_d - 1 inner edges in ascending order; a number that equals
            an edge belongs to the bin above it.
        centers: For each dimension, the K_d numbers that stand for its bins, in ascending order.
    """

    edges: tuple[tuple[float, ...], ...]
    centers: tuple[tuple[float, ...], ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of bins of each dimension."""
        return tuple(map(len, self.centers))


def fit(
    numbers: Float[np.ndarray, "N D"],
    num_bins: int,
    categories: Sequence[int | None] | None = None,
    kind: str = QUANTILE,
) -> Discretizer:
    """Chooses the bins of every dimension from all numbers of a data set.

    A dimension with at most `num_bins` different numbers has a bin for each of them, which is
    exact. Any other has quantile bins, between every `ceil(N / num_bins)`-th of its sorted numbers,
    the smallest and the largest included; a number that is several of these has a bin for itself.
    Or it has uniform bins, which have equal widths from the smallest to the largest number.

    Args:
        numbers: Numbers of all transitions, finite.
        num_bins: Largest number of bins of a dimension, at least 1.
        categories: For each dimension, the number of its categories 0, 1, ... if it is a finite
            space, all of which have a bin, whatever the data hold; None for other dimensions.
        kind: Kind of bins, quantile or uniform.

    Returns:
        The bins.

    Raises:
        ValueError: If `num_bins` is below 1, or there is no such kind of bins.

    Source:
        Janner et al. (2021), "Offline Reinforcement Learning as One Big Sequence Modeling Problem",
        section 3.1; the categories are an addition.

    Example:
        >>> made = fit(np.array([[0.0, 7.0], [2.0, 7.0], [0.0, 7.0]], np.float32), 100)
        >>> made.centers, made.edges
        (((0.0, 2.0), (7.0,)), ((1.0,), ()))
    """
    if num_bins < 1:
        raise ValueError(f"num_bins is {num_bins}; a dimension needs at least 1 bin")
    if kind not in KINDS:
        raise ValueError(f"the kind of bins is {kind!r}; choose one of {', '.join(KINDS)}")
    known = categories or [None] * numbers.shape[1]
    columns = [
        _categories(np.arange(count)) if count is not None else _fit_column(column, num_bins, kind)
        for column, count in zip(numbers.T, known, strict=True)
    ]
    return Discretizer(*(tuple(part) for part in zip(*columns, strict=True)))


def encode(
    edges: Sequence[Sequence[float]], numbers: Float[Array | np.ndarray, "*rows D"]
) -> Int[Array, "*rows D"]:
    """Finds the bin of every number; numbers beyond the data belong to the outermost bins.

    Args:
        edges: Inner edges of the dimensions, as in `Discretizer`.
        numbers: Numbers of as many dimensions.

    Returns:
        Tokens, from 0 to K_d - 1 in dimension d.

    Example:
        >>> encode(((1.0,), ()), np.array([[-5.0, 3.0], [1.0, 3.0]], np.float32)).tolist()
        [[0, 0], [1, 0]]
    """
    numbers = jnp.asarray(numbers, jnp.float32)
    columns = [
        # Without an edge there is one bin.
        jnp.searchsorted(jnp.asarray(own, jnp.float32), numbers[..., place], side="right")
        if len(own)
        else jnp.zeros(numbers.shape[:-1], jnp.int32)
        for place, own in enumerate(edges)
    ]
    return jnp.stack([column.astype(jnp.int32) for column in columns], axis=-1)


def decode(
    centers: Sequence[Sequence[float]], tokens: Int[Array | np.ndarray, "*rows D"]
) -> Float[Array, "*rows D"]:
    """Returns the numbers that stand for bins.

    Args:
        centers: Centers of the dimensions, as in `Discretizer`.
        tokens: Tokens of as many dimensions; none may be the stop token.

    Returns:
        The numbers, float32.

    Example:
        >>> decode(((0.0, 2.0), (7.0,)), np.array([[1, 0]])).tolist()
        [[2.0, 7.0]]
    """
    tokens = jnp.asarray(tokens)
    columns = [
        jnp.asarray(own, jnp.float32)[tokens[..., place]] for place, own in enumerate(centers)
    ]
    return jnp.stack(columns, axis=-1)


Bins = tuple[tuple[float, ...], tuple[float, ...]]
"""Inner edges and centers of one dimension."""


def _fit_column(column: Float[np.ndarray, " N"], num_bins: int, kind: str) -> Bins:
    values = np.unique(column)
    if len(values) <= num_bins:
        return _categories(values)
    if kind == UNIFORM:
        # In float64: the width can overflow 32 bits.
        bounds = np.linspace(float(values[0]), float(values[-1]), num_bins + 1)
        return _as_bins(bounds[1:-1], (bounds[:-1] + bounds[1:]) / 2)
    ordered = np.sort(column)
    # At most `num_bins` thresholds, and the largest number behind them.
    thresholds = np.append(ordered[:: -(-len(ordered) // num_bins)], ordered[-1])
    values, counts = np.unique(thresholds, return_counts=True)
    # A number that fills a whole bin gets a bin that ends right behind it, in place of the empty
    # bins that its repetitions would give.
    exact = values[counts > 1]
    bounds = np.union1d(values, _next(exact))
    # In float64: the sum of two large numbers of 32 bits can overflow.
    middles = bounds.astype(np.float64)
    centers = (middles[:-1] + middles[1:]) / 2
    centers = np.where(np.isin(bounds[:-1], exact), bounds[:-1], centers)
    return _as_bins(bounds[1:-1], centers)


def _next(values: Float[np.ndarray, " values"]) -> Float[np.ndarray, " values"]:
    """Returns the next larger numbers of 32 bits that XLA does not take for zero."""
    following = np.nextafter(values, np.float32(np.inf))
    smallest = np.finfo(np.float32).tiny
    is_lost = (abs(following) < smallest) & (values >= 0)
    return np.where(is_lost, smallest, following)


def _categories(values: np.ndarray) -> Bins:
    """Returns bins that are exact for some ascending numbers, with edges halfway between them."""
    middles = values.astype(np.float64)
    # Rounded up: halfway between two neighbors of 32 bits is one of them, which must not be the
    # lower one.
    halfway = (middles[:-1] + middles[1:]) / 2
    edges = halfway.astype(np.float32)
    edges = np.where(edges <= values[:-1], values[1:], edges)
    return _as_bins(edges, values)


def _as_bins(edges: np.ndarray, centers: np.ndarray) -> Bins:
    return tuple(map(float, edges)), tuple(map(float, centers))
