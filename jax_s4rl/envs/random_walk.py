"""Shortest paths on a random graph: the introductory task of the Decision Transformer."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions, graphs

OBSERVATIONS = ("index", "onehot")
INVALID = ("stay", "raise")


class RandomWalkEnv(gymnasium.Env):
    """Walk from a random node to node 0 on a fixed random graph, in as few steps as possible.

    * Observation: the node, as an index (`Discrete(n)`) or one-hot (float32 `Box`).
    * Action: the node to go to. Without an edge to it the walker stays (or, with `invalid="raise"`,
      `step` raises an error).
    * Reward: -1 for every step, including the arrival (see `arrival_reward`), so that the return is
      minus the length of the path.
    * Start: uniform over the nodes other than the goal whose shortest path has at most `max_steps`
      edges.
    * End: terminated at the goal, truncated after `max_steps` steps.
    * Info, for metrics only: `action_mask` (1 for each node to which an edge leads), `distance`
      (length of the shortest path to the goal, -1 for none), and at the end `is_success`.

    Args:
        n_nodes: Number of nodes.
        edge_prob: Probability of each edge.
        max_steps: Maximal number of steps; the environment truncates itself, without a TimeLimit.
        graph_seed: Seed of the graph, which depends on the arguments and never on `reset(seed=)`.
        directed: Whether edges have a direction; False makes edges passable both ways.
        connect: Required connections of the graph (see `graphs.sample`).
        invalid: Consequence of an action without an edge, "stay" or "raise".
        obs: Form of the observations, "index" or "onehot".
        arrival_reward: Reward of the step that arrives; 0 counts as the Decision Transformer does.
        render_mode: Render mode, None or "rgb_array".

    Raises:
        ValueError: If an argument is out of its range, or no node reaches the goal in time.

    Source:
        Chen et al. 2021, Decision Transformer, section 3 and appendix A.3.

    Example:
        >>> env = RandomWalkEnv()
        >>> node, info = env.reset(seed=0, options={"start": 5})
        >>> node, info["action_mask"].sum() == env.edges[5].sum()
        (5, np.True_)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 (Gymnasium's form)

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
        self.edges = graphs.sample(
            n_nodes, edge_prob, graph_seed, directed=directed, connect=connect
        )
        self.distances = graphs.distances(self.edges)
        self.starts = np.flatnonzero((self.distances > 0) & (self.distances <= max_steps))
        if not len(self.starts):
            raise ValueError(
                f"got a graph (n_nodes={n_nodes}, edge_prob={edge_prob}, graph_seed={graph_seed}) "
                f"whose goal no node reaches within max_steps={max_steps}; "
                "take another graph_seed, a larger edge_prob or connect='all_reach'"
            )
        self.n_nodes = n_nodes
        self.max_steps = max_steps
        self.arrival_reward = float(arrival_reward)
        self.invalid = invalid
        self.obs = obs
        self.render_mode = render_mode
        # Single entries of a list are read several times faster than those of an array.
        self._is_edge = self.edges.tolist()
        self._distance = self.distances.tolist()
        self._masks = self.edges.astype(np.int8)
        self.action_space = gymnasium.spaces.Discrete(n_nodes)
        one_hot = gymnasium.spaces.Box(0.0, 1.0, (n_nodes,), np.float32)
        self.observation_space = gymnasium.spaces.Discrete(n_nodes) if obs == "index" else one_hot
        self.path: list[int] = []

    @property
    def node(self) -> int:
        """Node at which the walker is."""
        return self.path[-1]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts a walk; `options={"start": v}` starts it at node v."""
        super().reset(seed=seed)
        start = (
            self.np_random.choice(self.starts)
            if not options or "start" not in options
            else options["start"]
        )
        self.path = [self._check_start(start)]
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Goes to the node `action` if there is an edge to it."""
        target = _actions.as_index(action, self.n_nodes)
        if not self.path or self.node == graphs.GOAL:
            raise gymnasium.error.ResetNeeded(
                "the walk is over or was not started; call reset() before step()"
            )
        has_edge = self._is_edge[self.node][target]
        if not has_edge and self.invalid == "raise":
            raise ValueError(
                f"got action {target} at node {self.node}, which has no edge to it; "
                "wanted a node that info['action_mask'] allows"
            )
        self.path.append(target if has_edge else self.node)
        terminated = self.node == graphs.GOAL
        truncated = not terminated and len(self.path) > self.max_steps
        info = self._info()
        if terminated or truncated:
            info["is_success"] = terminated
        return (
            self._observation(),
            self.arrival_reward if terminated else -1.0,
            terminated,
            truncated,
            info,
        )

    def render(self) -> np.ndarray | None:
        """Returns a picture of the graph with the walk so far, uint8 [height, width, 3]."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() needs render_mode='rgb_array' when the environment is made"
            )
            return None
        # This imports matplotlib, so it waits until something is drawn.
        from jax_s4rl.envs import _graph_picture

        return _graph_picture.draw(self.edges, self.path, self.max_steps)

    def _check_start(self, start: Any) -> int:
        start = _actions.as_index(start, self.n_nodes)
        if start == graphs.GOAL:
            raise ValueError(
                f"got the start {start}, which is the goal; "
                f"wanted one of the nodes 1 to {self.n_nodes - 1}"
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
