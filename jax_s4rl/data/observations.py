"""Observations of any Gymnasium space as the arrays that records hold and models read.

| space | array |
| --- | --- |
| Box of one axis, or of three (height, width, channels) | as it is |
| Box of three axes with the channels first | channels last |
| Box of two axes that holds bytes, at least 16 x 16 | an image of one channel |
| Box of four axes that holds bytes: a stack of frames of three axes | an image |
| any other Box, MultiDiscrete, MultiBinary | a vector |
| Discrete | an index from 0 |
| Dict, Tuple, Text | a vector, as by `gymnasium.spaces.flatten` |
"""

import dataclasses
import functools
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Shaped

from jax_s4rl.data import _flattening, _values

spaces = gymnasium.spaces

# Sides from which axes of bytes are a picture rather than a table of numbers.
SMALLEST_PICTURE = 16
# A last axis longer than this is a side of a picture, not its channels.
MOST_CHANNELS = 16
# Longest vector that a dictionary or tuple is flattened to.
LONGEST_VECTOR = 100_000
# Most values of an index: a model learns a row of numbers for each.
MOST_INDICES = 1_000_000

_FLOAT32 = np.dtype(np.float32)


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Conversion of the observations of one space.

    Attributes:
        space: Space of the environment.
        encoded_space: Space of the arrays: Box, MultiDiscrete or MultiBinary of one axis, Box of
            three axes, or Discrete from 0.
        is_channels_first: Whether the first axis of images, of channels or of the frames of a
            stack, moves to the end.
        is_flattened: Whether a vector is made of the parts of each observation.
    """

    space: gymnasium.Space
    encoded_space: gymnasium.Space
    is_channels_first: bool = False
    is_flattened: bool = False

    def encode(self, observation: Any) -> Shaped[np.ndarray, "*shape"]:
        """Converts one observation, whatever its type.

        Args:
            observation: Observation as the environment gives it.

        Returns:
            The array, in the type of `encoded_space`; the given one if nothing has to be changed.

        Raises:
            ValueError: If the observation does not fit the space.
        """
        # The common cases first, because this is done at every step of an environment.
        if isinstance(observation, np.ndarray):
            plain = self.plain
            if plain and observation.dtype is plain[1] and observation.shape == plain[0]:
                return observation
        elif self._indices is not None and observation in self._indices:
            return np.asarray(int(observation) - self._indices.start)
        if self.is_flattened:
            return self.encode_all([observation])[0]
        array = _values.numeric("observations", observation)
        if self._indices is not None:
            is_one_hot = array.shape == (len(self._indices),)
            if array.size != 1 and not is_one_hot:
                raise ValueError(
                    f"got an observation of shape {array.shape}, wanted one whole number from "
                    f"{self._indices.start} to {self._indices.stop - 1}; return what the space "
                    "describes, or declare a Box"
                )
            array = array if is_one_hot else array.reshape(())
        return np.asarray(self.encode_all(array[None])[0])

    def encode_all(self, observations: Any) -> Shaped[np.ndarray, "N *shape"]:
        """Converts the stored observations of N steps.

        Args:
            observations: Array over steps, list with one observation for each step, or, for Dict
                and Tuple spaces, a dictionary or tuple of such columns. Vectors and images that
                were encoded before are taken as they are.

        Returns:
            The arrays, `[N, *shape]`.

        Raises:
            ValueError: If the observations do not fit the space, or its type cannot tell them
                apart.
        """
        name, space = "observations", self.space
        encoded: Any = self.encoded_space.shape
        if isinstance(space, spaces.Discrete):
            return _values.choices(name, observations, int(space.n), int(space.start))
        if self.is_flattened and getattr(observations, "shape", ())[1:] != encoded:
            array = _flattening.flatten(name, space, observations)
        else:
            array = self._arrange(_values.numeric(name, observations))
        return _flattening.convert(name, array, self.encoded_space.dtype)

    @property
    def feature_names(self) -> list[str]:
        """Names of the numbers of a vector made of parts; empty for other observations."""
        return _flattening.names(self.space) if self.is_flattened else []

    @functools.cached_property
    def plain(self) -> tuple[Any, Any] | None:
        """Shape and type of observations that need no change, if there are such."""
        is_same = self.encoded_space is self.space
        return (self.space.shape, self.space.dtype) if is_same else None

    @functools.cached_property
    def _indices(self) -> range | None:
        """Numbers that the environment gives as indices, if it gives such."""
        if not isinstance(self.space, spaces.Discrete):
            return None
        start = int(self.space.start)
        return range(start, start + int(self.space.n))

    def _arrange(self, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "N *shape"]:
        """Brings the axes of stored observations into the order of encoded ones."""
        encoded: Any = self.encoded_space.shape
        if self.is_flattened or (self.is_channels_first and array.shape[1:] == encoded):
            return array
        shape: Any = self.space.shape
        array = _values.of_shape("observations", array, shape, encoded)
        if self.is_channels_first and array.shape[1:] == shape:
            array = np.moveaxis(array, 1, -1)
        array = array.reshape(len(array), *encoded)
        start = getattr(self.space, "start", None)
        if start is None:
            return array
        return _values.cast("observation", array, np.int64) - np.reshape(start, encoded)


def encoder(space: Any) -> Encoder:
    """Makes the conversion of the observations of a space.

    Args:
        space: Observation space of an environment.

    Returns:
        The conversion.

    Raises:
        ValueError: If observations of the space cannot be one array; the message names a wrapper.

    Example:
        >>> space = gymnasium.spaces.Box(0, 255, (3, 64, 48), np.uint8)
        >>> encoder(space).encode(np.zeros((3, 64, 48), np.uint8)).shape
        (64, 48, 3)
        >>> encoder(gymnasium.spaces.Discrete(3, start=1)).encode(3).tolist()
        2
    """
    check_space("observation", space)
    if isinstance(space, spaces.Discrete):
        if space.n > MOST_INDICES:
            raise ValueError(
                f"got the observation space {space}, wanted at most {MOST_INDICES:,} indices; if "
                f"each is an amount, {_WRAPPER}"
            )
        return Encoder(space, spaces.Discrete(int(space.n)))
    if isinstance(space, spaces.MultiDiscrete):
        return Encoder(space, spaces.MultiDiscrete(np.asarray(space.nvec).ravel()))
    if isinstance(space, spaces.MultiBinary):
        return Encoder(space, spaces.MultiBinary(int(np.prod(space.shape))))
    if isinstance(space, spaces.Box) and np.prod(space.shape):
        return _box_encoder(space)
    if isinstance(space, spaces.Dict | spaces.Tuple | spaces.Text):
        size = _flattening.size(space)
        if size is not None and size <= LONGEST_VECTOR:
            return Encoder(space, spaces.flatten_space(space), is_flattened=True)
        if size is not None:
            raise ValueError(
                f"got an observation space of {size:,} numbers in several parts, wanted at most "
                f"{LONGEST_VECTOR:,}; keep some of them with gymnasium.wrappers.FilterObservation"
            )
    raise ValueError(_advice(space))


def to_policy(observation: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Converts an encoded observation to at most 32 bits, as a policy takes it.

    Args:
        observation: Encoded observation.

    Returns:
        Floats, and vectors of whole numbers, as float32; an index as int32; bytes and flags as they
        are.

    Raises:
        ValueError: If a number is too large for float32.
    """
    dtype = observation.dtype
    if dtype is _FLOAT32 or dtype.itemsize < 4:
        return observation
    if dtype.kind in "iu" and observation.ndim == 0:
        return observation.astype(np.int32)
    return _values.cast("observation", observation, np.float32)


