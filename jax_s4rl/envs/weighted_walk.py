"""Cheapest ways through a complete graph with weights: the graph task of the founding report."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions, graphs

START = 0


class WeightedWalkEnv(gymnasium.Env):
    """Walk from the first to the last node of a complete graph, at the least cost.

    * Observation: the node, as an index (`Discrete(n)`).
    * Action: the node to go to. The node itself is possible: the walker stays, at no cost, and a
      step is lost.
    * Reward: minus the weight of the edge, and `arrival_reward` on top for the step that arrives.
    * End: terminated at the last node, truncated after `max_steps` steps.
    * Info, for metrics only: `action_mask` (0 for the node itself), `cost` (least cost of a way to
      the goal), and at the end `is_success`.

    Args:
        n_nodes: Number of nodes, 2 or more.
        largest_weight: Largest weight; weights are integers, uniform from 1 on.
        max_steps: Maximal number of steps; the environment truncates itself, without a TimeLimit.
        graph_seed: Seed of the weights, which depend on the arguments and never on `reset(seed=)`.
        arrival_reward: Reward of the arrival, beside the weight of its edge.
        render_mode: Always None; nothing is drawn.

    Raises:
        ValueError: If an argument is out of its range.

    Source:
        Dighe, Rajvee, Pardis (2024), "Towards Better Offline RL with Structured State Space
        Sequence (S4) Models", course report, section on the graph walk.

    Example:
        >>> env = WeightedWalkEnv()
        >>> node, info = env.reset(seed=0)
        >>> node, info["action_mask"].tolist()
        (0, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
        >>> bool(env.step(9)[1] == 32 - env.weights[0, 9])
        True
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self,
        n_nodes: int = 10,
        largest_weight: int = 10,
        max_steps: int = 20,
        graph_seed: int = 0,
        *,
        arrival_reward: float = 32.0,
        render_mode: str | None = None,
    ):
        if max_steps < 1:
            raise ValueError(f"got max_steps={max_steps}, wanted 1 or more")
        if not np.isfinite(arrival_reward):
            raise ValueError(f"got arrival_reward={arrival_reward}, wanted a finite number")
        self.weights = graphs.sample_weights(n_nodes, largest_weight, graph_seed)
        self.goal = n_nodes - 1
        self.costs = graphs.least_costs(self.weights, self.goal)
        # Edges that random walks choose from, as in RandomWalk.
        self.edges = self.weights > 0
        self.n_nodes, self.max_steps = n_nodes, max_steps
        self.arrival_reward = float(arrival_reward)
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Discrete(n_nodes)
        self.observation_space = gymnasium.spaces.Discrete(n_nodes)
        self.path: list[int] = []

    @property
    def node(self) -> int:
        """Node at which the walker is."""
        return self.path[-1]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Starts a walk at the first node."""
        super().reset(seed=seed)
        self.path = [START]
        return self.node, self._info()

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Goes to the node `action`."""
        target = _actions.as_index(action, self.n_nodes)
        if not self.path or self.node == self.goal or len(self.path) > self.max_steps:
            raise gymnasium.error.ResetNeeded(
                "the walk is over or was not started; call reset() before step()"
            )
        reward = -float(self.weights[self.node, target])
        self.path.append(target)
        terminated = target == self.goal
        truncated = not terminated and len(self.path) > self.max_steps
        info = self._info()
        if terminated or truncated:
            info["is_success"] = terminated
        if terminated:
            reward += self.arrival_reward
        return target, reward, terminated, truncated, info

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self.edges[self.node].astype(np.int8),
            "cost": int(self.costs[self.node]),
        }
