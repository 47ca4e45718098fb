"""Metrics of walks on a graph, against the shortest paths and against the recorded walks.

A walk is the sequence of nodes of an episode, the start included. Its steps count every action,
also those along a missing edge, which leave the walker in place; its path is the walk without such
repeats. Node 0 is the goal.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_s4rl.data import trajectories
from jax_s4rl.envs import graphs

# Number of steps from a node without a path to the goal.
NO_WAY = graphs.UNREACHABLE

Path = tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Lookup:
    """Transitions and paths to the goal that recorded walks show.

    Attributes:
        edges: Transitions [nodes, nodes] that some walk made.
        best: Fewest steps [nodes] in which some walk went on from that node to the goal; -1 if no
            walk did. A policy that looks up the best walk and repeats it achieves exactly this.
        composable: Fewest steps [nodes] to the goal along recorded transitions of any walks; -1 if
            there is no path.
        ends: Every path to the goal that a walk made or ended with.
    """

    edges: Bool[np.ndarray, "nodes nodes"]
    best: Int[np.ndarray, " nodes"]
    composable: Int[np.ndarray, " nodes"]
    ends: frozenset[Path]


class WalkMetrics(NamedTuple):
    """Metrics of each of E acted walks.

    Attributes:
        start: First node.
        steps: Number of actions.
        success: Whether the walk arrived at the goal.
        shortest: Number of edges of the shortest path from the start; -1 if there is none.
        optimal: Whether the walk arrived in as many steps as the shortest path has edges.
        novel: Whether the walk arrived by a path that no recorded walk made or ended with.
        stitched: Whether the walk is novel and all its edges are in the data: it joins pieces of
            different walks.
        beats_data: Whether the walk arrived in fewer steps than any recorded walk that visited its
            start.
        needs_stitching: Whether the shortest path from the start can be composed of recorded
            transitions, although no recorded walk shows one.
        shown: Whether some recorded walk shows a shortest path from the start.
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
    """Shares of acted walks; NaN if no walk qualifies for a share.

    Attributes:
        success: Share of walks that arrived in time.
        optimal: Share of walks that arrived by a shortest path, among starts with one that is short
            enough.
        lookup: Share of optimal walks if the best recorded walk from each of the same starts is
            repeated.
        stitch_rate: Share of optimal walks, among starts whose shortest path must be stitched from
            several recorded walks.
        novel: Share of walks with a path that is not in the data, among those that arrived.
        stitched: Share of walks with a novel path along recorded edges alone, among those that
            arrived.
        beats_data: Share of walks that arrived sooner than any recorded walk from the start, among
            all.
        gap: Mean number of steps above the shortest path, among walks that arrived.
        spl: Mean of success times shortest over taken steps ("success weighted by path length").
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
    """Collects the transitions and paths of recorded walks.

    Args:
        record: Recorded walks, observed as node indices or one-hot vectors.
        num_nodes: Number of nodes of the graph.

    Returns:
        Transitions, fewest recorded steps and paths to the goal.

    Raises:
        ValueError: If observations are neither node indices nor one-hot vectors.

    Example:
        >>> nodes, ends = np.array([2, 1]), np.array([False, True])
        >>> walk = trajectories.Episode(
        ...     nodes, np.array([1, 0]), -np.ones(2), ends, ends & ~ends, np.array(0), seed=0)
        >>> lookup(trajectories.from_episodes([walk]), 4).best.tolist()
        [0, 1, 2, -1]
    """
    edges = np.zeros((num_nodes, num_nodes), bool)
    best = np.full(num_nodes, np.iinfo(np.int64).max)
    ends: set[Path] = set()
    for nodes in walks(record):
        edges[nodes[:-1], nodes[1:]] = True
        if nodes[-1] != graphs.GOAL:
            continue
        # Steps that are left from each node; a repeated node keeps its last visit, the smallest
        # number.
        np.minimum.at(best, nodes, np.arange(len(nodes))[::-1])
        path = _path(nodes)
        # Every suffix of the path is a path to the goal too.
        ends.update(path[first:] for first in range(len(path) - 1))
    np.fill_diagonal(edges, False)
    best = np.where(best == np.iinfo(np.int64).max, NO_WAY, best)
    best[graphs.GOAL] = 0
    return Lookup(edges, best, graphs.distances(edges), frozenset(ends))


def walk_metrics(
    record: trajectories.Trajectories, recorded: Lookup, distances: Int[np.ndarray, " nodes"]
) -> WalkMetrics:
    """Compares acted walks with the shortest paths and with the data.

    Args:
        record: Walks of a policy, observed as node indices or one-hot vectors.
        recorded: Transitions and paths of the recorded walks.
        distances: Number of edges of the shortest path from each node to the goal, -1 for no path:
            `env.unwrapped.distances`.

    Returns:
        Metrics of each walk.

    Raises:
        ValueError: If observations are neither node indices nor one-hot vectors.
    """
    distances = np.asarray(distances)
    all_nodes = list(walks(record))
    paths = [_path(nodes) for nodes in all_nodes]
    start = np.array([nodes[0] for nodes in all_nodes])
    steps = np.array([len(nodes) - 1 for nodes in all_nodes])
    success = np.array([nodes[-1] == graphs.GOAL for nodes in all_nodes])
    novel = success & np.array([path not in recorded.ends for path in paths])
    is_composed = np.array(
        [bool(recorded.edges[list(path[:-1]), list(path[1:])].all()) for path in paths]
    )
    shortest, best = distances[start], recorded.best[start]
    shown = (best == shortest) & (shortest != NO_WAY)
    return WalkMetrics(
        start=start,
        steps=steps,
        success=success,
        shortest=shortest,
        optimal=success & (steps == shortest),
        novel=novel,
        stitched=novel & is_composed,
        beats_data=success & ((best == NO_WAY) | (steps < best)),
        needs_stitching=~shown & (recorded.composable[start] == shortest) & (shortest != NO_WAY),
        shown=shown,
    )


def shares(metrics: WalkMetrics, max_steps: int) -> Shares:
    """Averages the metrics of acted walks.

    Args:
        metrics: Metrics of each walk, from `walk_metrics`.
        max_steps: Longest possible walk; starts that are further away are left out of `optimal`,
            `lookup` and `stitch_rate`.

    Returns:
        Shares and means over the walks.
    """
    reachable = (metrics.shortest != NO_WAY) & (metrics.shortest <= max_steps)
    arrived = metrics.success
    return Shares(
        success=_mean(arrived),
        optimal=_mean(metrics.optimal[reachable]),
        lookup=_mean(metrics.shown[reachable]),
        stitch_rate=_mean(metrics.optimal[reachable & metrics.needs_stitching]),
        novel=_mean(metrics.novel[arrived]),
        stitched=_mean(metrics.stitched[arrived]),
        beats_data=_mean(metrics.beats_data),
        gap=_mean((metrics.steps - metrics.shortest)[arrived]),
        spl=_mean(arrived * metrics.shortest / np.maximum(metrics.steps, 1)),
    )


def histogram(
    steps: Int[np.ndarray, " E"], success: Bool[np.ndarray, " E"], max_steps: int
) -> Float[np.ndarray, " bins"]:
    """Computes the shares of walks that arrived after 1, 2, ..., `max_steps` steps or not at all.

    Args:
        steps: Number of actions of each walk, at most `max_steps`.
        success: Whether each walk arrived.
        max_steps: Longest possible walk.

    Returns:
        `max_steps + 1` shares that add up to 1; the last is that of the walks that did not arrive.

    Source: Chen et al. (2021), "Decision Transformer", appendix A.3 (the histogram of its example
    on a graph).

    Example:
        >>> histogram(np.array([1, 3, 3, 3]), np.array([True, True, True, False]), 3).tolist()
        [0.25, 0.0, 0.5, 0.25]
    """
    counts = np.bincount(np.where(success, steps, max_steps + 1), minlength=max_steps + 2)
    return counts[1:] / len(steps)


def walks(record: trajectories.Trajectories) -> Iterator[Int[np.ndarray, " nodes"]]:
    """Yields the nodes of each episode, the last one included.

    Args:
        record: Walks, observed as node indices or one-hot vectors.

    Yields:
        Node indices of one episode, one more than it has actions.

    Raises:
        ValueError: If observations are neither node indices nor one-hot vectors.
    """
    if record.observations.ndim > 2:
        raise ValueError(
            f"got observations of shape {record.observations.shape[1:]}; "
            "record node indices or one-hot vectors"
        )
    for episode in record.episodes():
        final = np.asarray(episode.final_observation)[None]
        observations = np.concatenate([episode.observations, final])
        one_hot = observations.ndim == 2
        yield observations.argmax(axis=1) if one_hot else observations.astype(np.int64)


def _path(nodes: Int[np.ndarray, " nodes"]) -> Path:
    """Returns a walk without the steps that stayed in place."""
    moved = np.append(True, nodes[1:] != nodes[:-1])
    return tuple(nodes[moved].tolist())


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