def all_to_policy(observations: Shaped[np.ndarray, "N *shape"]) -> Shaped[np.ndarray, "N *shape"]:
    """Converts encoded observations of N environments as `to_policy` does each.

    Args:
        observations: Encoded observations.

    Returns:
        The observations in at most 32 bits.

    Raises:
        ValueError: If a number is too large for float32.
    """
    is_index = observations.ndim == 1 and observations.dtype.kind in "iu"
    if is_index and observations.dtype.itemsize >= 4:
        return observations.astype(np.int32)
    return to_policy(observations)


def is_channels_first(shape: tuple[int, ...]) -> bool:
    """Returns whether the shape of an image says that its channels come first.

    Most images are square: channels come first if the last two axes alone are equal. Otherwise they
    do if the first axis is shorter than both others, and the last one is too long for channels.

    Args:
        shape: Shape of an observation.

    Example:
        >>> is_channels_first((3, 64, 64)), is_channels_first((64, 64, 3))
        (True, False)
        >>> is_channels_first((4, 8, 16)), is_channels_first((4, 8, 24))
        (False, True)
    """
    if len(shape) != 3:
        return False
    first, second, third = shape
    if second == third or first == second:
        return second == third != first
    return first < min(second, third) and third > MOST_CHANNELS


def infer_space(observations: Any) -> gymnasium.Space:
    """Finds a space for recorded observations whose environment is not known.

    Args:
        observations: Array or list over steps.

    Returns:
        Discrete for one whole number from 0 a step, if it can be an index; otherwise an unbounded
        Box.

    Raises:
        ValueError: If the observations are not numbers, or there are none.
    """
    array = _values.numeric("observations", observations)
    if not array.size or not array.ndim:
        raise ValueError(
            f"got observations of shape {array.shape}, wanted [N] or more axes and at least one "
            "number; give one observation for each step"
        )
    if array.ndim == 1 and array.dtype.kind in "iub":
        low, high = int(array.min()), int(array.max())
        if low >= 0 and high < MOST_INDICES:
            return spaces.Discrete(high + 1)
    if array.dtype.kind == "b":
        return spaces.MultiBinary(array.shape[1:])
    if array.dtype == np.uint8:
        return spaces.Box(0, 255, array.shape[1:], np.uint8)
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        return spaces.Box(limits.min, limits.max, array.shape[1:], array.dtype.type)
    return spaces.Box(-np.inf, np.inf, array.shape[1:], array.dtype.type)


