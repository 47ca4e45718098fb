"""Picture of a random graph and of a walk on it."""

import functools
import itertools
from typing import Any

import numpy as np

from jax_s4rl import _extras
from jax_s4rl.envs import graphs

try:
    from matplotlib import patches
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise _extras.missing(error, "plots", "drawing the graph") from None

PIXELS = 640
INCHES = 6.4
PAPER, INK, FAINT = "#ffffff", "#22313f", "#c3ccd5"
GOAL_SIZE = 1.35
NEAR_GOAL = "#8fcbaa"
GOAL_COLOR, WALKER_COLOR, WALK_COLOR, LOST_COLOR = "#2a9d5c", "#e4572e", "#e4572e", "#eceff2"
RING_COLORS = ("#d8ecf8", "#c3dff2", "#abd0ea", "#92bfe0", "#7aadd4", "#659bc6")
FINISHED = {True: "arrived", False: "out of time"}


def draw(edges: np.ndarray, path: list[int], max_steps: int) -> np.ndarray:
    """Draws a graph with the goal in the middle; the darker a node, the longer its shortest path.

    The walk is a line that grows more opaque; a ring around a node marks a step that stayed there.

    Args:
        edges: Matrix of edges, Bool[n, n].
        path: Nodes visited so far; the last one is the walker's node.
        max_steps: Length of an episode.

    Returns:
        The picture, uint8 [640, 640, 3].

    Example:
        >>> draw(graphs.sample(20, 0.1, 0), [3], 10).shape
        (640, 640, 3)
    """
    figure = Figure(figsize=(INCHES, INCHES), dpi=PIXELS / INCHES, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.17, 1.17), ylim=(-1.22, 1.12), aspect="equal")
    axes.axis("off")
    distances = graphs.distances(edges)
    places = layout(edges.tobytes(), len(edges))
    radius = float(np.clip(2.4 / len(edges), 0.022, 0.09))
    _draw_edges(axes, edges, places, radius)
    _draw_walk(axes, path, places, radius)
    _draw_nodes(axes, distances, places, radius, path)
    _draw_caption(axes, distances, path, max_steps)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]


@functools.lru_cache(maxsize=64)
def layout(edges_bytes: bytes, n_nodes: int) -> np.ndarray:
    """Computes the positions of all nodes.

    The goal is in the middle of a circle; the branches of the tree of shortest paths are side by
    side on the circle.

    Args:
        edges_bytes: Matrix of edges as bytes, which can be hashed: a layout is computed once for
            each graph.
        n_nodes: Number of nodes.

    Returns:
        Positions, Float64[n, 2]: on the unit circle except the goal, which is at the origin.
    """
    edges = np.frombuffer(edges_bytes, bool).reshape(n_nodes, n_nodes)
    children = _tree(edges, graphs.distances(edges))
    order: list[int] = []
    waiting = [graphs.GOAL]
    while waiting:
        order.append(waiting.pop())
        waiting += children[order[-1]]
    angles = np.pi / 2 - 2 * np.pi * np.arange(n_nodes - 1) / (n_nodes - 1)
    places = np.zeros((n_nodes, 2))
    places[order[1:]] = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return places


def _tree(edges: np.ndarray, distances: np.ndarray) -> list[list[int]]:
    """Returns the children of every node in a tree of shortest paths to the goal.

    A node with several possible parents goes to the one with the fewest children so far; nodes
    without a path to the goal become children of the goal.
    """
    children: list[list[int]] = [[] for _ in distances]
    for node in np.argsort(distances, kind="stable"):
        if node != graphs.GOAL:
            nearer = np.flatnonzero(edges[node] & (distances == distances[node] - 1))
            is_lost = distances[node] == graphs.UNREACHABLE
            parent = graphs.GOAL if is_lost else min(nearer, key=lambda other: len(children[other]))
            children[parent].append(int(node))
    return children


