"""Reference policies: uniformly random, and optimal (or scripted) for each environment.

A policy is a function from an observation to an action. The optimal ones are references and not
models: some read the internal state of the environment that they are made for. A policy with
memory has `reset()`, which must be called when an episode starts.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np

Policy = Callable[[Any], Any]

# Position, velocity, angle, angular velocity. Pushing in the direction of their weighted sum keeps
# the pole up for 500 steps from every start (2,000 were tried), with velocities observed or
# computed from the last two positions.
CARTPOLE_WEIGHTS = np.array([0.1, 0.2, 1.0, 0.3])
# Durations of a step.
CARTPOLE_SECONDS = 0.02
PENDULUM_SECONDS = 0.05
SPRING, DAMPER = 8.0, 2.0
GRAVITY_TERM = 5.0  # m g l / 2 of Gymnasium's Pendulum, whose moment of inertia is 1/3
MAX_TORQUE = 2.0


def uniform(env: gymnasium.Env, seed: int, *, choose: str = "edges") -> Policy:
    """Makes a policy that draws actions uniformly.

    On RandomWalk and WeightedWalk it draws one of the edges out of the current node, as in the
    published data; `choose="nodes"` draws from the whole action space there as well.

    Args:
        env: Environment in which the policy will act.
        seed: Seed of the policy's own generator.
        choose: Choice on the two walks, "edges" or "nodes"; ignored on other environments.

    Returns:
        The policy.

    Raises:
        ValueError: If `choose` has another value, or the action space is of another kind.

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
    raise ValueError(f"got the action space {space}, wanted Discrete or Box")


def _targets(world: Any) -> np.ndarray:
    targets = np.flatnonzero(world.edges[world.node])
    return targets if len(targets) else np.array([world.node])


def optimal(env: gymnasium.Env) -> Policy:
    """Makes the best known policy: exact for the discrete environments, scripted for control.

    Args:
        env: RandomWalk, WeightedWalk, KeyDoor, KeyToDoor, MiniGridDoorKey, MiniGridMemory, TMaze,
            MemoryChain, RepeatFirst, CartPole or Pendulum (masked or not), MetaCartPole, or
            bsuite's umbrella, memory, discounting_chain or cartpole.

    Returns:
        The policy, for this environment object.

    Raises:
        ValueError: If no optimal policy is known for the environment.

    Example:
        >>> policy = optimal(gymnasium.make("CartPole-v1"))
        >>> policy(np.zeros(4))
        0
    """
    name = type(env.unwrapped).__name__
    if name not in OPTIMAL:
        raise ValueError(
            f"got {env.unwrapped}, for which no optimal policy is known; "
            f"wanted one of {', '.join(OPTIMAL)}"
        )
    return OPTIMAL[name](env.unwrapped)


def episodes(
    env: gymnasium.Env, policy: Policy, num_episodes: int, seed: int
) -> Iterator[list[float]]:
    """Plays whole episodes, the first with `reset(seed=seed)` and the others with `reset()`.

    Args:
        env: One environment (not a vector environment).
        policy: Policy that acts; its `reset`, if it has one, is called when an episode starts.
        num_episodes: Number of episodes.
        seed: Seed of the environment.

    Yields:
        The rewards of each episode.
    """
    for episode in range(num_episodes):
        observation, _ = env.reset(seed=seed if episode == 0 else None)
        reset(policy)
        rewards: list[float] = []
        is_over = False
        while not is_over:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            rewards.append(float(reward))
            is_over = terminated or truncated
        yield rewards


def play(env: gymnasium.Env, policy: Policy, num_episodes: int, seed: int) -> np.ndarray:
    """Plays episodes as in `episodes` and returns their undiscounted returns.

    Args:
        env: One environment (not a vector environment).
        policy: Policy that acts.
        num_episodes: Number of episodes.
        seed: Seed of the environment.

    Returns:
        Undiscounted returns, Float64[num_episodes].
    """
    return np.array([sum(rewards) for rewards in episodes(env, policy, num_episodes, seed)])


def _shortest_path(world: Any) -> Policy:
    def act(_: Any) -> int:
        targets = np.flatnonzero(world.edges[world.node])
        distances = np.where(
            world.distances[targets] < 0, len(world.edges), world.distances[targets]
        )
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
        return bsuite_cartpole
    raise ValueError(
        f"got {world.bsuite_id}, for which no optimal policy is known; "
        "wanted umbrella_*, memory_*, discounting_chain or cartpole"
    )


class _Recall:
    """Policy for memory_len, memory_size and MemoryChain.

    It keeps the bits of the first observation and answers with the one that the query names.
    """

    def __init__(self):
        self.bits: np.ndarray | None = None

    def reset(self) -> None:
        """Forgets the bits."""
        self.bits = None

    def __call__(self, observation: np.ndarray) -> int:
        """Returns the bit with the index `observation[1]`, as an action."""
        if self.bits is None:
            self.bits = observation[2:].copy()
        return int(self.bits[round(float(observation[1]))] > 0)


def cartpole(observation: np.ndarray) -> int:
    """Returns CartPole's action: to the right (1) if the weighted state is positive, else left (0).

    Example:
        >>> cartpole(np.array([0.0, 0.0, 0.05, 0.0])), cartpole(np.array([0.0, 0.0, -0.05, 0.0]))
        (1, 0)
    """
    return int(observation @ CARTPOLE_WEIGHTS > 0)


