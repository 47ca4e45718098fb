"""Learning histories: episodes in the order in which a learner played them, joined to long rows.

A model that predicts the actions of such a row sees a learner become better, and can become better
itself by going on with the row: algorithm distillation.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from jax_s4rl.data import trajectories


def draw(
    num_episodes: int, num_parts: int, num_rows: int, rng: np.random.Generator
) -> Int[np.ndarray, "rows parts"]:
    """Draws rows that run through a whole history: an episode of each of its equal parts.

    Args:
        num_episodes: Number of episodes of the history.
        num_parts: Number of parts, and of episodes in a row.
        num_rows: Number of rows.
        rng: Source of randomness.

    Returns:
        Indices of episodes, rising in each row.

    Raises:
        ValueError: If there are fewer episodes than parts, or no row or part is wanted.

    Source:
        Laskin et al. (2023), "In-context reinforcement learning with algorithm distillation", whose
        rows skip episodes for the same reason: a row is then as long as learning takes.

    Example:
        >>> draw(4, 2, 3, np.random.default_rng(0)).tolist()
        [[1, 3], [1, 2], [0, 2]]
    """
    if not 1 <= num_parts <= num_episodes or num_rows < 1:
        raise ValueError(
            f"got {num_rows} rows of {num_parts} parts of {num_episodes} episodes, wanted at least "
            "one row and part, and an episode for each part"
        )
    edges = np.linspace(0, num_episodes, num_parts + 1).astype(np.int64)
    return rng.integers(edges[:-1], edges[1:], (num_rows, num_parts))


def join(
    record: trajectories.Trajectories, groups: Sequence[Sequence[int]] | np.ndarray
) -> trajectories.Trajectories:
    """Joins episodes to longer ones, which end where their last episode does.

    Args:
        record: Episodes.
        groups: Indices of the episodes of each joined one, in their order.

    Returns:
        The joined episodes. The end of an inner episode is not marked; its last observation, which
        nobody acted on, is lost.

    Raises:
        ValueError: If there is no group, a group is empty, or an index is out of range.

    Example:
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> joined = join(trajectories.from_episodes([one, one]), [[0, 1]])
        >>> joined.episode_lengths.tolist(), joined.terminations.tolist()
        ([4], [False, False, False, True])
    """
    sizes = np.array([len(group) for group in groups], np.int64)
    if not len(sizes) or not sizes.all():
        raise ValueError("got no episodes for a joined one, wanted at least one; name some")
    chosen = record.select(np.concatenate([np.asarray(group) for group in groups]))
    firsts = np.cumsum(sizes) - sizes
    lengths = np.add.reduceat(chosen.episode_lengths, firsts)
    is_last = np.zeros(chosen.num_steps, bool)
    is_last[np.cumsum(lengths) - 1] = True
    return dataclasses.replace(
        chosen,
        terminations=chosen.terminations & is_last,
        truncations=chosen.truncations & is_last,
        episode_lengths=lengths,
        final_observations=chosen.final_observations[firsts + sizes - 1],
        episode_seeds=chosen.episode_seeds[firsts],
    )
