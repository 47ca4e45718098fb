"""Embeddings of observations, actions and time steps as vectors of the tokens' width."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

VECTOR = "vector"
ONE_HOT = "one_hot"
INDEX = "index"
IMAGE = "image"
KINDS = (VECTOR, ONE_HOT, INDEX, IMAGE)

# Number of axes of one observation.
RANKS = {VECTOR: 1, ONE_HOT: 1, INDEX: 0, IMAGE: 3}
IMAGE_CHANNELS = (16, 32, 32)


def check(kind: str, shape: tuple[int, ...], num_observations: int | None) -> None:
    """Checks that observations of a kind can have a shape.

    Args:
        kind: Kind of observations, one of `KINDS`.
        shape: Shape of one observation.
        num_observations: Number of different observations if they are indices, otherwise None.

    Raises:
        ValueError: An unknown kind, or a shape or number of observations that does not fit it.

    Example:
        >>> check("index", (), 5)
        >>> check("image", (8, 8), None)
        Traceback (most recent call last):
        ValueError: an observation of kind 'image' has 3 axes but its shape is (8, 8); ...
    """
    if kind not in KINDS:
        raise ValueError(f"observation_kind is {kind!r}; choose one of {', '.join(KINDS)}")
    if len(shape) != RANKS[kind]:
        raise ValueError(
            f"an observation of kind {kind!r} has {RANKS[kind]} axes but its shape is {shape}; "
            "choose another kind, or wrap the environment (for instance with FlattenObservation)"
        )
    if (kind == INDEX) != (num_observations is not None):
        raise ValueError(
            f"observations are of kind {kind!r} and num_observations is {num_observations}; "
            "give their number if, and only if, they are indices"
        )


def standardize(
    observations: Num[Array, "*rows features"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "*rows features"]:
    """Centers vectors and divides them by the standard deviation of the training data.

    Args:
        observations: Vectors with any number of leading axes.
        mean: Mean of each feature; empty for zero.
        std: Standard deviation of each feature; empty for one.

    Returns:
        The standardized vectors, float32.

    Example:
        >>> import jax.numpy as jnp
        >>> standardize(jnp.array([3.0, 5.0]), (1.0, 1.0), (2.0, 1.0)).tolist()
        [1.0, 4.0]
    """
    numbers = observations.astype(jnp.float32)
    # Explicit leading axes, because strict configurations of JAX forbid implicit rank promotion.
    ones = (1,) * (numbers.ndim - 1)
    if mean:
        numbers = numbers - np.asarray(mean, np.float32).reshape(*ones, -1)
    if std:
        numbers = numbers / np.asarray(std, np.float32).reshape(*ones, -1)
    return numbers


def table(num_rows: int, width: int, name: str | None = None) -> nn.Embed:
    """Returns a table of learned rows, initialized at the scale of embedded observations.

    That is the scale of linear maps of standardized numbers. The rows of Flax's own tables are
    drawn `sqrt(width)` times smaller; next to observations they would hardly have an effect at
    first, and attention knows the time step from nothing else.

    Args:
        num_rows: Number of rows.
        width: Number of features of a row.
        name: Name of the layer; None lets Flax name it.

    Returns:
        The layer, which maps integers [...] to rows [..., width].

    Source:
        `torch.nn.Embedding`, with which Chen et al. (2021) embed time steps and actions, draws its
        rows from the same distribution.
    """
    return nn.Embed(num_rows, width, embedding_init=nn.initializers.normal(1.0), name=name)


def restore(
    numbers: Float[Array, "*rows features"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "*rows features"]:
    """Reverses `standardize`.

    Args:
        numbers: Standardized vectors with any number of leading axes.
        mean: Mean of each feature; empty for zero.
        std: Standard deviation of each feature; empty for one.

    Returns:
        The vectors, float32.

    Example:
        >>> import jax.numpy as jnp
        >>> restore(jnp.array([1.0, 4.0]), (1.0, 1.0), (2.0, 1.0)).tolist()
        [3.0, 5.0]
    """
    ones = (1,) * (numbers.ndim - 1)
    if std:
        numbers = numbers * np.asarray(std, np.float32).reshape(*ones, -1)
    if mean:
        numbers = numbers + np.asarray(mean, np.float32).reshape(*ones, -1)
    return numbers


class Observation(nn.Module):
    """Embeds observations of one kind.

    * vector: standardization with the statistics of the training data, then a linear map;
    * one_hot: a linear map of flags; standardization would inflate rare flags;
    * index: a row of a table;
    * image (height x width x channels, bytes scaled to [0, 1]): three convolutions of stride 2,
      then a linear map.

    Attributes:
        kind: Kind of observations, one of `KINDS`.
        width: Number of features of the embedding.
        num_observations: Number of rows of the table, if observations are indices.
        mean: Mean of each feature of a vector; empty for zero.
        std: Standard deviation of each feature of a vector; empty for one.
    """

    kind: str
    width: int
    num_observations: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def setup(self) -> None:
        """Creates the layers that the kind of observations needs."""
        if self.kind == INDEX:
            self.table = table(self.num_observations or 0, self.width)
            return
        self.linear = nn.Dense(self.width)
        if self.kind == IMAGE:
            self.convolutions = [
                nn.Conv(channels, (3, 3), strides=2) for channels in IMAGE_CHANNELS
            ]

    def __call__(
        self, observations: Num[Array, "*rows_and_shape"]
    ) -> Float[Array, "*rows_and_width"]:
        """Embeds observations with any number of leading axes."""
        if self.kind == INDEX:
            return self.table(observations)
        if self.kind == IMAGE:
            return self.linear(self._convolve(observations))
        return self.linear(standardize(observations, self.mean, self.std))

    def _convolve(
        self, images: Num[Array, "*rows height width channels"]
    ) -> Float[Array, "*rows features"]:
        pixels = images.astype(jnp.float32)
        # Bytes are scaled to [0, 1]; images of other dtypes stay as they are.
        if images.dtype == jnp.uint8:
            pixels = pixels / 255
        for convolution in self.convolutions:
            pixels = nn.relu(convolution(pixels))
        return pixels.reshape(*images.shape[:-3], -1)


class Action(nn.Module):
    """Embeds discrete actions by a table and continuous actions by a linear map.

    The table has an extra row for "no action" (-1). Continuous actions are standardized first, and
    "no action" is zero behind that.

    Attributes:
        num_actions: Size of a discrete action space; None for a continuous one.
        width: Number of features of the embedding.
        mean: Mean of each component of continuous actions; empty for zero.
        std: Standard deviation of each component; empty for one.
    """

    num_actions: int | None
    width: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def setup(self) -> None:
        """Creates the table or the linear map."""
        if self.num_actions is None:
            self.linear = nn.Dense(self.width)
        else:
            self.table = table(self.num_actions + 1, self.width)

    def __call__(
        self, actions: Num[Array, "*rows_and_action"], is_known: Bool[Array, "..."] | None = None
    ) -> Float[Array, "*rows_and_width"]:
        """Embeds actions with any number of leading axes; where not `is_known`, no action."""
        if self.num_actions is not None:
            # Row 0 of the table is "no action", which is -1.
            return self.table(actions + 1)
        numbers = standardize(actions, self.mean, self.std)
        if is_known is not None and self.mean:
            numbers = jnp.where(is_known[..., None], numbers, jnp.zeros_like(numbers))
        return self.linear(numbers)


def sines(time_steps: Int[Array, "*rows"], width: int) -> Float[Array, "*rows width"]:
    """Computes sines and cosines of time steps, with wavelengths from 2 pi to 20,000 pi steps.

    `sines(t)[i] = sin(t / 10000^(2 i / width))` is the first half of the features; the cosines of
    the same angles follow.

    Args:
        time_steps: Index of each step within its episode.
        width: Number of features; even.

    Returns:
        The features.

    Source:
        Vaswani et al. (2017), "Attention Is All You Need", section 3.5.

    Example:
        >>> import jax.numpy as jnp
        >>> sines(jnp.array([0]), 4).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """
    half = width // 2
    frequencies = np.exp(-np.log(10_000.0) * np.arange(half) / half).astype(np.float32)
    angles = time_steps[..., None].astype(jnp.float32) * frequencies.reshape(
        (1,) * time_steps.ndim + (half,)
    )
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
