"""Walks on a graph, judged against the shortest paths and against what the data showed.

A walk is the nodes of an episode, the start included. Its steps count every action, also one without an edge that left
the walker in place; its path is the walk without such repeats. Node 0 is the goal.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_s4rl.data import trajectories

GOAL = 0
NO_WAY = -1

Path = tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Lookup:
    """What recorded walks show of the ways to the goal.

    Attributes:
      edges: [nodes, nodes], transitions that some walk made.
      best: [nodes] fewest steps in which some walk went on to the goal from that node; -1 where none did. A policy that
        looks up the best walk and repeats it achieves this, and no more.
      composable: [nodes] fewest steps to the goal along recorded transitions, whichever walk they are from; -1 for no
        way.
      ends: every path to the goal that a walk made or ended with.
    """

    edges: Bool[np.ndarray, "nodes nodes"]
    best: Int[np.ndarray, " nodes"]
    composable: Int[np.ndarray, " nodes"]
    ends: frozenset[Path]


class Judged(NamedTuple):
    """What is to be said of each of E acted walks.

    Attributes:
      start: first node.
      steps: actions taken.
      success: arrived at the goal.
      shortest: edges on the shortest path from the start; -1 where there is none.
      optimal: arrived in as many steps as the shortest path has edges.
      novel: arrived by a path that no recorded walk made or ended with.
      stitched: novel, and every edge of it is in the data: pieces of different walks were joined.
      beats_data: arrived in fewer steps than any recorded walk that came by its start.
      needs_stitching: the shortest path from its start can be composed of recorded transitions, but no walk shows one.
      shown: some recorded walk shows a shortest path from its start.
    """

    start: Int[np.ndarray, " E"]
    steps: Int[np.ndarray, " E"]
    success: Bool[np.ndarray, " E"]
    shortest: Int[np.ndarray, " E"]
    optimal: Bool[np.ndarray, " E"]
    novel: Bool[np.ndarray, " E"]
    stitched: Bool[np.ndarray, " E"]
    beats_data: Bool[np.ndarray, " E"]
    needs_stitching: Bool[np.ndarray, " E"]
    shown: Bool[np.ndarray, " E"]


class Shares(NamedTuple):
    """Shares of acted walks; NaN where there is none to ask about.

    Attributes:
      success: arrived in time.
      optimal: arrived by a shortest path, of those whose start has one that is short enough.
      lookup: the same of repeating the best recorded walk from the same starts.
      stitch_rate: optimal, of those whose optimum has to be stitched together from several walks.
      novel: arrived by a path that is not in the data, of those that arrived.
      stitched: the same along recorded edges alone, of those that arrived.
      beats_data: arrived sooner than any recorded walk from the start, of all.
      gap: mean number of steps above the shortest path, of those that arrived.
      spl: mean of success times shortest over taken steps ("success weighted by path length").
    """

    success: float
    optimal: float
    lookup: float
    stitch_rate: float
    novel: float
    stitched: float
    beats_data: float
    gap: float
    spl: float


def lookup(record: trajectories.Trajectories, num_nodes: int) -> Lookup:
    """Collects what recorded walks show.

    Args:
      record: walks, observed as node indices or one-hot.
      num_nodes: of the graph.

    Returns:
      Transitions, the best recorded ways and paths.

    Example:
      >>> nodes, ends = np.array([2, 1]), np.array([False, True])
      >>> walk = trajectories.Episode(nodes, np.array([1, 0]), -np.ones(2), ends, ends & ~ends, np.array(0), seed=0)
      >>> lookup(trajectories.from_episodes([walk]), 4).best.tolist()
      [0, 1, 2, -1]
    """
    edges = np.zeros((num_nodes, num_nodes), bool)
    best = np.full(num_nodes, np.iinfo(np.int64).max)
    ends: set[Path] = set()
    for nodes in walks(record):
        edges[nodes[:-1], nodes[1:]] = True
        if nodes[-1] != GOAL:
            continue
        np.minimum.at(best, nodes, np.arange(len(nodes))[::-1])
        path = _path(nodes)
        ends.update(path[first:] for first in range(len(path) - 1))
    np.fill_diagonal(edges, False)
    best = np.where(best == np.iinfo(np.int64).max, NO_WAY, best)
    best[GOAL] = 0
    return Lookup(edges, best, _distances(edges), frozenset(ends))


def judge(record: trajectories.Trajectories, seen: Lookup, distances: Int[np.ndarray, " nodes"]) -> Judged:
    """Compares acted walks with the shortest paths and with the data.

    Args:
      record: walks of a policy, observed as node indices or one-hot.
      seen: what the data show.
      distances: edges on the shortest path from each node to the goal, -1 for none: `env.unwrapped.distances`.

    Returns:
      What is to be said of each walk.
    """
    distances = np.asarray(distances)
    all_nodes = list(walks(record))
    paths = [_path(nodes) for nodes in all_nodes]
    start = np.array([nodes[0] for nodes in all_nodes])
    steps = np.array([len(nodes) - 1 for nodes in all_nodes])
    success = np.array([nodes[-1] == GOAL for nodes in all_nodes])
    novel = success & np.array([path not in seen.ends for path in paths])
    along = np.array([bool(seen.edges[list(path[:-1]), list(path[1:])].all()) for path in paths])
    shortest, best = distances[start], seen.best[start]
    shown = (best == shortest) & (shortest != NO_WAY)
    return Judged(
        start=start,
        steps=steps,
        success=success,
        shortest=shortest,
        optimal=success & (steps == shortest),
        novel=novel,
        stitched=novel & along,
        beats_data=success & ((best == NO_WAY) | (steps < best)),
        needs_stitching=~shown & (seen.composable[start] == shortest) & (shortest != NO_WAY),
        shown=shown,
    )


def shares(judged: Judged, max_steps: int) -> Shares:
    """Sums walks up.

    Args:
      judged: what `judge` said.
      max_steps: longest walk; starts that are further away than this are not asked for the optimum.
    """
    reachable = (judged.shortest != NO_WAY) & (judged.shortest <= max_steps)
    arrived = judged.success
    return Shares(
        success=_mean(arrived),
        optimal=_mean(judged.optimal[reachable]),
        lookup=_mean(judged.shown[reachable]),
        stitch_rate=_mean(judged.optimal[reachable & judged.needs_stitching]),
        novel=_mean(judged.novel[arrived]),
        stitched=_mean(judged.stitched[arrived]),
        beats_data=_mean(judged.beats_data),
        gap=_mean((judged.steps - judged.shortest)[arrived]),
        spl=_mean(arrived * judged.shortest / np.maximum(judged.steps, 1)),
    )


def histogram(
    steps: Int[np.ndarray, " E"], success: Bool[np.ndarray, " E"], max_steps: int
) -> Float[np.ndarray, " bins"]:
    """Shares of walks that arrived after 1, 2, ..., `max_steps` steps, and last of those that did not.

    Args:
      steps: actions of each walk, at most `max_steps`.
      success: whether it arrived.
      max_steps: longest walk.

    Returns:
      `max_steps + 1` shares that add up to 1.

    Source: Chen et al. (2021), "Decision Transformer", appendix A.3 (the histogram of its example on a graph).

    Example:
      >>> histogram(np.array([1, 3, 3, 3]), np.array([True, True, True, False]), 3).tolist()
      [0.25, 0.0, 0.5, 0.25]
    """
    counts = np.bincount(np.where(success, steps, max_steps + 1), minlength=max_steps + 2)
    return counts[1:] / len(steps)


def walks(record: trajectories.Trajectories) -> Iterator[Int[np.ndarray, " nodes"]]:
    """The nodes of each episode, the last one included.

    Raises:
      ValueError: observations are neither node indices nor one-hot.
    """
    if record.observations.ndim > 2:
        raise ValueError(
            f"got observations of shape {record.observations.shape[1:]}, wanted node indices or one-hot vectors"
        )
    for episode in record.episodes():
        seen = np.concatenate([episode.observations, np.asarray(episode.final_observation)[None]])
        yield seen.astype(np.int64) if seen.ndim == 1 else seen.argmax(axis=1)


def _path(nodes: Int[np.ndarray, " nodes"]) -> Path:
    """A walk without the steps that stayed in place."""
    moved = np.append(True, nodes[1:] != nodes[:-1])
    return tuple(nodes[moved].tolist())


def _distances(edges: Bool[np.ndarray, "nodes nodes"]) -> Int[np.ndarray, " nodes"]:
    """Fewest edges to the goal, by breadth-first search from it; -1 where no way leads there."""
    found = np.full(len(edges), NO_WAY)
    found[GOAL] = 0
    frontier, distance = found == 0, 0
    while frontier.any():
        distance += 1
        frontier = edges[:, frontier].any(axis=1) & (found == NO_WAY)
        found[frontier] = distance
    return found


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