def check_space(name: str, space: Any) -> None:
    """Checks that a space is one of Gymnasium's.

    Args:
        name: What it is a space of.
        space: Space of an environment.

    Raises:
        ValueError: If it is not; the message names the way out.
    """
    if isinstance(space, gymnasium.Space):
        return
    if type(space).__module__.split(".")[0] == "gym":
        raise ValueError(
            f"got the {name} space {space} of the old Gym; wrap the environment with "
            "shimmy.GymV21CompatibilityV0 or shimmy.GymV26CompatibilityV0, or port it to Gymnasium"
        )
    raise ValueError(
        f"got {space!r} as the {name} space, wanted one of gymnasium.spaces; set "
        f"`{name}_space` in the environment"
    )


def _box_encoder(space: spaces.Box) -> Encoder:
    shape, dtype = space.shape, space.dtype
    is_picture = dtype == np.uint8 and min(shape[1:3], default=0) >= SMALLEST_PICTURE
    if len(shape) == 4 and is_picture and shape[3] < SMALLEST_PICTURE:
        return _moved(space, (*shape[1:3], shape[0] * shape[3]))
    if len(shape) == 4 and dtype == np.uint8 and min(shape[2:]) >= SMALLEST_PICTURE:
        merged = (shape[0] * shape[1], *shape[2:])
        raise ValueError(
            f"got images of shape {shape}, a stack with the channels first; merge both with "
            f"gymnasium.wrappers.ReshapeObservation(env, {merged}), and the data likewise"
        )
    if is_channels_first(shape):
        return _moved(space, (*shape[1:], shape[0]))
    if len(shape) in (1, 3):
        return Encoder(space, space)
    is_gray = len(shape) == 2 and dtype == np.uint8 and min(shape) >= SMALLEST_PICTURE
    wanted = (*shape, 1) if is_gray else (int(np.prod(shape)),)
    low, high = space.low.reshape(wanted), space.high.reshape(wanted)
    encoded: Any = dtype
    return Encoder(space, spaces.Box(low, high, dtype=encoded))


def _moved(space: spaces.Box, wanted: tuple[int, ...]) -> Encoder:
    """Makes the conversion of images whose first axis moves to the end."""
    low, high = (np.moveaxis(limit, 0, -1).reshape(wanted) for limit in (space.low, space.high))
    dtype: Any = space.dtype
    return Encoder(space, spaces.Box(low, high, dtype=dtype), is_channels_first=True)


def _advice(space: gymnasium.Space) -> str:
    if isinstance(space, spaces.Dict) and "mission" in space.spaces:
        return (
            f"got MiniGrid's observation space with a text in it, {space}; wrap the environment "
            "with minigrid.wrappers.ImgObsWrapper (the image alone) or "
            "minigrid.wrappers.FlatObsWrapper (a vector)"
        )
    if isinstance(space, spaces.Dict):
        fit = [name for name, part in space.items() if _has_array(part)]
        # The wrapper takes names that are strings.
        if fit and all(isinstance(name, str) for name in fit):
            return (
                f"got the observation space {space}, of which no array can be made; keep what can "
                f"be one: gymnasium.wrappers.FilterObservation(env, {fit})"
            )
    return f"got the observation space {space}, of which no array can be made; {_WRAPPER}"


_WRAPPER = (
    "wrap the environment with gymnasium.wrappers.TransformObservation(env, function, space), "
    "whose function makes an array and whose space is a Box"
)


def _has_array(space: gymnasium.Space) -> bool:
    try:
        encoder(space)
    except ValueError:
        return False
    return True
