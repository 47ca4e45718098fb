"""What random walks on a graph hold of its shortest paths, and what only stitching them together would give."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jax_s4rl.data import trajectories

GOAL = 0
SHORTEST_LESSON = 2


class Shares(NamedTuple):
    """Shares of the starts: `shown` in one walk, `stitched` from several only, `missing` from all transitions seen."""

    shown: float
    stitched: float
    missing: float


def without_optimal_suffix(record: trajectories.Trajectories, env: object) -> Int[np.ndarray, " kept"]:
    """Names the walks that never show two steps or more of a shortest path to the goal.

    The last two steps of a walk are on a shortest path if they begin at distance 2; longer shortest suffixes end with
    such a pair, so looking at it is enough.

    Args:
        record: Walks, observed as node indices.
        env: A RandomWalk, for its distances.

    Returns:
        Their indices.
    """
    distances = np.asarray(env.unwrapped.distances)  # pyright: ignore[reportAttributeAccessIssue]
    arrives = (record.final_observations == GOAL) & (record.episode_lengths >= SHORTEST_LESSON)
    before = record.episode_starts + record.episode_lengths - SHORTEST_LESSON
    begins_at_two = distances[record.observations[np.maximum(before, 0)]] == SHORTEST_LESSON
    return np.flatnonzero(~(arrives & begins_at_two))


def stitching(
    record: trajectories.Trajectories, distances: Int[np.ndarray, " nodes"], starts: Int[np.ndarray, " starts"]
) -> Shares:
    """Says for which starts the walks hold a shortest path in one piece, in several, or not at all.

    Args:
        record: Walks, observed as node indices.
        distances: Shortest distance of every node to the goal.
        starts: Nodes to ask about.

    Returns:
        Shares of the starts; they add up to 1.
    """
    shown, seen = np.zeros(len(distances), bool), np.zeros((len(distances), len(distances)), bool)
    for episode in record.episodes():
        nodes = np.append(episode.observations, episode.final_observation)
        seen[nodes[:-1], nodes[1:]] = True
        if nodes[-1] == GOAL:
            left = np.arange(len(nodes))[::-1]
            shown[nodes[distances[nodes] == left]] = True
    composable = _distances(seen) == distances
    return Shares(
        float(shown[starts].mean()),
        float((composable & ~shown)[starts].mean()),
        float((~composable & ~shown)[starts].mean()),
    )


def _distances(edges: Bool[np.ndarray, "nodes nodes"]) -> Int[np.ndarray, " nodes"]:
    """Breadth-first search backwards from the goal; -1 where no way leads there."""
    found = np.full(len(edges), -1)
    found[GOAL] = 0
    reached = np.zeros(len(edges), bool)
    reached[GOAL] = True
    for distance in range(1, len(edges)):
        new = edges[:, reached].any(axis=1) & ~reached
        found[new] = distance
        reached |= new
    return found
