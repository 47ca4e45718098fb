"""Reference policies: uniformly random, and optimal (or scripted) for each environment.

A policy is a function from an observation to an action. The optimal ones are references and not models: some look into
the environment that they are made for. A policy that remembers has `reset()`, to be called when an episode starts.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _controllers

Policy = Callable[[Any], Any]


def uniform(env: gymnasium.Env, seed: int, *, choose: str = "edges") -> Policy:
    """Random actions, each as likely as any other.

    On RandomWalk the walker takes one of the edges out of its node, as the published data did; `choose="nodes"` draws
    from the whole action space there as well.

    Args:
        env: the environment that the policy will act in.
        seed: of the policy's own generator.
        choose: "edges" or "nodes"; matters on RandomWalk alone.

    Returns:
        The policy.

    Example:
        >>> policy = uniform(gymnasium.make("CartPole-v1"), seed=0)
        >>> policy(None) in (0, 1)
        True
    """
    generator = np.random.default_rng(seed)
    space, world = env.action_space, env.unwrapped
    if choose not in ("edges", "nodes"):
        raise ValueError(f"got choose={choose!r}, wanted 'edges' or 'nodes'")
    if choose == "edges" and hasattr(world, "edges"):
        return lambda _: int(generator.choice(_targets(world)))
    if isinstance(space, gymnasium.spaces.Discrete):
        return lambda _: int(generator.integers(space.n)) + int(space.start)
    if isinstance(space, gymnasium.spaces.Box):
        return lambda _: generator.uniform(space.low, space.high).astype(space.dtype)
    raise ValueError(f"got the action space {space}, wanted a Discrete or a Box one")


def _targets(world: Any) -> np.ndarray:
    targets = np.flatnonzero(world.edges[world.node])
    return targets if len(targets) else np.array([world.node])


def optimal(env: gymnasium.Env) -> Policy:
    """The best policy that is known: exact for the discrete worlds, scripted for control.

    Args:
        env: a RandomWalk, KeyDoor, KeyToDoor, MaskedCartPole, CartPole or Pendulum, or bsuite's umbrella, memory,
            discounting_chain or cartpole.

    Returns:
        The policy, for this environment object.

    Raises:
        ValueError: none is known.

    Example:
        >>> policy = optimal(gymnasium.make("CartPole-v1"))
        >>> policy(np.zeros(4))
        0
    """
    name = type(env.unwrapped).__name__
    if name not in OPTIMAL:
        raise ValueError(
            f"got {env.unwrapped}, for which no optimal policy is known; there is one for {', '.join(OPTIMAL)}"
        )
    return OPTIMAL[name](env.unwrapped)


def episodes(env: gymnasium.Env, policy: Policy, num_episodes: int, seed: int) -> Iterator[list[float]]:
    """Plays whole episodes, the first with `reset(seed=seed)` and the others after it.

    Args:
        env: one environment (not a vector).
        policy: acts; its `reset` is called when an episode starts, if it has one.
        num_episodes: how many.
        seed: of the environment.

    Yields:
        The rewards of each episode.
    """
    for episode in range(num_episodes):
        observation, _ = env.reset(seed=seed if episode == 0 else None)
        _controllers.forget(policy)
        rewards: list[float] = []
        is_over = False
        while not is_over:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            rewards.append(float(reward))
            is_over = terminated or truncated
        yield rewards


def play(env: gymnasium.Env, policy: Policy, num_episodes: int, seed: int) -> np.ndarray:
    """Undiscounted returns of `episodes`, float64 [num_episodes]."""
    return np.array([sum(rewards) for rewards in episodes(env, policy, num_episodes, seed)])


def _shortest_path(world: Any) -> Policy:
    def act(_: Any) -> int:
        targets = np.flatnonzero(world.edges[world.node])
        distances = np.where(world.distances[targets] < 0, len(world.edges), world.distances[targets])
        return int(targets[distances.argmin()]) if len(targets) else world.node

    return act


def _tour(world: Any) -> Policy:
    from jax_s4rl.envs.key_door import optimal_play

    steps: list[int] = []

    def act(_: Any) -> int:
        if world.step_count == 0:
            steps[:] = optimal_play.plan(world.settings, world.layout)
        return steps[world.step_count]

    return act


def _bsuite(world: Any) -> Policy:
    family = world.bsuite_id.split("/")[0]
    if family.startswith("umbrella"):
        return lambda observation: int(observation[0])
    if family.startswith("memory"):
        return _Recall()
    if family == "discounting_chain":
        best = int(np.argmax(world.raw._rewards))
        return lambda _: best
    if family == "cartpole":
        return _controllers.bsuite_cartpole
    raise ValueError(
        f"got {world.bsuite_id}, of which no optimal policy is known; there is one for umbrella_*, memory_*, "
        "discounting_chain and cartpole"
    )


class _Recall:
    """memory_len and memory_size: keeps the bits of the first observation, answers the one that is asked for."""

    def __init__(self):
        self.bits: np.ndarray | None = None

    def reset(self) -> None:
        """Forgets the bits."""
        self.bits = None

    def __call__(self, observation: np.ndarray) -> int:
        """The bit that `observation[1]` asks for, as an action."""
        if self.bits is None:
            self.bits = observation[2:].copy()
        return int(self.bits[round(float(observation[1]))] > 0)


OPTIMAL: dict[str, Callable[[Any], Policy]] = {
    "BsuiteEnv": _bsuite,
    "CartPoleEnv": lambda _: _controllers.cartpole,
    "KeyDoorEnv": _tour,
    "KeyToDoorEnv": _tour,
    "MaskedCartPoleEnv": lambda _: _controllers.MaskedCartPole(),
    "PendulumEnv": lambda _: _controllers.pendulum,
    "RandomWalkEnv": _shortest_path,
    "UmbrellaEnv": _bsuite,
}
