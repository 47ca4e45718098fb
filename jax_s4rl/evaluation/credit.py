"""Credit-assignment metrics: did the policy find the actions that mattered?"""

import numpy as np
from jaxtyping import Bool, Float

from jax_s4rl.data import trajectories

# Numbers of an umbrella observation: whether an umbrella is needed, whether one is carried, the time left, distractors.
NEED = 0


def umbrella_first_actions(record: trajectories.Trajectories) -> Bool[np.ndarray, " episodes"]:
    """Whether the first action of each episode of bsuite's umbrella chain was right: take it if and only if needed.

    Args:
      record: episodes of `umbrella_length` or `umbrella_distract`, observations flat.

    Returns:
      True where the first action equals the forecast.
    """
    starts = record.episode_starts
    return record.actions[starts] == record.observations[starts, NEED].astype(np.int64)


def umbrella_closed_form(
    target_return: Float[np.ndarray, " targets"] | float, chain_length: int
) -> Float[np.ndarray, " targets"]:
    """Probability that the first action was right, given the return of an episode of uniformly random actions.

    `P(right | return R) = 1/2 + R / (2 n)`, by Bayes' rule: all other rewards are fair coins. It is what sampling from
    a perfectly trained return-conditioned model reaches; its likeliest action is right whenever R is above zero.

    Args:
      target_return: return R asked for, from -n to n.
      chain_length: steps n of an episode.

    Returns:
      Probabilities between 0 and 1.

    Example:
      >>> umbrella_closed_form(np.array([-5.0, 0.0, 1.0]), 5).tolist()
      [0.0, 0.5, 0.6]
    """
    return np.clip(0.5 + np.asarray(target_return, np.float64) / (2 * chain_length), 0.0, 1.0)
