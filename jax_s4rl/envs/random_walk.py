"""Shortest path on a random graph, from random walks: the introductory task of the Decision Transformer."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions, graphs

OBSERVATIONS = ("index", "onehot")
INVALID = ("stay", "raise")


class RandomWalkEnv(gymnasium.Env):
    """Walk from a random node to node 0 along the edges of a fixed random graph, in as few steps as possible.

    * Observation: the node, as an index (`Discrete(n)`) or one-hot (float32 `Box`).
    * Action: the node to go to. Without an edge to it the walker stays (or, with `invalid="raise"`, is told off).
    * Reward: -1 for every step, the arriving one too, so that the return is minus the length of the path.
    * Start: uniform over the nodes other than the goal whose shortest path has at most `max_steps` edges.
    * End: terminated at the goal, truncated after `max_steps` steps.
    * Info, for metrics only: `action_mask` (where edges lead), `distance` (shortest path to the goal, -1 for none), and
      at the end `is_success`.

    Args:
        n_nodes: number of nodes.
        edge_prob: chance of each edge.
        max_steps: steps of an episode; belongs to the environment (no TimeLimit around it).
        graph_seed: the graph is a function of this and the arguments above, never of `reset(seed=)`.
        directed: False makes edges passable both ways.
        connect: see `graphs.sample`.
        invalid: "stay" or "raise", for an action without an edge.
        obs: "index" or "onehot".
        arrival_reward: reward of the step that arrives; 0 counts as the Decision Transformer does.
        render_mode: None or "rgb_array".

    Raises:
        ValueError: an argument out of its range, or a graph whose goal cannot be reached in time from anywhere.

    Source:
        Chen et al. 2021, Decision Transformer, section 3 and appendix A.3.

    Example:
        >>> env = RandomWalkEnv()
        >>> node, info = env.reset(seed=0, options={"start": 5})
        >>> node, info["action_mask"].sum() == env.edges[5].sum()
        (5, np.True_)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        n_nodes: int = 20,
        edge_prob: float = 0.1,
        max_steps: int = 10,
        graph_seed: int = 0,
        *,
        directed: bool = True,
        connect: str = "all_reach",
        invalid: str = "stay",
        obs: str = "index",
        arrival_reward: float = -1.0,
        render_mode: str | None = None,
    ):
        _check_choice("invalid", invalid, INVALID)
        _check_choice("obs", obs, OBSERVATIONS)
        if max_steps < 1:
            raise ValueError(f"got max_steps={max_steps}, wanted 1 or more")
        self.edges = graphs.sample(n_nodes, edge_prob, graph_seed, directed=directed, connect=connect)
        self.distances = graphs.distances(self.edges)
        self.starts = np.flatnonzero((self.distances > 0) & (self.distances <= max_steps))
        if not len(self.starts):
            raise ValueError(
                f"got a graph (n_nodes={n_nodes}, edge_prob={edge_prob}, graph_seed={graph_seed}) whose goal no node "
                f"reaches within max_steps={max_steps}; take another graph_seed, a larger edge_prob or 'all_reach'"
            )
        self.n_nodes, self.max_steps, self.arrival_reward = n_nodes, max_steps, float(arrival_reward)
        self.invalid, self.obs, self.render_mode = invalid, obs, render_mode
        self._is_edge = self.edges.tolist()  # indexing lists is several times faster than indexing an array
        self._distance = self.distances.tolist()
        self._masks = self.edges.astype(np.int8)
        self.action_space = gymnasium.spaces.Discrete(n_nodes)
        one_hot = gymnasium.spaces.Box(0.0, 1.0, (n_nodes,), np.float32)
        self.observation_space = gymnasium.spaces.Discrete(n_nodes) if obs == "index" else one_hot
        self.path: list[int] = []

    @property
    def node(self) -> int:
        """Where the walker is."""
        return self.path[-1]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts a walk; `options={"start": v}` starts it at node v."""
        super().reset(seed=seed)
        start = self.np_random.choice(self.starts) if not options or "start" not in options else options["start"]
        self.path = [self._check_start(start)]
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Goes to the node `action` where there is an edge to it."""
        target = _actions.as_index(action, self.n_nodes)
        if not self.path or self.node == graphs.GOAL:
            raise gymnasium.error.ResetNeeded("the walk is over (or was never begun); call reset() before step()")
        has_edge = self._is_edge[self.node][target]
        if not has_edge and self.invalid == "raise":
            raise ValueError(
                f"got action {target} at node {self.node}, which has no edge to it; see info['action_mask']"
            )
        self.path.append(target if has_edge else self.node)
        terminated = self.node == graphs.GOAL
        truncated = not terminated and len(self.path) > self.max_steps
        info = self._info()
        if terminated or truncated:
            info["is_success"] = terminated
        return self._observation(), self.arrival_reward if terminated else -1.0, terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """A picture of the graph with the walk so far: uint8 [height, width, 3]."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' when the environment is made")
            return None
        from jax_s4rl.envs import _graph_picture  # matplotlib, only where something is drawn

        return _graph_picture.draw(self.edges, self.path, self.max_steps)

    def _check_start(self, start: Any) -> int:
        start = _actions.as_index(start, self.n_nodes)
        if start == graphs.GOAL:
            raise ValueError(
                f"got the start {start}, which is the goal; wanted one of the nodes 1 to {self.n_nodes - 1}"
            )
        return start

    def _observation(self) -> Any:
        if self.obs == "index":
            return self.node
        one_hot = np.zeros(self.n_nodes, np.float32)
        one_hot[self.node] = 1
        return one_hot

    def _info(self) -> dict[str, Any]:
        return {"action_mask": self._masks[self.node].copy(), "distance": self._distance[self.node]}


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"got {name}={value!r}, wanted one of {', '.join(choices)}")
