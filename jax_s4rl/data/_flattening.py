"""Vectors from values in several parts, as `gymnasium.spaces.flatten` orders them.

Gymnasium's own function converts one value at a time, and casts without a look: a fraction becomes
a whole number, an index outside its space wraps around, and axes in another order go unseen. Here
each part is checked, and all steps are converted at once.
"""

from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Shaped

from jax_s4rl.data import _narrowing, _values

spaces = gymnasium.spaces


def flatten(name: str, space: gymnasium.Space, values: Any) -> Shaped[np.ndarray, "N size"]:
    """Converts the values of N steps to one vector for each.

    Args:
        name: Name of the values, for the message of an error.
        space: Space of one value.
        values: Values over steps: an array or list; of a Dict space a dictionary, of a Tuple space
            a tuple with the columns of the parts, or a list with one value for each step.

    Returns:
        The vectors.

    Raises:
        ValueError: If a part is missing or does not fit its space, or the parts have different
            lengths.

    Example:
        >>> space = spaces.Dict(at=spaces.Box(-1, 1, (2,)), gear=spaces.Discrete(3))
        >>> flatten("x", space, {"at": [[0.5, 0.25]], "gear": [2]}).tolist()
        [[0.5, 0.25, 0.0, 0.0, 1.0]]
    """
    parts = parts_of(space)
    if parts is None:
        return _flatten_leaf(name, space, values)
    columns = {
        key: flatten(f"{name}[{key!r}]", part, _values.column(values, key))
        for key, part in parts.items()
    }
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"got {name} with parts of different lengths {lengths}, wanted one value for each step"
        )
    return np.concatenate(list(columns.values()), axis=1)


def names(space: gymnasium.Space, prefix: str = "") -> list[str]:
    """Names the numbers of a vector of `flatten`.

    Args:
        space: Space of one value.
        prefix: Name of the value.

    Returns:
        A name for each number.

    Example:
        >>> names(spaces.Dict(at=spaces.Box(-1, 1, (2,)), fuel=spaces.Box(0, 1, (1,))))
        ['at[0]', 'at[1]', 'fuel']
    """
    parts = parts_of(space)
    if parts is None:
        size = spaces.flatdim(space)
        return [prefix] if size == 1 else [f"{prefix}[{number}]" for number in range(size)]
    named = [names(part, f"{prefix}.{key}" if prefix else f"{key}") for key, part in parts.items()]
    return [name for part in named for name in part]


def parts_of(space: gymnasium.Space) -> dict[Any, gymnasium.Space] | None:
    """Returns the parts of a Dict or Tuple space by key or number; None for another space."""
    if isinstance(space, spaces.Dict):
        return dict(space.spaces)
    return dict(enumerate(space.spaces)) if isinstance(space, spaces.Tuple) else None


def size(space: gymnasium.Space) -> int | None:
    """Returns the length of the vectors of a space; None if no vectors can be made of its values.

    Args:
        space: Space of one value.

    Example:
        >>> size(spaces.Tuple([spaces.Discrete(3), spaces.Box(0, 1, (2, 2))]))
        7
    """
    try:
        flat = spaces.flatdim(space)
        return None if has_empty_part(space) else flat
    except (NotImplementedError, ValueError):
        # Spaces of other packages, and those without a fixed number of numbers.
        return None


def has_empty_part(space: gymnasium.Space) -> bool:
    """Returns whether a space, or a part of it, holds no numbers at all."""
    parts = parts_of(space)
    if parts is not None:
        return not parts or any(has_empty_part(part) for part in parts.values())
    return isinstance(space, spaces.Box) and 0 in space.shape


def _flatten_leaf(name: str, space: gymnasium.Space, values: Any) -> Shaped[np.ndarray, "N size"]:
    if isinstance(space, spaces.Discrete):
        return _one_hot(name, values, int(space.n), int(space.start), space.dtype)
    if isinstance(space, spaces.MultiDiscrete):
        counts = np.asarray(space.nvec)
        array = _values.of_shape(name, _values.numeric(name, values), counts.shape)
        starts = np.broadcast_to(space.start, counts.shape).ravel().tolist()
        rows = array.reshape(len(array), -1)
        blocks = [
            _one_hot(name, rows[:, part], count, start, space.dtype)
            for part, (count, start) in enumerate(zip(counts.ravel().tolist(), starts, strict=True))
        ]
        return np.concatenate(blocks, axis=1)
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        shape: Any = space.shape
        array = _values.of_shape(name, _values.numeric(name, values), shape)
        return convert(name, array, space.dtype).reshape(len(array), -1)
    try:
        rows = [np.asarray(spaces.flatten(space, value)) for value in values]
    except Exception as error:
        # Whatever text and spaces of other packages can raise.
        raise ValueError(
            f"got {name} that do not fit the space {space} ({type(error).__name__}: {error}); "
            "return what the space describes"
        ) from None
    return np.array(rows).reshape(-1, spaces.flatdim(space))


def _one_hot(
    name: str, values: Any, count: int, start: int, dtype: Any
) -> Shaped[np.ndarray, "N count"]:
    chosen = _values.choices(name, values, count, start)
    vectors = np.zeros((len(chosen), count), dtype)
    vectors[np.arange(len(chosen)), chosen] = 1
    return vectors


def convert(name: str, array: Shaped[np.ndarray, "N *rest"], dtype: Any) -> Any:
    """Converts stored values to the type of their space, if they mean the same in it.

    Args:
        name: Name of the values, for the message of an error.
        array: Values over steps.
        dtype: Type of the space.

    Returns:
        The values in that type.

    Raises:
        ValueError: If a value does not fit into the type, or it cannot tell the values of the steps
            apart.
    """
    if np.dtype(dtype).kind == "f" and len(array) > 1 and array.dtype != dtype:
        return _narrowing.to_float(name, array, dtype)
    return _values.cast(name.removesuffix("s"), array, dtype)
