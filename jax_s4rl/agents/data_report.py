"""What a model will see of recorded episodes: features, actions, returns, lengths and ends."""

from typing import Any

import numpy as np

from jax_s4rl.agents import _statistics, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.models import configs

# Number of standard deviations beyond which a value is suspicious.
FAR = 10.0
# Share of actions at a limit of their space from which on they may have been clipped.
CLIPPED = 0.2


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
    features = _features(record, config)
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
    record: trajectories.Trajectories, config: configs.DecisionTransformerConfig
) -> list[dict[str, Any]]:
    """Describes each feature of a vector, the channels of an image, or the index."""
    values = record.observations.astype(np.float64)
    columns = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[:, None]
    # Empty statistics stand for zero and one.
    means = config.observation_mean or (0.0,) * columns.shape[1]
    stds = config.observation_std or (1.0,) * columns.shape[1]
    return [
        {
            "feature": number,
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


def _is_constant(column: np.ndarray) -> bool:
    return bool(column.std() <= _statistics.SMALLEST_SHARE * np.abs(column).max())


def _actions(record: trajectories.Trajectories, task: tasks.Task) -> list[dict[str, Any]]:
    """Describes how often each discrete action was taken, or the range of each component."""
    if record.is_discrete:
        count = task.num_actions or int(record.actions.max()) + 1
        shares = np.bincount(record.actions, minlength=count) / record.num_steps
        return [{"action": n, "share": float(share)} for n, share in enumerate(shares)]
    space: Any = task.encoders[1].encoded_space
    low, high = (np.ravel(limit).astype(np.float64) for limit in (space.low, space.high))
    return [
        {
            "component": number,
            "lowest": float(column.min()),
            "highest": float(column.max()),
            "mean": float(column.mean()),
            "std": float(column.std()),
            "limits": [float(low[number]), float(high[number])],
            "share_at_limits": float(np.mean((column <= low[number]) | (column >= high[number]))),
        }
        for number, column in enumerate(record.actions.T.astype(np.float64))
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


def _suspicious(report: dict[str, Any], task: tasks.Task) -> list[str]:
    found = []
    for one in report["features"]:
        name = f"feature {one['feature']}"
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
        if one.get("share_at_limits", 0) > CLIPPED:
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
    if report["episodes"] == 1 and lengths["highest"] > task.max_steps / 2:
        found.append("all steps are one episode: check terminals and timeouts, or split at breaks")
    return found
