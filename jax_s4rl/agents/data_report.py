"""What a model will see of recorded episodes: features, actions, returns, lengths and ends."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.agents import _statistics, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.models import configs

# Number of standard deviations beyond which a value is suspicious.
FAR = 10.0
# Share of actions at a limit of their space from which on they may have been clipped.
CLIPPED = 0.2
# Number of median lengths from which on an episode may be several that were joined.
LONG = 20
# Share of the range of a space by which a value may leave it, for rounding.
SLACK = 1e-3


def make(task: tasks.Task, config: configs.DecisionTransformerConfig) -> dict[str, Any]:
    """Describes the episodes of a task.

    Args:
        task: Task with its episodes.
        config: Configuration of a model for the task, with the scales of its inputs.

    Returns:
        Values that JSON can hold: "features" and "actions" (lists), "returns", "lengths", "ends",
        and "suspicious" (sentences).
    """
    record = task.record
    features = _features(record, config, task)
    actions = _actions(record, task)
    report = {
        "name": task.dataset,
        "episodes": record.num_episodes,
        "steps": record.num_steps,
        "return_scale": config.return_scale,
        "returns": _quantiles(record.episode_returns),
        "lengths": _quantiles(record.episode_lengths),
        "ends": _ends(record),
        "observation_kind": config.observation_kind,
        "features": features,
        "actions": actions,
    }
    return report | {"suspicious": _suspicious(report, task)}


def _features(
    record: trajectories.Trajectories,
    config: configs.DecisionTransformerConfig,
    task: tasks.Task,
) -> list[dict[str, Any]]:
    """Describes each feature of a vector, the channels of an image, or the index."""
    encoder = task.encoders[0]
    names = encoder.feature_names
    limits = _limits(encoder.encoded_space) if record.observations.ndim == 2 else None
    values = record.observations.astype(np.float64)
    columns = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[:, None]
    # Empty statistics stand for zero and one.
    means = config.observation_mean or (0.0,) * columns.shape[1]
    stds = config.observation_std or (1.0,) * columns.shape[1]
    return [
        {
            "feature": number,
            **({"name": names[number]} if names else {}),
            **({"share_outside": _outside(column, limits[number])} if limits else {}),
            "lowest": float(column.min()),
            "highest": float(column.max()),
            "mean": float(column.mean()),
            "std": float(column.std()),
            "scale": float(std),
            "is_constant": _is_constant(column),
            "farthest": float(np.abs((column - mean) / std).max()),
        }
        for number, (column, mean, std) in enumerate(zip(columns.T, means, stds, strict=True))
    ]


def _limits(space: Any) -> list[tuple[float, float]] | None:
    """Returns the lowest and highest value of each number of a space; None of a space without."""
    if not isinstance(space, gymnasium.spaces.Box):
        return None
    low, high = (np.ravel(limit).astype(np.float64).tolist() for limit in (space.low, space.high))
    return list(zip(low, high, strict=True))


def _outside(column: np.ndarray, limits: tuple[float, float]) -> float:
    """Returns the share of values that lie outside of the limits by more than rounding."""
    low, high = limits
    slack = SLACK * (high - low) if np.isfinite(high - low) else 0.0
    return float(np.mean((column < low - slack) | (column > high + slack)))


def _is_constant(column: np.ndarray) -> bool:
    return bool(column.std() <= _statistics.SMALLEST_SHARE * np.abs(column).max())


def _actions(record: trajectories.Trajectories, task: tasks.Task) -> list[dict[str, Any]]:
    """Describes how often each discrete action was taken, or the range of each component."""
    if record.is_discrete:
        count = task.num_actions or int(record.actions.max()) + 1
        shares = np.bincount(record.actions, minlength=count) / record.num_steps
        return [{"action": n, "share": float(share)} for n, share in enumerate(shares)]
    limits = _limits(task.encoders[1].encoded_space) or []
    return [
        {
            "component": number,
            "lowest": float(column.min()),
            "highest": float(column.max()),
            "mean": float(column.mean()),
            "std": float(column.std()),
            "limits": [low, high],
            "share_at_limits": float(np.mean((column <= low) | (column >= high))),
            "share_outside": _outside(column, (low, high)),
        }
        for number, (column, (low, high)) in enumerate(
            zip(record.actions.T.astype(np.float64), limits, strict=True)
        )
    ]


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {
        "lowest": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "highest": float(values.max()),
    }


def _ends(record: trajectories.Trajectories) -> dict[str, int]:
    """Counts how episodes end."""
    last = record.episode_starts + record.episode_lengths - 1
    terminated, truncated = record.terminations[last], record.truncations[last]
    return {
        "terminated": int(terminated.sum()),
        "truncated": int((truncated & ~terminated).sum()),
        "neither": int((~terminated & ~truncated).sum()),
    }


def _leaves(name: str, share: float) -> str:
    return (
        f"{name} lies outside of the limits of its space in {share:.0%} of the steps: look at its "
        "unit, and at the order of the columns"
    )


def _suspicious(report: dict[str, Any], task: tasks.Task) -> list[str]:
    found = []
    for one in report["features"]:
        name = f"feature {one['feature']}" + (f" ({one['name']})" if "name" in one else "")
        if one.get("share_outside"):
            found.append(_leaves(name, one["share_outside"]))
        if one["is_constant"]:
            found.append(f"{name} is always {one['mean']:.4g}: it tells the model nothing")
        elif report["observation_kind"] == "vector" and one["farthest"] > FAR:
            found.append(
                f"{name} goes {one['farthest']:.3g} standard deviations from its mean: look for a "
                "wrong value, or clip it in data and environment alike"
            )
    for one in report["actions"]:
        if one.get("share") == 0:
            found.append(f"action {one['action']} is never taken: the model will not learn it")
        if one.get("share_outside"):
            found.append(
                _leaves(f"component {one['component']} of the action", one["share_outside"])
            )
        elif one.get("share_at_limits", 0) > CLIPPED:
            found.append(
                f"component {one['component']} of the action lies at a limit of its space in "
                f"{one['share_at_limits']:.0%} of the steps: it may have been clipped"
            )
    returns, lengths = report["returns"], report["lengths"]
    if returns["lowest"] == returns["highest"]:
        found.append("all episodes have the same return: the target return tells nothing")
    if report["ends"]["neither"] > 1:
        found.append(
            f"{report['ends']['neither']} episodes end without a flag: check where the data split"
        )
    if lengths["highest"] > LONG * lengths["median"]:
        found.append(
            f"the longest episode has {lengths['highest']:,.0f} steps, the median "
            f"{lengths['median']:,.0f}: if episodes were joined, give timeouts, or the longest "
            "length (max_episode_steps)"
        )
    if report["episodes"] == 1 and lengths["highest"] > task.max_steps / 2:
        found.append("all steps are one episode: check terminals and timeouts, or split at breaks")
    return found
