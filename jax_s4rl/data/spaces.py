"""Spaces of an environment as JSON and back, and a check that a record fits them."""

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.data import trajectories

spaces = gymnasium.spaces
# Most numbers of the limits of a described space, all parts together.
MAX_SIZE = 1 << 22
MAX_PARTS = 1 << 10


def describe(space: Any) -> dict[str, Any]:
    """Describes a Gymnasium space as plain JSON.

    Args:
        space: Space of kind Box, Discrete, MultiDiscrete, MultiBinary or Text, or a Dict or Tuple
            of such.

    Returns:
        Its kind, shape, type and limits. A limit that is the same everywhere is one number;
        infinity is a string.

    Raises:
        ValueError: If the space is of another kind.

    Example:
        >>> describe(gymnasium.spaces.Discrete(2))
        {'kind': 'Discrete', 'n': 2}
        >>> describe(gymnasium.spaces.Box(-1, np.inf, (3,)))
        {'kind': 'Box', 'shape': [3], 'dtype': 'float32', 'low': -1.0, 'high': 'inf'}
    """
    kind = type(space).__name__
    if isinstance(space, spaces.Discrete):
        start = {"start": int(space.start)} if space.start else {}
        return {"kind": "Discrete", "n": int(space.n), **start, **_dtype(space)}
    if isinstance(space, spaces.MultiDiscrete):
        start = {"start": space.start.tolist()} if np.any(space.start) else {}
        nvec = np.asarray(space.nvec).tolist()
        return {"kind": "MultiDiscrete", "nvec": nvec, **start, **_dtype(space)}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "shape": list(space.shape)}
    if isinstance(space, spaces.Box):
        limits = {"low": _limits(space.low), "high": _limits(space.high)}
        return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **limits}
    if isinstance(space, spaces.Dict):
        # Pairs, because JSON may sort names, and the order of the parts has a meaning.
        parts = [[name, describe(part)] for name, part in space.spaces.items()]
        return {"kind": "Dict", "spaces": parts}
    if isinstance(space, spaces.Tuple):
        return {"kind": "Tuple", "spaces": [describe(part) for part in space.spaces]}
    # A subclass of another package may be no text at all.
    if kind == "Text":
        characters = "".join(sorted(space.character_set))
        lengths = {"min_length": int(space.min_length), "max_length": int(space.max_length)}
        return {"kind": kind, **lengths, "characters": characters}
    raise ValueError(
        f"got the space {space}, wanted Box, Discrete, MultiDiscrete, MultiBinary, Text, or a Dict "
        "or Tuple of these; wrap the environment so that it has one"
    )


def make(description: Any) -> gymnasium.Space:
    """Makes the space that `describe` described.

    Args:
        description: Plain JSON of the space.

    Returns:
        The space.

    Raises:
        ValueError: If it is no description of a space, or one of a space that would fill the
            memory.

    Example:
        >>> make({"kind": "Discrete", "n": 3, "start": 1})
        Discrete(3, start=1)
    """
    try:
        if _size(description) > MAX_SIZE:
            raise ValueError(f"it has more than {MAX_SIZE:,} numbers")
        return _make(description)
    except _NO_SPACE as error:
        raise ValueError(
            f"got {str(description)[:80]}, which describes no space ({error}); take it from "
            "`spaces.describe`"
        ) from None


