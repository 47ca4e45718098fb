"""Random graphs for the shortest-path task: sampling, distances, and the exact chances of a random walk.

A graph is its matrix of edges: `edges[v, w]` is True where one step leads from node v to node w. Node 0 is the goal.
"""

import functools

import numpy as np

GOAL = 0
UNREACHABLE = -1
CONNECTIONS = ("all_reach", "out_degree", "raw")
# At 20 nodes and 0.1 one graph in 26 is accepted, at 100 nodes and 0.03 one in 170.
MAX_TRIES = 2_000
# Graphs differ a lot: the chance of a random walk to arrive is 0.43 +- 0.24 over 3,000 graphs of 20 nodes. With this
# salt the seeds 0 to 29 average like the 3,000 (0.435 against 0.431), and graph 0 is a typical one (0.45).
SALT = 269


@functools.lru_cache(maxsize=256)
def sample(
    n_nodes: int, edge_prob: float, seed: int, *, directed: bool = True, connect: str = "all_reach"
) -> np.ndarray:
    """Draws a graph: every edge by itself with probability `edge_prob`, no edge from a node to itself.

    Where `connect` asks for more, graphs are drawn until one has it; after `MAX_TRIES` the last one is repaired.

    Args:
        n_nodes: number of nodes, 2 or more.
        edge_prob: in (0, 1].
        seed: the graph is a function of these arguments alone.
        directed: False makes every edge passable both ways.
        connect: "raw" (as drawn), "out_degree" (every node but the goal has an edge out of it), or "all_reach" (and a
            path to the goal as well).

    Returns:
        Read-only Bool[n_nodes, n_nodes].

    Raises:
        ValueError: an argument out of its range.

    Source:
        Chen et al. 2021, Decision Transformer, appendix A.3 (20 nodes, sparsity 0.1).

    Example:
        >>> int(sample(20, 0.1, 0).sum(axis=1)[1:].min())
        1
    """
    check(n_nodes, edge_prob, connect)
    generator = np.random.default_rng([SALT, seed])
    edges = draw(generator, n_nodes, edge_prob, directed)
    for _ in range(MAX_TRIES):
        if is_connected(edges, connect):
            break
        edges = draw(generator, n_nodes, edge_prob, directed)
    else:
        edges = repair(generator, edges, directed=directed, connect=connect)
    edges.setflags(write=False)
    return edges


def check(n_nodes: int, edge_prob: float, connect: str) -> None:
    """Raises `ValueError` where a graph cannot be drawn from these arguments."""
    if n_nodes < 2:
        raise ValueError(f"got n_nodes={n_nodes}, wanted 2 or more: a goal and a place to start from")
    if not 0 < edge_prob <= 1:
        raise ValueError(f"got edge_prob={edge_prob}, wanted a probability above 0 and up to 1")
    if connect not in CONNECTIONS:
        raise ValueError(f"got connect={connect!r}, wanted one of {', '.join(CONNECTIONS)}")


def draw(generator: np.random.Generator, n_nodes: int, edge_prob: float, directed: bool) -> np.ndarray:
    """One draw of the edges, whatever it connects. Bool[n_nodes, n_nodes]."""
    edges = generator.random((n_nodes, n_nodes)) < edge_prob
    if not directed:
        upper = np.triu(edges, 1)
        edges = upper | upper.T
    np.fill_diagonal(edges, False)
    return edges


def is_connected(edges: np.ndarray, connect: str) -> bool:
    """Whether a graph has what `connect` asks for."""
    if connect == "raw":
        return True
    if not edges[GOAL + 1 :].any(axis=1).all():
        return False
    return connect == "out_degree" or bool((distances(edges) != UNREACHABLE).all())