class MaskedCartPole:
    """CartPole's controller from positions alone.

    It keeps the last positions to compute velocities, so call `reset` when an episode starts.
    """

    def __init__(self):
        self.last: np.ndarray | None = None

    def reset(self) -> None:
        """Forgets the last positions."""
        self.last = None

    def __call__(self, observation: np.ndarray) -> int:
        """Returns the action for position and angle, float32 [2]."""
        last = observation if self.last is None else self.last
        self.last = observation
        velocity = (observation - last) / CARTPOLE_SECONDS
        return cartpole(np.stack([observation, velocity], axis=1).ravel())


def bsuite_cartpole(observation: np.ndarray) -> int:
    """Returns the action (0, 1, 2: left, none, right) of bsuite's cartpole.

    The observation is x, x', sine and cosine of the angle, angular velocity and time.
    """
    x, x_velocity, sine, _, angular_velocity, _ = observation
    return 2 if cartpole(np.array([x, x_velocity, sine, angular_velocity])) else 0


def pendulum(observation: np.ndarray) -> np.ndarray:
    """Returns the torque for Gymnasium's Pendulum.

    The controller pumps energy until it suffices to stand up, then holds with a spring and a
    damper. With the angle from upright a, the energy is `E = a'^2 / 6 + 5 (cos a - 1)`, which is
    zero at rest at the top. Torque along the velocity raises it.

    Args:
        observation: Cosine and sine of the angle, and angular velocity: float32 [3].

    Returns:
        Torque in -2 ... 2, float32 [1].

    Source:
        Åström and Furuta 2000, Swinging up a pendulum by energy control.

    Example:
        >>> pendulum(np.array([1.0, 0.0, 0.5])).tolist()
        [-1.0]
    """
    cosine, sine, velocity = map(float, observation)
    angle = np.arctan2(sine, cosine)
    hold = -(SPRING * angle + DAMPER * velocity)
    # Near the top, holding beats pumping once the torque that it needs is close to the motor's.
    is_near = abs(hold) < MAX_TORQUE * (2 if cosine > 0.8 else 1) and cosine > 0.5
    energy = velocity**2 / 6 + GRAVITY_TERM * (cosine - 1)
    pump = -MAX_TORQUE * energy * (1 if velocity >= 0 else -1)
    return np.array([np.clip(hold if is_near else pump, -MAX_TORQUE, MAX_TORQUE)], np.float32)


class MaskedPendulum:
    """Pendulum's controller from the angle alone.

    It keeps the last angle to compute the velocity, so call `reset` when an episode starts.
    """

    def __init__(self):
        self.last: float | None = None

    def reset(self) -> None:
        """Forgets the last angle."""
        self.last = None

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Returns the torque for cosine and sine of the angle, float32 [2]."""
        cosine, sine = map(float, observation)
        angle = float(np.arctan2(sine, cosine))
        turned = 0.0 if self.last is None else angle - self.last
        self.last = angle
        # The shorter way around the circle: a step turns by at most 0.4 radians.
        turned = (turned + np.pi) % (2 * np.pi) - np.pi
        return pendulum(np.array([cosine, sine, turned / PENDULUM_SECONDS]))


def _right_turn(world: Any) -> Policy:
    from jax_s4rl.envs import t_maze

    def act(_: Any) -> int:
        is_at_junction = world.position == world.length - 1
        return (t_maze.UP, t_maze.DOWN)[world.side] if is_at_junction else t_maze.FORWARD

    return act


def _cheapest_way(world: Any) -> Policy:
    def act(_: Any) -> int:
        costs = world.weights[world.node] + world.costs
        # To stay costs no more than the best way, and leads nowhere.
        return int(np.where(world.edges[world.node], costs, costs.max() + 1).argmin())

    return act


def _open_and_leave(world: Any) -> Policy:
    from jax_s4rl.envs import door_key_play

    return lambda _: door_key_play.best_action(*door_key_play.state_of(world))


def _look_and_match(world: Any) -> Policy:
    from jax_s4rl.envs import minigrid_memory

    steps: list[int] = []

    def act(_: Any) -> int:
        if world.step_count == 0:
            steps[:] = minigrid_memory.plan(world)
        return steps[world.step_count]

    return act


def reset(policy: Any) -> None:
    """Calls the policy's `reset` if it has one."""
    if hasattr(policy, "reset"):
        policy.reset()


OPTIMAL: dict[str, Callable[[Any], Policy]] = {
    "BsuiteEnv": _bsuite,
    "CartPoleEnv": lambda _: cartpole,
    "KeyDoorEnv": _tour,
    "KeyToDoorEnv": _tour,
    "MaskedCartPoleEnv": lambda _: MaskedCartPole(),
    "MaskedPendulumEnv": lambda _: MaskedPendulum(),
    "MemoryChainEnv": lambda _: _Recall(),
    "MetaCartPoleEnv": lambda world: lambda _: cartpole(np.array(world.cartpole.state)),
    "MiniGridMemoryEnv": _look_and_match,
    "MiniGridDoorKeyEnv": _open_and_leave,
    "PendulumEnv": lambda _: pendulum,
    "RandomWalkEnv": _shortest_path,
    "RepeatFirstEnv": lambda world: lambda _: int(world.cards[0]),
    "TMazeEnv": _right_turn,
    "UmbrellaEnv": _bsuite,
    "WeightedWalkEnv": _cheapest_way,
}
