"""Shortest paths in recorded random walks: those in one walk, and those only by stitching."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jax_s4rl.data import trajectories
from jax_s4rl.envs import graphs

SHORTEST_LESSON = 2


class Shares(NamedTuple):
    """Shares of the starts, by the shortest paths from them that a record contains.

    Attributes:
        shown: Share of starts with a shortest path within one walk.
        stitched: Share of starts with a shortest path from transitions of several walks only.
        missing: Share of starts without a shortest path in the recorded transitions.
    """

    shown: float
    stitched: float
    missing: float


def without_optimal_suffix(
    record: trajectories.Trajectories, env: object
) -> Int[np.ndarray, " kept"]:
    """Selects the walks that do not end with two steps or more of a shortest path to the goal.

    The last two steps of a walk are on a shortest path if they start at distance 2. Every longer
    shortest suffix ends with such a pair, so the test of the last two steps is enough.

    Args:
        record: Walks, observed as node indices.
        env: RandomWalk environment, for its distances.

    Returns:
        Indices of the selected walks.
    """
    distances = np.asarray(env.unwrapped.distances)  # pyright: ignore[reportAttributeAccessIssue]
    arrives = (record.final_observations == graphs.GOAL) & (
        record.episode_lengths >= SHORTEST_LESSON
    )
    before = record.episode_starts + record.episode_lengths - SHORTEST_LESSON
    # For a first walk of one step `before` is -1; `arrives` excludes that walk.
    begins_at_two = distances[record.observations[np.maximum(before, 0)]] == SHORTEST_LESSON
    return np.flatnonzero(~(arrives & begins_at_two))


def stitching(
    record: trajectories.Trajectories,
    distances: Int[np.ndarray, " nodes"],
    starts: Int[np.ndarray, " starts"],
) -> Shares:
    """Counts the starts with a shortest path in one walk, in several walks together, or in none.

    Args:
        record: Walks, observed as node indices.
        distances: Shortest distance of every node to the goal.
        starts: Nodes to count over.

    Returns:
        Shares of the starts; they add up to 1.
    """
    num_nodes = len(distances)
    shown = np.zeros(num_nodes, bool)
    edges = np.zeros((num_nodes, num_nodes), bool)
    for episode in record.episodes():
        nodes = np.append(episode.observations, episode.final_observation)
        edges[nodes[:-1], nodes[1:]] = True
        if nodes[-1] == graphs.GOAL:
            # A node from which the walk needs as many steps as its distance is on a shortest path.
            steps_left = np.arange(len(nodes))[::-1]
            shown[nodes[distances[nodes] == steps_left]] = True
    composable = graphs.distances(edges) == distances
    return Shares(
        float(shown[starts].mean()),
        float((composable & ~shown)[starts].mean()),
        float((~composable & ~shown)[starts].mean()),
    )
