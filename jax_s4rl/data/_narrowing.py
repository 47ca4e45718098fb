"""Numbers of 64 bits as numbers of 32 bits, which is what devices compute with."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

# Share of a feature's standard deviation that rounding may take away.
LARGEST_LOSS = 0.01
# Changes below this share of a feature's size are rounding errors of 64-bit floats themselves.
ROUNDING = 1e-15
# Largest number whose distance to any other one is a float32.
LARGEST = 1e38
# Smallest normal float32; smaller numbers are zero on most devices.
SMALLEST = float(np.finfo(np.float32).tiny)
# Rows that are converted at once, so that a large record needs little memory.
BLOCK = 1 << 18


def to_32_bits(name: str, array: Shaped[np.ndarray, "N *rest"]) -> Shaped[np.ndarray, "N *rest"]:
    """Converts numbers to types of at most 32 bits, if they still tell the same differences.

    Floats become float32. Whole numbers that fit become int32, the others float32.

    Args:
        name: Name of the numbers, for the message of an error.
        array: Numbers over steps.

    Returns:
        The numbers; the given array if its type has at most 32 bits.

    Raises:
        ValueError: If a number is too large for float32, or rounding would wipe out how a feature
            changes.

    Example:
        >>> to_32_bits("observations", np.array([1, 2])).dtype
        dtype('int32')
        >>> stamps = 1_700_000_000_000 + np.arange(3)
        >>> to_32_bits("observations", stamps)
        Traceback (most recent call last):
        ValueError: got observations from 1.7e+12 to 1.7e+12 that change by about 0.816; ...
    """
    return array.astype(dtype(name, array), copy=False)


def to_float(
    name: str, array: Shaped[np.ndarray, "N *rest"], wanted: Any = np.float32
) -> Shaped[np.ndarray, "N *rest"]:
    """Converts numbers to floats, if they still tell the same differences.

    Args:
        name: Name of the numbers, for the message of an error.
        array: Numbers over steps.
        wanted: Type of the floats.

    Returns:
        The numbers; the given array if it has the type already.

    Raises:
        ValueError: As `to_32_bits`.
    """
    given, wanted = array.dtype, np.dtype(wanted)
    # NumPy calls whole numbers of 64 bits safe in floats of 64 bits, which hold 53 bits of them.
    is_exact = np.can_cast(given, wanted) and not (given.kind in "iu" and given.itemsize == 8)
    if not is_exact or given == wanted == np.float32:
        _check(name, array, wanted)
    # `_check` compares no sizes if a value is NaN; the record refuses that value later.
    with np.errstate(over="ignore"):
        return array.astype(wanted, copy=False)


def dtype(name: str, array: Shaped[np.ndarray, "N *rest"]) -> np.dtype:
    """Returns the type of at most 32 bits that numbers can be converted to.

    Args:
        name: Name of the numbers, for the message of an error.
        array: Numbers over steps, also mapped from a file; read block by block.

    Returns:
        The type; that of the array if it has at most 32 bits.

    Raises:
        ValueError: As `to_32_bits`.
    """
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "b" or width < 4 or (width == 4 and kind == "i"):
        return array.dtype.newbyteorder("=")
    if kind in "iu" and array.size:
        limits = np.iinfo(np.int32)
        if array.min() >= limits.min and array.max() <= limits.max:
            return np.dtype(np.int32)
    _check(name, array, np.dtype(np.float32))
    return np.dtype(np.float32)


def _check(name: str, array: Shaped[np.ndarray, "N *rest"], wanted: np.dtype) -> None:
    """Checks each feature: rounding must not take away more than a small share of its spread."""
    flat = array.reshape(len(array), -1)
    if not flat.size:
        return
    blocks = [flat[start : start + BLOCK] for start in range(0, len(flat), BLOCK)]
    # In extended precision, which tells whole numbers of 64 bits apart.
    low, high = (
        np.array([reduce(block, axis=0) for block in blocks]).astype(np.longdouble)
        for reduce in (np.min, np.max)
    )
    low, high = low.min(axis=0), high.max(axis=0)
    largest = min(LARGEST, float(np.finfo(wanted).max))
    size = np.maximum(np.abs(low), np.abs(high))
    if (size > largest).any():
        feature = int(np.argmax(size > largest))
        raise ValueError(
            f"got {name} as large as {float(size[feature]):.3g}{_of(flat, feature)}, wanted at "
            f"most {largest:.3g} ({wanted}); rescale them, or repair the steps that hold them"
        )
    if not np.isfinite(size).all():
        # Not a number: refused by its name and step wherever episodes are checked.
        return
    spread, error = _spread_and_error(blocks, low, high, wanted)
    smallest = ROUNDING * size.astype(np.float64) if array.dtype.kind == "f" else 0.0
    lost = (spread > smallest) & (error > LARGEST_LOSS * spread)
    # A constant that becomes zero: harmless as an observation, but rewards add up.
    lost |= (size > 0) & (size < SMALLEST)
    if lost.any():
        feature = int(np.argmax(lost))
        raise ValueError(
            f"got {name} from {float(low[feature]):.3g} to {float(high[feature]):.3g}"
            f"{_of(flat, feature)} that change by about {spread[feature]:.3g}; numbers of "
            f"{8 * wanted.itemsize} bits cannot tell these apart: subtract a constant, or give "
            "them in another unit, in the data and in the environment alike"
        )


def _spread_and_error(
    blocks: list[np.ndarray],
    low: Shaped[np.ndarray, " features"],
    high: Shaped[np.ndarray, " features"],
    wanted: np.dtype,
) -> tuple[Float[np.ndarray, " features"], Float[np.ndarray, " features"]]:
    """Returns standard deviation and largest rounding error of each feature."""
    width = (high - low).astype(np.float64)
    if blocks[0].dtype == wanted and not ((width > 0) & (width < SMALLEST / LARGEST_LOSS)).any():
        # Nothing is rounded, and no difference is small enough to vanish.
        return width, np.zeros_like(width)
    # Shares of the width, so that squares neither overflow nor vanish.
    divisor = np.where(width > 0, width, 1.0)
    total, squares = np.zeros((2, len(width)))
    # Differences below the smallest normal number vanish on devices.
    error = np.full(len(width), SMALLEST)
    for block in blocks:
        shares = ((block.astype(np.longdouble) - low) / divisor).astype(np.float64)
        total, squares = total + shares.sum(axis=0), squares + (shares**2).sum(axis=0)
        rounded = np.abs(block.astype(wanted).astype(np.longdouble) - block)
        error = np.maximum(error, rounded.max(axis=0).astype(np.float64))
    count = sum(map(len, blocks))
    return width * np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0)), error


def _of(flat: Shaped[np.ndarray, "N features"], feature: int) -> str:
    return f" in feature {feature}" if flat.shape[1] > 1 else ""
