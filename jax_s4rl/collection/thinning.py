"""Choices of recorded episodes that leave out most of the others, as the founding report does.

Each function is the `keep` of a recipe. The draw follows from the seeds of the recorded episodes,
so that the same dataset always keeps the same ones.
"""

import numpy as np
from jaxtyping import Bool, Int

from jax_s4rl.data import trajectories

# Share of the other episodes that is kept.
SHARE = 0.01
# Steps from which an episode of CartPole counts as long.
LONG = 200
# With the salt, the draw does not depend on those of the recorded behavior.
SALT = 413


def few_short_ones(record: trajectories.Trajectories, env: object) -> Int[np.ndarray, " kept"]:
    """Selects all episodes of 200 steps or more, and each other one with a chance of 0.01.

    Args:
        record: Recorded episodes.
        env: Their environment, which does not matter.

    Returns:
        Indices of the selected episodes, in the order of the record.
    """
    del env
    return _with_few_others(record, record.episode_lengths >= LONG)


def few_failures(record: trajectories.Trajectories, env: object) -> Int[np.ndarray, " kept"]:
    """Selects all episodes with a return above 0, and each other one with a chance of 0.01.

    Args:
        record: Recorded episodes.
        env: Their environment, which does not matter.

    Returns:
        Indices of the selected episodes, in the order of the record.
    """
    del env
    return _with_few_others(record, record.episode_returns > 0)


def _with_few_others(
    record: trajectories.Trajectories, is_wanted: Bool[np.ndarray, " episodes"]
) -> Int[np.ndarray, " kept"]:
    generator = np.random.default_rng([SALT, int(record.episode_seeds[0])])
    # A number is drawn for wanted ones as well, so that the draw of one does not depend on others.
    return np.flatnonzero(is_wanted | (generator.random(record.num_episodes) < SHARE))
