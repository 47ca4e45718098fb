"""The contract between record, spaces and model, checked once before anything is trained."""

import warnings

import numpy as np

from jax_s4rl.agents import tasks
from jax_s4rl.data import returns, spaces, trajectories

# Number of spreads of the middle half of all values beyond which one value hides the others.
FAR = 1e4


def check(task: tasks.Task) -> None:
    """Checks that the parts of a task fit each other.

    Args:
        task: Task to learn, with its episodes.

    Raises:
        ValueError: If the record does not fit the spaces of the environment, holds an action beyond
            `num_actions`, or an episode longer than `max_steps`.

    Warns:
        UserWarning: If one return or value is so large that it hides all others.
    """
    record = task.record
    observation, action = task.encoders
    spaces.check_fit(record, observation.encoded_space, action.encoded_space)
    longest = int(record.episode_lengths.max())
    if longest > task.max_steps:
        raise ValueError(
            f"the data hold an episode of {longest} steps, max_steps is {task.max_steps}; give the "
            "longest episode of data and environment, or cut the episodes with max_episode_steps"
        )
    if task.num_actions is not None and record.is_discrete:
        highest = int(record.actions.max())
        if highest >= task.num_actions:
            raise ValueError(
                f"the data hold action {highest}, num_actions is {task.num_actions}; give the "
                "number of actions of the environment"
            )
    if (task.num_actions is not None) != record.is_discrete:
        kind = "discrete" if record.is_discrete else "continuous"
        raise ValueError(
            f"the data have {kind} actions, num_actions is {task.num_actions}; give it for "
            "discrete actions, and only for them"
        )
    _warn_of_outliers(record)


def _warn_of_outliers(record: trajectories.Trajectories) -> None:
    """Warns if scaling by the largest value would make all others equal."""
    to_go = returns.returns_to_go(record.rewards, record.episode_lengths)[:, None]
    _warn_if_hidden("a return-to-go", to_go, "clip the rewards, or drop the episode")
    if record.observations.ndim == 2 and record.observations.dtype.kind == "f":
        remedy = "repair or clip it, in the data and in the environment alike"
        _warn_if_hidden("an observation", record.observations, remedy)


def _warn_if_hidden(name: str, values: np.ndarray, remedy: str) -> None:
    low, middle, high = np.quantile(values.astype(np.float64), (0.25, 0.5, 0.75), axis=0)
    farthest = np.abs(values - middle).max(axis=0)
    hidden = (high > low) & (farthest > FAR * (high - low))
    if hidden.any():
        feature = int(np.argmax(hidden))
        which = f" (feature {feature})" if values.shape[1] > 1 else ""
        warnings.warn(
            f"{name}{which} is {farthest[feature]:.3g} away from the middle, half of all lie "
            f"within {high[feature] - low[feature]:.3g}: beside it the others look the same; "
            f"{remedy}",
            stacklevel=3,
        )
