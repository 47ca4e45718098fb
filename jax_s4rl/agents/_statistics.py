"""Kind and statistics of recorded observations and actions, for the configuration of a model."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.data import observations as encoding
from jax_s4rl.modules import embeddings

# Share of a feature's size below which its standard deviation is a rounding error of float32: such
# a feature is constant, so it is centered but not rescaled.
SMALLEST_SHARE = 1e-7

# Smallest standard deviation and largest size of actions that are not standardized.
NEAR_UNIT = (0.05, 5.0)


def describe(space: gymnasium.Space, observations: np.ndarray) -> dict[str, Any]:
    """Determines the kind of observations, and the statistics that standardize vectors.

    Args:
        space: Encoded observation space of the environment (see `data.observations`).
        observations: Recorded observations, `[N, *shape]`.

    Returns:
        Fields of `configs.DecisionTransformerConfig` and `q_network.QConfig`, by name.

    Raises:
        ValueError: If observations are images with the channels first.
    """
    if encoding.is_channels_first(observations.shape[1:]):
        raise ValueError(
            f"got images of shape {observations.shape[1:]} with the channels first, wanted height "
            "x width x channels; transpose them with np.moveaxis(observations, 1, -1), or pass "
            "observation_space when the data are read (frames of an environment are transposed)"
        )
    if isinstance(space, gymnasium.spaces.Discrete):
        return {"observation_kind": embeddings.INDEX, "num_observations": int(space.n)}
    if observations.ndim == 4:
        return {"observation_kind": embeddings.IMAGE}
    if observations.ndim == 2 and np.isin(observations, (0, 1)).all() and _is_unit(space):
        return {"observation_kind": embeddings.ONE_HOT}
    mean, std = statistics(observations)
    return {"observation_mean": mean, "observation_std": std}


def statistics(vectors: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Computes mean and standard deviation of each feature.

    Args:
        vectors: Recorded vectors, `[N, features]`.

    Returns:
        Means, and standard deviations; one for a feature that does not change.

    Example:
        >>> statistics(np.array([[2.0, 5.0], [4.0, 5.0]]))
        ((3.0, 5.0), (1.0, 1.0))
    """
    # In float64: sums over millions of float32 numbers would lose the small ones.
    numbers = vectors.astype(np.float64)
    mean, std = numbers.mean(axis=0), numbers.std(axis=0)
    is_constant = std <= SMALLEST_SHARE * np.abs(numbers).max(axis=0)
    return (
        tuple(mean.ravel().tolist()),
        tuple(np.where(is_constant, 1.0, std).ravel().tolist()),
    )


def describe_actions(actions: np.ndarray) -> dict[str, Any]:
    """Computes the statistics that standardize continuous actions.

    Actions near unit size, as most environments have them, stay as they are.

    Args:
        actions: Recorded actions, `[N]` or `[N, A]`.

    Returns:
        Fields of `configs.DecisionTransformerConfig`, by name; none for actions near unit size.

    Example:
        >>> describe_actions(np.array([[40.0], [60.0]], np.float32))
        {'action_mean': (50.0,), 'action_std': (10.0,)}
        >>> describe_actions(np.array([[-1.0], [1.0]], np.float32))
        {}
    """
    if actions.ndim == 1:
        return {}
    mean, std = statistics(actions)
    lowest, highest = NEAR_UNIT
    is_near = np.abs(actions).max() <= highest and min(std) >= lowest
    return {} if is_near else {"action_mean": mean, "action_std": std}


def _is_unit(space: gymnasium.Space) -> bool:
    """Returns whether every number of an observation lies between zero and one."""
    if isinstance(space, gymnasium.spaces.Box):
        return bool((space.low >= 0).all() and (space.high <= 1).all())
    return isinstance(space, gymnasium.spaces.MultiBinary)
