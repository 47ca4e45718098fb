"""Random graphs for the shortest-path task: sampling, distances, exact chances of random walks.

A graph is given by its matrix of edges: `edges[v, w]` is True if one step leads from node v to
node w. Node 0 is the goal. A complete graph with weights is given by its matrix of weights.
"""

import functools

import numpy as np

GOAL = 0
UNREACHABLE = -1
CONNECTIONS = ("all_reach", "out_degree", "raw")
# With 20 nodes and edge probability 0.1, one graph in 26 is accepted; with 100 nodes and 0.03, one
# in 170.
MAX_TRIES = 2_000
# Graphs differ a lot: the chance that a random walk arrives is 0.43 +- 0.24 over 3,000 graphs of 20
# nodes. With this salt the mean over the seeds 0 to 29 is close to that of the 3,000 (0.435 against
# 0.431), and graph 0 is a typical one (0.45).
SALT = 269


@functools.lru_cache(maxsize=256)
def sample(
    n_nodes: int, edge_prob: float, seed: int, *, directed: bool = True, connect: str = "all_reach"
) -> np.ndarray:
    """Draws a graph: each edge independently with probability `edge_prob`, and no self-loops.

    Graphs are drawn until one is connected as `connect` requires; after `MAX_TRIES` draws the last
    one is repaired. The graph is a function of the arguments alone.

    Args:
        n_nodes: Number of nodes, 2 or more.
        edge_prob: Probability of each edge, in (0, 1].
        seed: Seed of the draws.
        directed: Whether edges have a direction; False makes every edge passable both ways.
        connect: Required connections: "raw" (none), "out_degree" (every node but the goal has an
            edge out of it), or "all_reach" (every node also has a path to the goal).

    Returns:
        Read-only matrix of edges, Bool[n_nodes, n_nodes].

    Raises:
        ValueError: If an argument is out of its range.

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
    # The cache gives the same array to all callers.
    edges.setflags(write=False)
    return edges


def check(n_nodes: int, edge_prob: float, connect: str) -> None:
    """Checks the arguments from which a graph is drawn.

    Args:
        n_nodes: Number of nodes, 2 or more.
        edge_prob: Probability of each edge, in (0, 1].
        connect: Required connections, "raw", "out_degree" or "all_reach".

    Raises:
        ValueError: If an argument is out of its range.
    """
    if n_nodes < 2:
        raise ValueError(
            f"got n_nodes={n_nodes}, wanted 2 or more: a goal and a node to start from"
        )
    if not 0 < edge_prob <= 1:
        raise ValueError(f"got edge_prob={edge_prob}, wanted a probability above 0 and up to 1")
    if connect not in CONNECTIONS:
        raise ValueError(f"got connect={connect!r}, wanted one of {', '.join(CONNECTIONS)}")


def draw(
    generator: np.random.Generator, n_nodes: int, edge_prob: float, directed: bool
) -> np.ndarray:
    """Draws the edges once and does not check connections.

    Args:
        generator: Source of randomness.
        n_nodes: Number of nodes.
        edge_prob: Probability of each edge.
        directed: Whether edges have a direction.

    Returns:
        Matrix of edges, Bool[n_nodes, n_nodes].
    """
    edges = generator.random((n_nodes, n_nodes)) < edge_prob
    if not directed:
        upper = np.triu(edges, 1)
        edges = upper | upper.T
    np.fill_diagonal(edges, False)
    return edges


def is_connected(edges: np.ndarray, connect: str) -> bool:
    """Returns whether a graph has the connections that `connect` requires (see `sample`)."""
    if connect == "raw":
        return True
    if not edges[GOAL + 1 :].any(axis=1).all():
        return False
    return connect == "out_degree" or bool((distances(edges) != UNREACHABLE).all())


def repair(
    generator: np.random.Generator, edges: np.ndarray, *, directed: bool, connect: str
) -> np.ndarray:
    """Adds edges until a graph has the connections that `connect` requires.

    Each new edge starts at a random node that lacks a connection. For "all_reach" it ends at a
    random node with a path to the goal, for "out_degree" at any other node.

    Args:
        generator: Source of randomness for the new edges.
        edges: Matrix of edges, Bool[n, n]; it is not changed.
        directed: Whether edges have a direction; False adds every edge both ways.
        connect: Required connections, "out_degree" or "all_reach".

    Returns:
        Matrix of the old and the new edges, Bool[n, n].

    Example:
        >>> empty = np.zeros((5, 5), bool)
        >>> int(repair(np.random.default_rng(0), empty, directed=True, connect="all_reach").sum())
        4
    """
    edges = edges.copy()
    while not is_connected(edges, connect):
        lacking = np.array(
            distances(edges) == UNREACHABLE if connect == "all_reach" else ~edges.any(axis=1)
        )
        lacking[GOAL] = False
        source = generator.choice(np.flatnonzero(lacking))
        targets = ~lacking if connect == "all_reach" else np.arange(len(edges)) != source
        target = generator.choice(np.flatnonzero(targets))
        edges[source, target] = True
        edges[target, source] |= not directed
    return edges


def distances(edges: np.ndarray) -> np.ndarray:
    """Counts the edges on shortest paths to the goal, by breadth-first search from the goal.

    Args:
        edges: Matrix of edges, Bool[n, n].

    Returns:
        Distance of each node, Int[n]; -1 if there is no path.

    Example:
        >>> line = np.eye(4, k=-1, dtype=bool)  # 3 -> 2 -> 1 -> 0
        >>> distances(line).tolist()
        [0, 1, 2, 3]
    """
    lengths = np.full(len(edges), UNREACHABLE)
    lengths[GOAL] = 0
    frontier = lengths == 0
    distance = 0
    while frontier.any():
        distance += 1
        frontier = edges[:, frontier].any(axis=1) & (lengths == UNREACHABLE)
        lengths[frontier] = distance
    return lengths


def walk(edges: np.ndarray, choose: str = "edges") -> np.ndarray:
    """Computes the transition matrix of a random walk that stays at the goal.

    Args:
        edges: Matrix of edges, Bool[n, n].
        choose: Choice of the walk: "edges" (uniform over the edges out of a node) or "nodes"
            (uniform over all nodes; the walk stays if there is no edge to the chosen one).

    Returns:
        Transition probabilities, Float64[n, n]; rows sum to 1.

    Raises:
        ValueError: If `choose` has another value.
    """
    if choose not in ("edges", "nodes"):
        raise ValueError(f"got choose={choose!r}, wanted 'edges' or 'nodes'")
    degree = edges.sum(axis=1)
    num_choices = np.maximum(degree, 1) if choose == "edges" else np.full(len(edges), len(edges))
    chances = edges / num_choices[:, None]
    # There are no self-loops, so the diagonal is free for the chance to stay.
    chances[np.diag_indices_from(chances)] = 1 - chances.sum(axis=1)
    chances[GOAL] = np.arange(len(edges)) == GOAL
    return chances


def reached_by(edges: np.ndarray, max_steps: int, choose: str = "edges") -> np.ndarray:
    """Computes the exact chance that a random walk has reached the goal after each number of steps.

    Args:
        edges: Matrix of edges, Bool[n, n].
        max_steps: Length of the longest walk.
        choose: Choice of the walk, "edges" or "nodes" (see `walk`).

    Returns:
        Chances after 0, 1, ..., `max_steps` steps from each node, Float64[max_steps + 1, n].

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
    """Computes the exact chance that a walk along random edges is a shortest path to the goal.

    Args:
        edges: Matrix of edges, Bool[n, n].
        known: Distance, in edges, within which the walk follows a shortest path for certain.

    Returns:
        Chance of each start, Float64[n]; 0 if no path leads to the goal.

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


@functools.lru_cache(maxsize=256)
def sample_weights(n_nodes: int, largest: int, seed: int) -> np.ndarray:
    """Draws the weights of a complete graph whose edges can be passed both ways.

    Args:
        n_nodes: Number of nodes, 2 or more.
        largest: Largest weight, 1 or more.
        seed: Seed of the draws.

    Returns:
        Read-only symmetric matrix of integers from 1 to `largest`, Int[n_nodes, n_nodes]; the
        diagonal is 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> weights = sample_weights(4, 10, 0)
        >>> bool((weights == weights.T).all()), weights.diagonal().tolist()
        (True, [0, 0, 0, 0])
    """
    if n_nodes < 2:
        raise ValueError(f"got n_nodes={n_nodes}, wanted 2 or more: a start and a goal")
    if largest < 1:
        raise ValueError(f"got the largest weight {largest}, wanted 1 or more")
    drawn = np.random.default_rng([SALT, seed]).integers(1, largest + 1, (n_nodes, n_nodes))
    upper = np.triu(drawn, 1)
    weights = upper + upper.T
    # The cache gives the same array to all callers.
    weights.setflags(write=False)
    return weights


def least_costs(weights: np.ndarray, goal: int) -> np.ndarray:
    """Computes the least sum of weights on a way to the goal, by dynamic programming.

    Args:
        weights: Weights of a complete graph, Int[n, n], positive off the diagonal.
        goal: Node to reach.

    Returns:
        Least cost from each node, Int[n].

    Example:
        >>> least_costs(np.array([[0, 9, 1], [9, 0, 2], [1, 2, 0]]), goal=1).tolist()
        [3, 0, 2]
    """
    costs = weights[:, goal].copy()
    # Each round allows one more edge; a way without circles has at most n - 1 of them.
    for _ in range(len(weights) - 2):
        # The zeros of the diagonal keep what is already known.
        costs = (weights + costs).min(axis=1)
    return costs


def least_cost_by_chance(weights: np.ndarray, goal: int) -> np.ndarray:
    """Computes the exact chance that a walk along uniformly drawn edges has the least cost.

    Args:
        weights: Weights of a complete graph, Int[n, n], positive off the diagonal.
        goal: Node to reach.

    Returns:
        Chance of each start, Float64[n]; the walk never stays where it is.

    Example:
        >>> weights = np.array([[0, 9, 1], [9, 0, 2], [1, 2, 0]])
        >>> least_cost_by_chance(weights, goal=1).tolist()
        [0.25, 1.0, 0.5]
    """
    costs = least_costs(weights, goal)
    is_best = (weights + costs == costs[:, None]) & (weights > 0)
    chances = np.zeros(len(weights))
    # Weights are positive, so the best next nodes of a node have lower costs and come before it.
    for node in np.argsort(costs):
        chances[node] = chances[is_best[node]].sum() / (len(weights) - 1)
        if node == goal:
            chances[node] = 1.0
    return chances