# What Gymnasium and NumPy raise for wrong types, values, names and sizes.
_NO_SPACE = (
    AssertionError,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def _size(description: Any) -> int:
    """Counts the numbers of the limits of a space, before they are made."""
    parts = description.get("spaces") if isinstance(description, Mapping) else None
    if parts is None:
        shape = [length for length in description.get("shape", [1]) if length]
        if any(type(length) is not int or length < 0 for length in shape):
            raise ValueError(f"its shape is {shape}")
        # A text is a row of numbers for each of its letters.
        letters = len(description.get("characters", "")) * description.get("max_length", 0)
        return math.prod(shape) + letters
    if len(parts) > MAX_PARTS:
        raise ValueError(f"it has {len(parts)} parts, more than {MAX_PARTS}")
    return sum(_size(part[1] if description["kind"] == "Dict" else part) for part in parts)


def _make(description: Mapping[str, Any]) -> gymnasium.Space:
    kind = description["kind"]
    if kind == "Discrete":
        start = description.get("start", 0)
        return spaces.Discrete(description["n"], start=start, **_read_dtype(description))
    if kind == "MultiDiscrete":
        start = description.get("start")
        return spaces.MultiDiscrete(description["nvec"], start=start, **_read_dtype(description))
    if kind == "MultiBinary":
        shape = description["shape"]
        # Gymnasium tells a length from a shape of one axis.
        return spaces.MultiBinary(shape[0] if len(shape) == 1 else shape)
    if kind == "Box":
        shape, dtype = tuple(description["shape"]), _numeric(description["dtype"])
        low, high = (_read_limits(description[name], shape, dtype) for name in ("low", "high"))
        return spaces.Box(low, high, dtype=dtype.type)
    if kind == "Dict":
        return spaces.Dict([(name, _make(part)) for name, part in description["spaces"]])
    if kind == "Tuple":
        return spaces.Tuple([_make(part) for part in description["spaces"]])
    if kind == "Text":
        return spaces.Text(
            description["max_length"],
            min_length=description["min_length"],
            charset=description["characters"],
        )
    raise ValueError(f"there is no kind {kind!r}")


def _dtype(space: Any) -> dict[str, str]:
    """Names a type that is not the usual one."""
    return {} if space.dtype == np.int64 else {"dtype": str(space.dtype)}


def _read_dtype(description: Mapping[str, Any]) -> dict[str, Any]:
    return {"dtype": _numeric(description["dtype"]).type} if "dtype" in description else {}


def _numeric(name: Any) -> np.dtype:
    dtype = np.dtype(name) if isinstance(name, str) else None
    if dtype is None or dtype.kind not in "biuf":
        raise ValueError(f"its type {name!r} is not one of numbers")
    return dtype


def _read_limits(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    # Infinity is written as a string.
    numbers = np.array(value, object)
    if dtype.kind == "f":
        numbers = np.vectorize(float, otypes=[dtype])(numbers)
    flat = numbers.astype(dtype)
    return np.full(shape, flat) if flat.ndim == 0 else flat.reshape(shape)


def check_fit(record: trajectories.Trajectories, observation_space: Any, action_space: Any) -> None:
    """Checks that a record can stem from an environment with the given spaces.

    Args:
        record: Episodes to check.
        observation_space: Encoded observation space of the environment (`observations.encoder`).
        action_space: Encoded action space of the environment (`actions.encoder`).

    Raises:
        ValueError: If the shape or range of the observations, or the kind, the shape or the range
            of the actions differs.

    Example:
        >>> import gymnasium
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> space = gymnasium.spaces.Box(-1, 1, (4,))
        >>> check_fit(trajectories.from_episodes([one]), space, gymnasium.spaces.Discrete(2))
        Traceback (most recent call last):
        ValueError: the data have observations of shape (3,), the environment's have shape (4,); ...
    """
    remedy = "use the environment that the side file names"
    space_shape = tuple(observation_space.shape)
    data_shape = record.observations.shape[1:]
    if space_shape != data_shape:
        raise ValueError(
            f"the data have observations of shape {data_shape}, the environment's have shape "
            f"{space_shape}; {remedy}"
        )
    if isinstance(observation_space, spaces.Discrete):
        if record.observations.dtype.kind not in "iub":
            raise ValueError(
                f"the data have observations of type {record.observations.dtype}, the "
                f"environment's are indices; {remedy}, or convert them to whole numbers"
            )
        _check_range("observation", record.observations, observation_space, remedy)
    is_discrete = isinstance(action_space, spaces.Discrete)
    if is_discrete != record.is_discrete:
        kinds = {True: "discrete", False: "continuous"}
        raise ValueError(
            f"the data have {kinds[record.is_discrete]} actions, the environment's are "
            f"{kinds[is_discrete]}; {remedy}, or pass its action_space when the data are read"
        )
    if is_discrete:
        _check_range("action", record.actions, action_space, remedy)
    if not is_discrete and tuple(action_space.shape) != record.actions.shape[1:]:
        raise ValueError(
            f"the data have actions of shape {record.actions.shape[1:]}, the environment's have "
            f"shape {tuple(action_space.shape)}; {remedy}"
        )


def _check_range(name: str, values: np.ndarray, space: spaces.Discrete, remedy: str) -> None:
    """Checks whole numbers against the table that they index."""
    if space.start != 0:
        raise ValueError(
            f"the environment's {name}s go from {space.start} to {space.start + space.n - 1}, "
            f"records count from 0; pass its {name}_space when the data are read, which shifts them"
        )
    if values.max() >= space.n or values.min() < 0:
        wrong = values.max() if values.max() >= space.n else values.min()
        raise ValueError(
            f"the data hold {name} {wrong}, the environment's go from 0 to {space.n - 1}; {remedy}"
        )


def _limits(values: np.ndarray) -> Any:
    if values.size and (values == values.flat[0]).all():
        return _number(values.flat[0])
    return [_number(value) for value in values.ravel()]


def _number(value: Any) -> float | int | str:
    plain = value.item()
    # JSON has no infinity.
    return plain if np.isfinite(plain) else str(plain)
