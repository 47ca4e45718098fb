"""Spaces of an environment as JSON, and a check that a record fits them."""

from typing import Any

import numpy as np

from jax_s4rl.data import trajectories


def describe(space: Any) -> dict[str, Any]:
    """Describes a Gymnasium space as plain JSON.

    Args:
        space: Space of kind Box, Discrete (from 0), MultiDiscrete or MultiBinary.

    Returns:
        Its kind, shape, type and limits. A limit that is the same everywhere is one number;
        infinity is a string.

    Raises:
        ValueError: If the space is of another kind.

    Example:
        >>> import gymnasium
        >>> describe(gymnasium.spaces.Discrete(2))
        {'kind': 'Discrete', 'n': 2}
        >>> describe(gymnasium.spaces.Box(-1, np.inf, (3,)))
        {'kind': 'Box', 'shape': [3], 'dtype': 'float32', 'low': -1.0, 'high': 'inf'}
    """
    kind = type(space).__name__
    if kind == "Discrete" and space.start == 0:
        return {"kind": kind, "n": int(space.n)}
    if kind == "MultiDiscrete":
        return {"kind": kind, "nvec": np.asarray(space.nvec).tolist()}
    if kind == "MultiBinary":
        return {"kind": kind, "shape": list(space.shape)}
    if kind == "Box":
        limits = {"low": _limits(space.low), "high": _limits(space.high)}
        return {"kind": kind, "shape": list(space.shape), "dtype": str(space.dtype), **limits}
    raise ValueError(
        f"got the space {space}, wanted Box, Discrete from 0, MultiDiscrete or MultiBinary; "
        "flatten it"
    )


def check_fit(record: trajectories.Trajectories, observation_space: Any, action_space: Any) -> None:
    """Checks that a record can stem from an environment with the given spaces.

    Args:
        record: Episodes to check.
        observation_space: Observation space of the environment to act in.
        action_space: Action space of the environment to act in.

    Raises:
        ValueError: If the shape of the observations, or the kind, the shape or the range of the
            actions differs.

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
    is_discrete = type(action_space).__name__ == "Discrete"
    if is_discrete != record.is_discrete:
        kinds = {True: "discrete", False: "continuous"}
        raise ValueError(
            f"the data have {kinds[record.is_discrete]} actions, the environment's are "
            f"{kinds[is_discrete]}; {remedy}"
        )
    if is_discrete and record.actions.max() >= action_space.n:
        raise ValueError(
            f"the data hold action {record.actions.max()}, the environment's go from 0 to "
            f"{action_space.n - 1}; {remedy}"
        )
    if not is_discrete and tuple(action_space.shape) != record.actions.shape[1:]:
        raise ValueError(
            f"the data have actions of shape {record.actions.shape[1:]}, the environment's have "
            f"shape {tuple(action_space.shape)}; {remedy}"
        )


def _limits(values: np.ndarray) -> Any:
    if values.size and (values == values.flat[0]).all():
        return _number(values.flat[0])
    return [_number(value) for value in values.ravel()]


def _number(value: Any) -> float | int | str:
    plain = value.item()
    # JSON has no infinity.
    return plain if np.isfinite(plain) else str(plain)
