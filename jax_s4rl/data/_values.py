"""Stored values of a space, in the ways in which people store them, as plain NumPy arrays."""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int, Shaped

NUMBERS = "fiub"
# Up to this many numbers, Python is quicker than NumPy.
FEW = 32


def numeric(name: str, values: Any) -> Shaped[np.ndarray, "..."]:
    """Converts values to an array of numbers.

    Args:
        name: Name of the values, for the message of an error.
        values: Array of any library, number, or nested lists of numbers.

    Returns:
        The array, in the byte order of this machine; the given one if it is such an array already.

    Raises:
        ValueError: If the values are ragged, masked, in several parts, or not numbers.
    """
    if type(values) is np.ndarray and values.dtype.kind in NUMBERS and values.dtype.isnative:
        return values
    if isinstance(values, Mapping):
        raise ValueError(
            f"got {name} in the parts {_few(values)}, wanted numbers; pass (or set) the Dict space "
            "that these are the parts of"
        )
    if np.ma.is_masked(values):
        raise ValueError(
            f"got {name} with masked values, wanted numbers; fill them first, for instance with "
            "`.filled(0)`"
        )
    try:
        array = np.asarray(values)
        if array.dtype == object:
            # Python's numbers, or rows that are arrays of one shape; ragged rows fail here.
            array = np.array(array.tolist())
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"got {name} of which no array of numbers can be made ({error}); give every step "
            "numbers of the same shape"
        ) from None
    # Types that JAX adds to NumPy: bfloat16 and other short ones, of which float32 holds each.
    if array.dtype.kind == "V" and not array.dtype.names and jnp.issubdtype(array.dtype, np.number):
        return array.astype(np.float32)
    if array.dtype.kind not in NUMBERS:
        kind = type(array.flat[0]).__name__ if array.dtype == object and array.size else array.dtype
        raise ValueError(
            f"got {name} of type {kind}, wanted numbers of at most 64 bits; convert those with "
            "`.astype(float)`, and encode anything else"
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def all_finite(array: Shaped[np.ndarray, "..."]) -> bool:
    """Returns whether every number is finite."""
    if array.dtype.kind != "f":
        return True
    # A sum of few Python numbers is several times quicker than NumPy; if it is not finite, it may
    # have overflown.
    is_small = array.ndim == 1 and len(array) <= FEW
    return (is_small and math.isfinite(sum(array.tolist()))) or bool(np.isfinite(array).all())


def cast(name: str, array: Shaped[np.ndarray, "..."], dtype: Any) -> Shaped[np.ndarray, "..."]:
    """Converts numbers to another type, if they fit into it.

    Args:
        name: Name of the numbers, for the message of an error.
        array: Numbers.
        dtype: Wanted type.

    Returns:
        The numbers; the given array if it has the type already.

    Raises:
        ValueError: If a number is outside the range of the type, or a fraction does not fit into
            whole numbers.

    Example:
        >>> cast("x", np.array([1.0, 2.0]), np.int8).tolist()
        [1, 2]
        >>> cast("x", np.array([0.5]), np.int8)
        Traceback (most recent call last):
        ValueError: got the x 0.5, wanted whole numbers (int8); ...
    """
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            converted = array.astype(wanted)
        if all_finite(converted):
            return converted
        lost = np.asarray(np.isfinite(array) & ~np.isfinite(converted))
        remedy = "rescale them"
    else:
        lost = _outside(name, array, wanted)
        # The check comes first: numbers outside would wrap around.
        converted = np.where(lost, 0, array).astype(wanted)
        remedy = "use a wider type, or repair the values"
    if np.any(lost):
        raise ValueError(
            f"got the {name} {array[lost].flat[0]}, which does not fit into {wanted}; {remedy}"
        )
    return converted


def _outside(
    name: str, array: Shaped[np.ndarray, "*shape"], wanted: np.dtype
) -> Shaped[np.ndarray, "*shape"]:
    """Finds the numbers outside the range of a type of whole numbers."""
    low, high = (0, 1) if wanted.kind == "b" else (np.iinfo(wanted).min, np.iinfo(wanted).max)
    if array.dtype.kind == "b":
        return np.zeros(array.shape, bool)
    if array.dtype.kind != "f":
        return np.asarray((array < low) | (array > high))
    is_whole = np.asarray(np.isfinite(array) & (array == np.round(array)))
    if not is_whole.all():
        raise ValueError(
            f"got the {name} {array[~is_whole].flat[0]}, wanted whole numbers ({wanted}); declare "
            "a space of float32, or round them"
        )
    wide = array.astype(np.float64)
    # The highest number itself is no float of 64 bits, the one above it, a power of two, is.
    return np.asarray((wide < float(low)) | (wide >= float(high + 1)))


def per_step(name: str, values: Any, count: int | None = None) -> Shaped[np.ndarray, " N"]:
    """Converts one number a step to an array of one axis; a column `[N, 1]` is one, too.

    Args:
        name: Name of the values, for the message of an error.
        values: One number for each step.
        count: Number of steps; any if None.

    Returns:
        The numbers, `[N]`.

    Raises:
        ValueError: If the values have another shape.

    Example:
        >>> per_step("rewards", [[1.0], [2.0]]).tolist()
        [1.0, 2.0]
    """
    array = numeric(name, values)
    if array.ndim == 0 or array.size != len(array) or (count is not None and len(array) != count):
        wanted = "[N]" if count is None else f"[{count}]"
        is_row = array.ndim > 1 and max(array.shape) == array.size and count in (None, array.size)
        remedy = "use `.reshape(-1)`" if is_row else "take all arrays from one record"
        raise ValueError(
            f"got {name} of shape {array.shape}, wanted {wanted}: one number for each step; "
            f"{remedy}"
        )
    return array.reshape(-1)


def flags(name: str, values: Any, count: int | None = None) -> Bool[np.ndarray, " N"]:
    """Converts one flag a step, of any numeric type, to booleans.

    Args:
        name: Name of the flags, for the message of an error.
        values: One flag for each step.
        count: Number of steps; any if None.

    Returns:
        The flags, `[N]`.

    Raises:
        ValueError: If there is another number than 0 and 1, or the values have another shape.
    """
    array = per_step(name, values, count)
    is_flag = np.isin(array, (0, 1))
    if not is_flag.all():
        wrong = array[~is_flag].flat[0]
        raise ValueError(f"got {name} with the value {wrong}, wanted flags, 0 or 1; compare first")
    return array.astype(bool)


def of_shape(
    name: str, array: Shaped[np.ndarray, "..."], shape: tuple[int, ...], *others: tuple[int, ...]
) -> Shaped[np.ndarray, "N *shape"]:
    """Checks the axes of stored values, and drops or adds those of length 1.

    Args:
        name: Name of the values, for the message of an error.
        array: Values over steps, `[N, *axes]`.
        shape: Shape of one value.
        *others: Other shapes that one value may have.

    Returns:
        The values, `[N, *shape]`, where `shape` is the first of the shapes that fits.

    Raises:
        ValueError: If the axes have other lengths or another order.

    Example:
        >>> of_shape("x", np.zeros((5, 1, 3)), (3,)).shape
        (5, 3)
        >>> of_shape("x", np.zeros((5, 3, 2)), (2, 3))
        Traceback (most recent call last):
        ValueError: got x of shape (3, 2), the environment's have shape (2, 3); ...
    """
    found = array.shape[1:]
    for wanted in (shape, *others):
        if array.ndim and (found == wanted or _long_axes(found) == _long_axes(wanted)):
            return array.reshape(len(array), *wanted)
    raise ValueError(
        f"got {name} of shape {found}, the environment's have shape {shape}; compare the order and "
        "length of all axes, and use the environment that the data come from, or correct its space"
    )


def choices(name: str, values: Any, count: int, start: int = 0) -> Int[np.ndarray, " N"]:
    """Returns one choice a step of a Discrete space, from numbers, a column, or one-hot rows.

    Args:
        name: Name of the values, for the message of an error.
        values: Numbers `[N]` or `[N, 1]`, or one-hot rows `[N, count]`.
        count: Number of choices.
        start: Lowest choice.

    Returns:
        The choices counted from 0, `[N]`.

    Raises:
        ValueError: If the values have another shape, are not whole, or are no choices.

    Example:
        >>> choices("actions", [[0, 1], [1, 0]], 2).tolist()
        [1, 0]
        >>> choices("actions", [3.0, 1.0], 3, start=1).tolist()
        [2, 0]
    """
    array = numeric(name, values)
    has_columns = array.ndim == 2 and array.shape[1] == count > 1
    if has_columns and np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all():
        return array.argmax(axis=1)
    whole = cast(name.removesuffix("s"), per_step(name, array), np.int64)
    outside = (whole < start) | (whole >= start + count)
    if outside.any():
        step = int(np.argmax(outside))
        where = f" at step {step}" if len(whole) > 1 else ""
        raise ValueError(
            f"got {name} with {whole[step]}{where}, the environment's go from {start} to "
            f"{start + count - 1}; use the environment that the data come from, or declare a "
            "larger space"
        )
    return whole - start


def column(values: Any, name: Any) -> Any:
    """Returns one part of stored values of a Dict or Tuple space, over all steps.

    Args:
        values: Columns in a dictionary (of a Tuple space, in a tuple), or a list or array with one
            dictionary or tuple for each step.
        name: Key of a dictionary, or index of a tuple.

    Returns:
        The values of the part, an array or a list with an entry for each step.

    Raises:
        ValueError: If the part is missing, or the values have no parts.
    """
    if isinstance(values, Mapping) or (isinstance(values, tuple) and isinstance(name, int)):
        return _part(values, name)
    if not isinstance(values, list | tuple | np.ndarray) or getattr(values, "ndim", 1) == 0:
        raise ValueError(
            f"got a {type(values).__name__} without the part {name!r}; give every part that the "
            "space names"
        )
    return [_part(row, name) for row in values]


def _part(values: Any, name: Any) -> Any:
    try:
        return values[name]
    except (KeyError, IndexError, TypeError, ValueError):
        raise ValueError(
            f"got a {type(values).__name__} without the part {name!r}; give every part that the "
            "space names"
        ) from None


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length != 1]


def _few(names: Any, most: int = 8) -> str:
    """Lists the first names."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (", ..." if len(listed) > most else "")