def _arrow(axes: Any, start: np.ndarray, end: np.ndarray, radius: float, **style: Any) -> None:
    direction = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    is_goal = not end.any()
    axes.add_patch(
        patches.FancyArrowPatch(
            tuple(start + 0.9 * radius * direction),
            tuple(end - (1.1 * GOAL_SIZE if is_goal else 1.1) * radius * direction),
            connectionstyle="arc3,rad=0.15",
            shrinkA=0,
            shrinkB=0,
            **style,
        )
    )


def _draw_edges(axes: Any, edges: np.ndarray, places: np.ndarray, radius: float) -> None:
    head = "-|>,head_length=0.32,head_width=0.16"
    for source, target in zip(*np.nonzero(edges), strict=True):
        if source != graphs.GOAL:
            color, width = (NEAR_GOAL, 1.6) if target == graphs.GOAL else (FAINT, 0.9)
            style = {
                "arrowstyle": head,
                "mutation_scale": 14,
                "color": color,
                "linewidth": width,
                "zorder": 1,
            }
            _arrow(axes, places[source], places[target], radius, **style)


def _draw_walk(axes: Any, path: list[int], places: np.ndarray, radius: float) -> None:
    arrow = {
        "arrowstyle": "-|>,head_length=0.4,head_width=0.2",
        "mutation_scale": 18,
        "linewidth": 2.4,
    }
    for number, (source, target) in enumerate(itertools.pairwise(path)):
        strength = 0.35 + 0.65 * (number + 1) / (len(path) - 1)
        style: dict[str, Any] = {"color": WALK_COLOR, "alpha": strength, "zorder": 2}
        if source == target:
            axes.add_patch(
                patches.Circle(
                    tuple(places[source]), 1.45 * radius, fill=False, linewidth=1.6, **style
                )
            )
        else:
            _arrow(axes, places[source], places[target], radius, **arrow, **style)


def _draw_nodes(
    axes: Any, distances: np.ndarray, places: np.ndarray, radius: float, path: list[int]
) -> None:
    for node, place in enumerate(places):
        is_walker = bool(path) and node == path[-1]
        is_start = bool(path) and node == path[0]
        color = RING_COLORS[min(int(distances[node]), len(RING_COLORS)) - 1]
        color = LOST_COLOR if distances[node] == graphs.UNREACHABLE else color
        color = GOAL_COLOR if node == graphs.GOAL else color
        size = radius * (GOAL_SIZE if node == graphs.GOAL else 1.0)
        edge, width = (WALKER_COLOR, 2.4) if is_start else (INK, 0.8)
        if is_walker:
            halo = patches.Circle(
                tuple(place), 1.45 * size, facecolor=WALKER_COLOR, alpha=0.25, linewidth=0, zorder=3
            )
            axes.add_patch(halo)
            color, edge = (GOAL_COLOR if node == graphs.GOAL else WALKER_COLOR), WALKER_COLOR
        axes.add_patch(
            patches.Circle(
                tuple(place), size, facecolor=color, edgecolor=edge, linewidth=width, zorder=4
            )
        )
        text = "white" if is_walker or node == graphs.GOAL else INK
        axes.text(
            *place,
            str(node),
            ha="center",
            va="center_baseline",
            fontsize=_font(radius),
            color=text,
            zorder=5,
        )


def _font(radius: float) -> float:
    return float(np.clip(radius * 130, 4.5, 12))


def _draw_caption(axes: Any, distances: np.ndarray, path: list[int], max_steps: int) -> None:
    if not path:
        return
    num_steps = len(path) - 1
    is_over = path[-1] == graphs.GOAL or num_steps >= max_steps
    parts = [
        f"start {path[0]}",
        f"step {num_steps} of {max_steps}",
        f"shortest path {distances[path[0]]}",
    ]
    parts += [FINISHED[path[-1] == graphs.GOAL]] if is_over else []
    axes.text(0, -1.17, "   ·   ".join(parts), ha="center", va="center", fontsize=11, color=INK)
