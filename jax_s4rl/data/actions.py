"""Actions of any Gymnasium space as the arrays that records hold and models predict.

| space | array |
| --- | --- |
| Discrete | a whole number from 0 |
| MultiDiscrete, MultiBinary, and Dict or Tuple of such | one whole number for each combination |
| Box of any shape, and Dict or Tuple of such | a float32 vector |

An encoder converts stored actions to such arrays, and predicted ones to those of the space.
"""

import dataclasses
import functools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_s4rl.data import _flattening, _narrowing, _values, observations

spaces = gymnasium.spaces

_FLOAT32, _HALVES = np.dtype(np.float32), np.finfo(np.float16)
# Most combinations of discrete parts that become one whole number: each has a logit.
MOST_COMBINATIONS = 4096


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Conversion of the actions of one space.

    Attributes:
        space: Space of the environment.
        encoded_space: Space of the arrays: Discrete from 0, or a float32 Box of one axis.
        counts: Number of choices of each discrete part; empty for continuous actions.
    """

    space: gymnasium.Space
    encoded_space: gymnasium.Space
    counts: tuple[int, ...] = ()

    @property
    def is_discrete(self) -> bool:
        """Whether an encoded action is one whole number."""
        return bool(self.counts)

    @property
    def num_actions(self) -> int | None:
        """Size of the encoded action space if it is discrete, otherwise None."""
        return self._total if self.counts else None

    def encode_all(self, actions: Any) -> Shaped[np.ndarray, "N *action"]:
        """Converts the stored actions of N steps.

        Args:
            actions: Array over steps, list with one action for each step, or, for Dict and Tuple
                spaces, a dictionary or tuple of such columns. Discrete actions may be whole floats,
                a column, or one-hot rows. Of a space with several parts, an array of numbers or
                vectors that were encoded before is taken as it is.

        Returns:
            `[N]` int32 or `[N, A]` float32.

        Raises:
            ValueError: If the actions do not fit the space, or float32 cannot tell them apart.
        """
        shape = getattr(actions, "shape", ())
        if not self.is_discrete:
            if _flattening.parts_of(self.space) and shape[1:] == self.encoded_space.shape:
                return _narrowing.to_float("actions", _values.numeric("actions", actions))
            return np.concatenate(_vectors("actions", self.space, actions), axis=1)
        if len(self.counts) > 1 and len(shape) == 1 and actions.dtype.kind in "iu":
            return _values.choices("actions", actions, self._total).astype(np.int32)
        parts = _choices("actions", self.space, actions)
        # The last part counts fastest, as in a number of digits.
        number = np.zeros(len(parts[0]), np.int64)
        for part, count in zip(parts, self.counts, strict=True):
            number = number * count + part
        return number.astype(np.int32)

    def decode(self, action: Any) -> Any:
        """Converts an encoded action to one that the environment takes.

        Args:
            action: Whole number, or vector; numbers beyond the limits of a Box are clipped.

        Returns:
            The action, in the type of the space; a new array, which the environment may change.

        Raises:
            ValueError: If the action is not finite, or not a choice of the space.
        """
        if self.is_discrete:
            return self._decode_choice(self._number(action))
        vector = self._vector(action)
        if isinstance(self.space, spaces.Box):
            return _within(self.space, vector)
        return _unflatten(self.space, vector, 0)[0]

    def decode_and_keep(self, action: Any) -> tuple[Any, Any]:
        """Converts an encoded action as `decode`, and to what a record holds of it.

        Args:
            action: Whole number, or vector.

        Returns:
            The action that the environment takes, and the same action encoded: a whole number, or
            the vector within the limits of the space, rounded if its numbers are whole.

        Raises:
            ValueError: As `decode`.
        """
        if self.counts:
            number = int(action) if isinstance(action, np.integer) else self._number(action)
            return self._decode_choice(number), number
        given = self.decode(action)
        if isinstance(self.space, spaces.Box):
            # A copy, for an environment may change what it is given.
            return given, given.astype(np.float32).reshape(-1)
        return given, np.concatenate(_vectors("actions", self.space, [given]), axis=1)[0]

    def _number(self, action: Any) -> int:
        if isinstance(action, int | np.integer):
            return int(action)
        array = _values.numeric("an action", action)
        if array.size != 1:
            raise ValueError(
                f"got an action of shape {array.shape}, wanted one whole number; use a policy for "
                "this environment"
            )
        return int(_values.cast("action", array, np.int64).reshape(()))

    def _vector(self, action: Any) -> Float[np.ndarray, " A"]:
        is_vector = isinstance(action, np.ndarray) and action.dtype is _FLOAT32
        array = action if is_vector else _values.numeric("an action", action)
        vector = _values.cast("action", array, np.float32)
        size: Any = self.encoded_space.shape
        if vector.shape != size or not _values.all_finite(vector):
            raise ValueError(
                f"got the action {vector}, wanted {size[0]} finite numbers; use a policy that was "
                "made for this environment and has not diverged"
            )
        return vector

    @functools.cached_property
    def _total(self) -> int:
        return math.prod(self.counts)

    @functools.cached_property
    def _single(self) -> tuple[int, Any] | None:
        """First action and type of a Discrete space, if it is one."""
        space: Any = self.space
        is_single = isinstance(space, spaces.Discrete)
        return (int(space.start), space.dtype.type) if is_single else None

    def _decode_choice(self, number: int) -> Any:
        if not 0 <= number < self._total:
            raise ValueError(
                f"got the action {number}, wanted one from 0 to {self._total - 1}; use a policy "
                "that was made for this environment"
            )
        if self._single is not None:
            return self._single[1](number + self._single[0])
        digits: list[int] = []
        for count in reversed(self.counts):
            number, digit = divmod(number, count)
            digits.append(digit)
        return _compose(self.space, iter(reversed(digits)))


def encoder(space: Any) -> Encoder:
    """Makes the conversion of the actions of a space.

    Args:
        space: Action space of an environment.

    Returns:
        The conversion.

    Raises:
        ValueError: If its actions cannot be one number or vector; the message names a wrapper.

    Example:
        >>> encoder(gymnasium.spaces.Discrete(3, start=1)).encode_all([1.0, 3.0]).tolist()
        [0, 2]
        >>> both = encoder(gymnasium.spaces.MultiDiscrete([2, 3]))
        >>> both.encode_all([[1, 2], [0, 1]]).tolist(), both.decode(np.int32(5)).tolist()
        ([5, 1], [1, 2])
    """
    observations.check_space("action", space)
    leaves = [] if _flattening.has_empty_part(space) else _leaves(space)
    if leaves and all(isinstance(leaf, spaces.Box) for leaf in leaves):
        low, high = _limits(leaves, "low"), _limits(leaves, "high")
        return Encoder(space, spaces.Box(low, high, dtype=np.float32))
    if leaves and not any(isinstance(leaf, spaces.Box) for leaf in leaves):
        counts = tuple(count for leaf in leaves for count in _counts(leaf))
        total = math.prod(counts)
        if total <= MOST_COMBINATIONS:
            return Encoder(space, spaces.Discrete(total), counts)
        raise ValueError(
            f"got the action space {space} of {total:,} combinations, wanted at most "
            f"{MOST_COMBINATIONS}; {_WRAPPER}"
        )
    raise ValueError(
        f"got the action space {space}, wanted discrete parts alone or continuous parts alone; "
        f"{_WRAPPER}"
    )


_WRAPPER = (
    "wrap the environment with gymnasium.wrappers.TransformAction(env, function, space), whose "
    "space is Discrete or a Box and whose function makes an action of the environment"
)


def infer_space(actions: Any) -> gymnasium.Space:
    """Finds a space for recorded actions whose environment is not known.

    Args:
        actions: Actions over steps: whole numbers `[N]` or `[N, 1]`, or floats `[N]` or `[N, A]`.

    Returns:
        Discrete, or an unbounded Box.

    Raises:
        ValueError: If the actions could be either, or are not numbers.
    """
    if isinstance(actions, dict | tuple):
        raise ValueError(
            "got actions in several parts, whose space the data do not say; pass action_space="
        )
    array = _values.numeric("actions", actions)
    if not array.size or not array.ndim:
        raise ValueError(
            f"got actions of shape {array.shape}, wanted [N] or [N, A] and at least one number; "
            "give one action for each step"
        )
    if array.dtype.kind == "f":
        _warn_if_choices(array)
        return spaces.Box(-np.inf, np.inf, array.shape[1:] or (1,), np.float32)
    if array.size != len(array):
        raise ValueError(
            f"got whole numbers of shape {array.shape} as actions, wanted one for each step; pass "
            f"action_space=gymnasium.spaces.Discrete({array.shape[1]}) if rows are one-hot, "
            "MultiDiscrete(...) if each is a choice, or give floats if each is an amount"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0:
        raise ValueError(
            f"got the discrete action {low}, wanted actions from 0 on; renumber them, or pass "
            f"action_space=gymnasium.spaces.Discrete({high - low + 1}, start={low})"
        )
    if high >= MOST_COMBINATIONS:
        raise ValueError(
            f"got whole numbers up to {high} as actions, wanted choices below {MOST_COMBINATIONS}; "
            "renumber them, or give floats if each is an amount"
        )
    return spaces.Discrete(high + 1)


def _warn_if_choices(array: Shaped[np.ndarray, "..."]) -> None:
    """Warns if floats may be choices: they would be learned as amounts."""
    different = np.unique(array)
    is_count = (different == np.round(different)).all() and different[0] >= 0
    is_single = array.size == len(array) and 1 < len(different) <= MOST_COMBINATIONS
    is_one_hot = array.ndim == 2 and len(different) == 2 and (array.sum(axis=1) == 1).all()
    if is_count and (is_single or is_one_hot):
        warnings.warn(
            f"got whole numbers from {different[0]:g} to {different[-1]:g} stored as floats, which "
            "are taken for amounts; if they are choices, give whole numbers, or pass "
            "action_space=gymnasium.spaces.Discrete(...)",
            stacklevel=4,
        )


def _leaves(space: gymnasium.Space) -> list[gymnasium.Space]:
    """Returns all parts of Dict and Tuple spaces; none if one of them cannot be encoded."""
    parts = _flattening.parts_of(space)
    if parts is None:
        known = spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
        return [space] if isinstance(space, known) else []
    found = [_leaves(part) for part in parts.values()]
    return [leaf for part in found for leaf in part] if all(found) else []


def _counts(leaf: gymnasium.Space) -> list[int]:
    if isinstance(leaf, spaces.Discrete):
        return [int(leaf.n)]
    if isinstance(leaf, spaces.MultiDiscrete):
        return np.asarray(leaf.nvec).ravel().tolist()
    return [2] * int(np.prod(leaf.shape or ()))


def _limits(leaves: list[Any], name: str) -> Float[np.ndarray, " A"]:
    # Limits of float64 beyond float32 are no limits there.
    with np.errstate(over="ignore"):
        return np.concatenate([getattr(leaf, name).ravel().astype(np.float32) for leaf in leaves])


def _choices(name: str, space: gymnasium.Space, values: Any) -> list[Int[np.ndarray, " N"]]:
    """Converts stored actions to one column of choices from 0 for each discrete part."""
    parts = _flattening.parts_of(space)
    if parts is not None:
        columns = [
            _choices(f"{name}[{key!r}]", part, _values.column(values, key))
            for key, part in parts.items()
        ]
        return _together(name, columns)
    if isinstance(space, spaces.Discrete):
        return [_values.choices(name, values, int(space.n), int(space.start))]
    counts = _counts(space)
    start = np.broadcast_to(getattr(space, "start", 0), space.shape or ()).ravel().tolist()
    array = _values.numeric(name, values)
    if array.shape[1:] == (sum(counts),) != space.shape:
        # One-hot numbers of all parts, side by side, as Gymnasium flattens them.
        blocks = np.split(array, np.cumsum(counts)[:-1], axis=1)
        start = [0] * len(counts)
    else:
        shape: Any = space.shape
        array = _values.of_shape(name, array, shape, (len(counts),))
        blocks = list(array.reshape(len(array), -1).T)
    chosen = zip(blocks, counts, start, strict=True)
    return [_values.choices(name, block, count, first) for block, count, first in chosen]


def _vectors(name: str, space: gymnasium.Space, values: Any) -> list[Float[np.ndarray, "N part"]]:
    """Converts stored actions to one block of columns for each continuous part."""
    parts = _flattening.parts_of(space)
    if parts is not None:
        columns = [
            _vectors(f"{name}[{key!r}]", part, _values.column(values, key))
            for key, part in parts.items()
        ]
        return _together(name, columns)
    shape: Any = space.shape
    size = int(np.prod(shape))
    array = _values.of_shape(name, _values.numeric(name, values), shape, (size,))
    return [_narrowing.to_float(name, array.reshape(len(array), size))]


def _together(name: str, columns: list[list[Any]]) -> list[Any]:
    """Lists the columns of all parts, which must have one entry for each step."""
    together = [column for part in columns for column in part]
    lengths = sorted({len(column) for column in together})
    if len(lengths) > 1:
        raise ValueError(
            f"got {name} with parts of different lengths {lengths}, wanted one value for each step"
        )
    return together


def _compose(space: gymnasium.Space, digits: Iterator[int]) -> Any:
    """Makes an action of a space from the choice of each discrete part."""
    if isinstance(space, spaces.Dict):
        return {name: _compose(part, digits) for name, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_compose(part, digits) for part in space.spaces)
    dtype: Any = space.dtype
    if isinstance(space, spaces.Discrete):
        return dtype.type(next(digits) + int(space.start))
    shape: Any = space.shape
    chosen = [next(digits) for _ in range(int(np.prod(shape)))]
    start = np.asarray(getattr(space, "start", 0))
    return (np.reshape(chosen, shape) + start).astype(dtype)


def _unflatten(
    space: gymnasium.Space, vector: Float[np.ndarray, " A"], begin: int
) -> tuple[Any, int]:
    """Makes an action of the numbers of a vector from one on; returns where the next ones begin."""
    parts = _flattening.parts_of(space)
    if parts is None:
        box: Any = space
        end = begin + int(np.prod(box.shape))
        return _within(box, vector[begin:end]), end
    made: dict[Any, Any] = {}
    for name, part in parts.items():
        made[name], begin = _unflatten(part, vector, begin)
    return made if isinstance(space, spaces.Dict) else tuple(made.values()), begin


def _within(box: spaces.Box, vector: Float[np.ndarray, " A"]) -> Shaped[np.ndarray, "*shape"]:
    """Makes an action of a Box, within its limits and in its type; a new array."""
    own: Any = vector.reshape(box.shape)
    dtype: Any = box.dtype
    if dtype.kind == "f":
        # Without a limit, the largest number of the type is one.
        own = np.clip(own, _HALVES.min, _HALVES.max) if dtype.itemsize == 2 else own
        # Quicker than `np.clip`; in the type of the space, because rounding can leave the limits.
        within = np.minimum(np.maximum(own.astype(dtype, copy=False), box.low), box.high)
        return np.asarray(within)
    whole = np.round(own.astype(np.float64))
    inside = (whole > box.low) & (whole < box.high)
    limit = np.where(whole >= box.high, box.high, box.low)
    # Numbers outside would wrap around.
    return np.where(inside, np.where(inside, whole, 0.0).astype(dtype), limit)