def repair(generator: np.random.Generator, edges: np.ndarray, *, directed: bool, connect: str) -> np.ndarray:
    """Adds the edges that are missing for `connect`, each from a random node in need to a random node that has it.

    Args:
        generator: where the new edges come from.
        edges: Bool[n, n], left as it is.
        directed: False adds every edge both ways.
        connect: "out_degree" or "all_reach".

    Returns:
        Bool[n, n] with as many more edges as were needed.

    Example:
        >>> empty = np.zeros((5, 5), bool)
        >>> int(repair(np.random.default_rng(0), empty, directed=True, connect="all_reach").sum())
        4
    """
    edges = edges.copy()
    while not is_connected(edges, connect):
        lacking = np.array(distances(edges) == UNREACHABLE if connect == "all_reach" else ~edges.any(axis=1))
        lacking[GOAL] = False
        source = generator.choice(np.flatnonzero(lacking))
        targets = ~lacking if connect == "all_reach" else np.arange(len(edges)) != source
        target = generator.choice(np.flatnonzero(targets))
        edges[source, target] = True
        edges[target, source] |= not directed
    return edges


def distances(edges: np.ndarray) -> np.ndarray:
    """Edges on the shortest path to the goal, by breadth-first search from it. Int[n]; -1 where there is no path.

    Example:
        >>> line = np.eye(4, k=-1, dtype=bool)  # 3 -> 2 -> 1 -> 0
        >>> distances(line).tolist()
        [0, 1, 2, 3]
    """
    found = np.full(len(edges), UNREACHABLE)
    found[GOAL] = 0
    frontier = found == 0
    distance = 0
    while frontier.any():
        distance += 1
        frontier = edges[:, frontier].any(axis=1) & (found == UNREACHABLE)
        found[frontier] = distance
    return found


def walk(edges: np.ndarray, choose: str = "edges") -> np.ndarray:
    """Chances of one step of a random walk that stays at the goal.

    Args:
        edges: Bool[n, n].
        choose: "edges" (uniform over the edges out of a node) or "nodes" (uniform over all nodes, staying where there
            is no edge).

    Returns:
        Float64[n, n], rows sum to 1.

    Raises:
        ValueError: another `choose`.
    """
    if choose not in ("edges", "nodes"):
        raise ValueError(f"got choose={choose!r}, wanted 'edges' or 'nodes'")
    degree = edges.sum(axis=1)
    num_choices = np.maximum(degree, 1) if choose == "edges" else np.full(len(edges), len(edges))
    chances = edges / num_choices[:, None]
    chances[np.diag_indices_from(chances)] = 1 - chances.sum(axis=1)
    chances[GOAL] = np.arange(len(edges)) == GOAL
    return chances


def reached_by(edges: np.ndarray, max_steps: int, choose: str = "edges") -> np.ndarray:
    """Exact chance that a random walk from each node is at the goal after 0, 1, ..., `max_steps` steps.

    Args:
        edges: Bool[n, n].
        max_steps: the longest walk.
        choose: as in `walk`.

    Returns:
        Float64[max_steps + 1, n].

    Example:
        >>> line = np.eye(3, k=-1, dtype=bool)
        >>> reached_by(line, 2).tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    """
    chances = walk(edges, choose)
    rows = [np.eye(len(edges))[GOAL]]
    for _ in range(max_steps):
        rows.append(chances @ rows[-1])
    return np.stack(rows)


def shortest_by_chance(edges: np.ndarray, known: int = 0) -> np.ndarray:
    """Exact chance that a walk along random edges goes a shortest path to the goal.

    Args:
        edges: Bool[n, n].
        known: from nodes that are at most so many edges away from the goal the walker knows the way.

    Returns:
        Float64[n]; 0 where no path leads to the goal.

    Example:
        >>> fork = np.zeros((4, 4), bool)  # 3 leads to 1 and 2, these lead to 0 and back
        >>> fork[[3, 3, 1, 1, 2, 2], [1, 2, 0, 3, 0, 3]] = True
        >>> shortest_by_chance(fork).tolist(), shortest_by_chance(fork, known=1).tolist()
        ([1.0, 0.5, 0.5, 0.5], [1.0, 1.0, 1.0, 1.0])
    """
    away = distances(edges)
    chances = np.where((away >= 0) & (away <= known), 1.0, 0.0)
    for distance in range(known + 1, int(away.max()) + 1):
        here, next_ones = away == distance, away == distance - 1
        chances[here] = edges[here][:, next_ones] @ chances[next_ones] / edges[here].sum(axis=1)
    return chances
