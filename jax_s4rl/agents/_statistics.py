"""Kind and statistics of recorded observations, for the configuration of a model."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.modules import embeddings

# Features with a smaller standard deviation are centered but not rescaled.
SMALLEST_STD = 1e-6


def describe(space: gymnasium.Space, observations: np.ndarray) -> dict[str, Any]:
    """Determines the kind of observations, and the statistics that standardize vectors.

    Args:
        space: Observation space of the environment.
        observations: Recorded observations, `[N, *shape]`.

    Returns:
        Fields of `configs.DecisionTransformerConfig` and `q_network.QConfig`, by name.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        return {"observation_kind": embeddings.INDEX, "num_observations": int(space.n)}
    if observations.ndim == 4:
        return {"observation_kind": embeddings.IMAGE}
    if observations.ndim == 2 and np.isin(observations, (0, 1)).all() and _is_unit(space):
        return {"observation_kind": embeddings.ONE_HOT}
    # In float64: sums over millions of float32 observations would lose the small ones.
    vectors = observations.astype(np.float64)
    mean, std = vectors.mean(axis=0), vectors.std(axis=0)
    return {
        "observation_mean": tuple(mean.ravel().tolist()),
        "observation_std": tuple(np.where(std > SMALLEST_STD, std, 1.0).ravel().tolist()),
    }


def _is_unit(space: gymnasium.Space) -> bool:
    """Returns whether every number of an observation lies between zero and one."""
    if isinstance(space, gymnasium.spaces.Box):
        return bool((space.low >= 0).all() and (space.high <= 1).all())
    return isinstance(space, gymnasium.spaces.MultiBinary)
